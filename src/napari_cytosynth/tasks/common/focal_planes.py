"""Choice of the planes of a stack that become the channels of a model of several focal planes.

In brightfield, a cell in focus has hardly any contrast; above and below focus it has more, and
what is bright on one side of it is dark on the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from .looks import middle

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import FocalPlanes, Normalisation

    Levels = npt.NDArray[np.float64]

__all__ = ["FocalChoice", "PlaneFocus", "choose_planes", "measure_focus"]

_STD_PERCENTILES = (5.0, 95.0)  # of a normal distribution, 3.29 standard deviations apart
_STDS = 3.29
_TAILS = (0.1, 50.0, 99.9)
_DIP = math.log(1.1)  # by which contrast rises on both sides of focus, at least
_CLEAR = 1 / 3  # of the training's difference of asymmetry: less does not tell the order


@dataclass(frozen=True)
class PlaneFocus:
    """What tells how far a plane lies from focus, and on which side.

    Attributes
    ----------
    contrast
        Standard deviation of the local contrast, as a share of the brightness; 0 for a plane
        that shows nothing.
    asymmetry
        Of the extreme pixels, in [-1, 1]: positive where the brightest are farther from the
        median than the darkest.
    """

    contrast: float
    asymmetry: float


def measure_focus(plane: npt.NDArray[Any], normalisation: Normalisation) -> PlaneFocus:
    """Measure contrast and asymmetry of a plane (Y, X); of a large one, of its middle.

    Parameters
    ----------
    plane
        Real numbers, before scaling.
    normalisation
        Of the model's card; its sigma, in px of the plane, is that of the local mean.
    """
    from napari_cytosynth.inference.normalise import normalise

    local = normalisation.model_copy(update={"kind": "local", "std": 1.0})
    values = normalise(np.asarray(middle(plane))[np.newaxis], local)[0]
    dark, bright = np.percentile(values, _STD_PERCENTILES)
    low, median, high = np.percentile(values, _TAILS)
    asymmetry = (high + low - 2 * median) / max(high - low, 1e-12)
    return PlaneFocus(float(bright - dark) / _STDS, float(asymmetry))


@dataclass(frozen=True)
class FocalChoice:
    """Planes along Z that become the channels of a model.

    Attributes
    ----------
    planes
        Their indices, in the order of the channels.
    order
        ``same``, ``reversed`` or ``unknown``: how Z runs against the training images, by the
        asymmetry of the images.
    """

    planes: tuple[int, ...]
    order: str


def choose_planes(
    measured: Sequence[PlaneFocus], known: FocalPlanes, given: Sequence[int] | None = None
) -> FocalChoice:
    """Choose the planes of a stack that a model of several focal planes takes.

    The plane nearest to focus is the one of least contrast; those below and above it are the
    ones whose contrast comes nearest to that of the training images, no farther away than the
    one of most contrast. Of a stack with just as many planes as the model takes, all are taken.
    Where the images show clearly that Z runs the other way than in the training, the order is
    reversed.

    Parameters
    ----------
    measured
        Each plane along Z.
    known
        The same of the training images.
    given
        Planes that were chosen by hand, in the order of the channels; these are never reversed.
        None (default) chooses.

    Raises
    ------
    InputError
        If the plane nearest to focus has no other below or above it.
    """
    if given is not None:
        return FocalChoice(tuple(given), _order(given, measured, known))
    planes = _in_order(measured, known)
    order = _order(planes, measured, known)
    if order == "reversed":
        last = len(measured) - 1
        planes = tuple(last - plane for plane in _in_order(measured[::-1], known))
    return FocalChoice(planes, order)


def _order(planes: Sequence[int], measured: Sequence[PlaneFocus], known: FocalPlanes) -> str:
    first, last = (measured[planes[end]] for end in (0, -1))
    trained = known.asymmetry[-1] - known.asymmetry[0]
    if not trained or not (first.contrast and last.contrast):
        return "unknown"
    share = (last.asymmetry - first.asymmetry) / trained
    return "same" if share >= _CLEAR else "reversed" if share <= -_CLEAR else "unknown"


def _in_order(measured: Sequence[PlaneFocus], known: FocalPlanes) -> tuple[int, ...]:
    """Return the chosen planes, from the first to the last."""
    count = len(known.contrast)
    if len(measured) == count:
        return tuple(range(count))
    nearest, sign = _nearest_to_focus(known)
    there = [z for z, plane in enumerate(measured) if plane.contrast > 0]
    if nearest is None or len(there) < count:
        raise InputError(
            f"{count} of the {len(measured)} planes along Z cannot be chosen automatically: "
            + (
                "the training images of the model do not tell which one was nearest to focus. "
                if nearest is None
                else "too few of them show anything. "
            )
            + _by_hand(count)
        )
    levels = sign * np.log([measured[z].contrast for z in there])
    wanted = sign * np.log(known.contrast)
    focus = _focus(levels, nearest, count - 1 - nearest)
    if focus is None:
        raise InputError(_at_the_end(there, int(levels.argmin()), len(measured), count))
    below = levels[:focus][::-1]  # from focus outwards
    chosen = [
        *(focus - 1 - place for place in _matching(below, wanted[:nearest][::-1])[::-1]),
        focus,
        *(focus + 1 + place for place in _matching(levels[focus + 1 :], wanted[nearest + 1 :])),
    ]
    return tuple(there[place] for place in chosen)


def _nearest_to_focus(known: FocalPlanes) -> tuple[int | None, int]:
    """Return the channel nearest to focus, and 1 if contrast is least there, -1 if it is most."""
    for sign in (1, -1):
        place = int(np.argmin(sign * np.asarray(known.contrast)))
        if 0 < place < len(known.contrast) - 1:
            return place, sign
    return None, 1


def _focus(levels: Levels, below: int, above: int) -> int | None:
    """Return the place of least level that has so many others below and above it."""
    lowest, end = int(levels.argmin()), len(levels) - above
    if below <= lowest < end:
        return lowest
    # far from focus, contrast fades as well: a dip between two rises is focus all the same
    dips = [
        place
        for place in range(below, end)
        if levels[place] <= min(levels[place - 1], levels[place + 1])
        and min(levels[:place].max(), levels[place + 1 :].max()) - levels[place] >= _DIP
    ]
    return min(dips, key=lambda place: float(levels[place]), default=None)


def _matching(levels: Levels, wanted: Levels) -> list[int]:
    """Return ascending places whose levels come nearest to those that are wanted."""
    reach = max(int(levels.argmax()) + 1, len(wanted))
    cost = np.abs(levels[:reach, np.newaxis] - wanted)
    total = np.full((reach + 1, len(wanted) + 1), np.inf)
    total[:, 0] = 0  # no plane is wanted yet
    for count in range(1, len(wanted) + 1):
        for place in range(count, reach + 1):
            taken = total[place - 1, count - 1] + cost[place - 1, count - 1]
            total[place, count] = min(total[place - 1, count], taken)
    places, place = [], reach
    for count in range(len(wanted), 0, -1):
        while total[place - 1, count] == total[place, count]:
            place -= 1
        place -= 1
        places.append(place)
    return places[::-1]


def _at_the_end(there: Sequence[int], lowest: int, depth: int, count: int) -> str:
    where = "below" if lowest < len(there) / 2 else "above"
    return (
        f"The stack seems to end near focus: of its planes 0 to {depth - 1} along Z, plane "
        f"{there[lowest]} looks nearest to focus, and the model needs others {where} it that are "
        f"not there. {_by_hand(count)}"
    )


def _by_hand(count: int) -> str:
    example = tuple(range(1, 2 * count, 2))
    return (
        f"Choose {count} planes by hand, in the order of the model's channels: for example "
        f"focal_planes={example} (on the command line: --focal-planes "
        f"{' '.join(map(str, example))})."
    )
