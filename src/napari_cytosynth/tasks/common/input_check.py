"""Check of an image against a model's training images, before the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from .layers import resolve_pixel_size
from .looks import (
    LARGEST,
    PERCENTILE_LOOKS,
    guess_kind,
    looks,
    middle,
    not_raw_light,
    trained_on,
)
from .planes import is_constant, looks_like_colour
from .resample import TOLERANCE, resampled_shape, to_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["check_image", "unlike_training"]

_TOO_FLAT, _TOO_STEEP = 0.5, 2.0  # of the training images' smallest and largest contrast
_SLACK = 0.25  # beyond the training images' quantiles, in units of their range
_RARE = (5.0, 95.0)  # quantiles below and above these belong to rare, extreme pixels
_SATURATED = 0.005  # a larger fraction of pixels at the camera's maximum is reported
_CAMERA_BITS = (8, 10, 12, 14, 16)

_SCALE_LOOKS = ("size", "noise")
_FAR = 0.25  # of the distance of the limits: brightness may lie so far outside
_NEARER = 0.1  # of the distance from the limits: an image inverted is so much nearer
_MUCH = 0.1  # of the range of the image's intensities
_INVERTED = "its contrast seems inverted: what is bright there is dark here"
_WORDS = {
    "size": (
        "its structures are finer, as at a smaller magnification",
        "its structures are coarser, as at a larger magnification",
    ),
    "asymmetry": ("its details are darker", "its details are brighter"),
    "fine_asymmetry": (
        "its finest details are dark where those of the training are bright, as in another focal "
        "plane",
        "its finest details are bright where those of the training are dark, as in another focal "
        "plane",
    ),
    "roughness": ("its ground is smoother", "its ground is less smooth"),
    "noise": (
        "it is blurred, as at a larger magnification",
        "it is noisier or finer, as at a smaller magnification",
    ),
}


def check_image(
    plane: Any, card: ModelCard, pixel_size: float | Sequence[float] | None = None
) -> list[str]:
    """Compare a plane with the images that a model was trained on.

    Checked are the pixel size, the looks of the image or the quantiles of its scaled
    intensities (against those of the training images on the card; where the card has neither,
    only whether bright objects on a dark ground are taken for phase contrast or the like), and
    what no model can use: colours, saturated, constant or missing pixels. An image that passes
    may still be of another microscope or sample, which is not detected.

    Parameters
    ----------
    plane
        (Y, X) or (C, Y, X), the input of the model before scaling.
    card
        Card of the model.
    pixel_size
        In µm, one number or those of Y and X; None (default) if unknown.

    Returns
    -------
    list of str
        Warnings for the user; empty if nothing is wrong.

    Raises
    ------
    InputError
        If the plane has another number of axes, its pixels are not real numbers, or the
        pixel size is not positive.
    """
    pixels = np.asarray(plane)
    wanted = card.inference.input_channels
    if pixels.dtype.kind not in "buif" or pixels.ndim not in (2, 3):
        raise InputError("A plane has the axes (Y, X) or (C, Y, X), and real numbers.")
    if len(wanted) == 1 and looks_like_colour(pixels):
        return ["This is a colour (RGB) image; the model expects one grey channel."]
    pixels = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    if len(pixels) != len(wanted):
        plural = "s" * (len(wanted) != 1)
        names = ", ".join(wanted)
        return [f"The model needs {len(wanted)} channel{plural} ({names}), not {len(pixels)}."]
    reasons = _pixel_size(card, pixel_size)
    if is_constant(pixels):
        last = ["The image has the same value everywhere: there is nothing to see in it."]
    else:
        reasons += _unlike(pixels, card)
        last = _saturation(pixels)
    first = (_sentence(reasons, card), not_raw_light(pixels, card.inference.normalisation))
    return [*filter(None, first), *_missing(pixels), *last]


def unlike_training(
    plane: npt.NDArray[Any], card: ModelCard, factors: tuple[float, float] = (1.0, 1.0)
) -> str:
    """Return in what a plane looks unlike the model's training images.

    That is the first sentence of :func:`check_image`, whatever the pixel size. Of a large plane
    the middle is looked at.

    Parameters
    ----------
    plane
        (C, Y, X) real numbers, as many channels as the model takes, before scaling.
    card
        Card of the model.
    factors
        Factors along Y and X that the image is resampled by for the model. Default: (1.0, 1.0).

    Returns
    -------
    str
        Empty if nothing is found.
    """
    rows, columns = (
        math.ceil(most / factor) for most, factor in zip(LARGEST, factors, strict=True)
    )
    seen = middle(plane, (rows, columns))
    if factors != (1.0, 1.0):
        seen = to_shape(_finite(seen), resampled_shape(seen.shape[-2:], factors))
    pixels = np.asarray(seen)
    return "" if is_constant(pixels) else _sentence(_unlike(pixels, card), card)


def _sentence(reasons: list[str], card: ModelCard) -> str:
    if not reasons:
        return ""
    kind = card.inference.modality or (trained_on(card) or "")
    known = f" ({kind})" if kind else ""
    return f"This looks unlike what the model was trained on{known}: {'; '.join(reasons)}."


def _pixel_size(card: ModelCard, given: float | Sequence[float] | None) -> list[str]:
    wanted, own = card.inference.pixel_size_um, resolve_pixel_size(given)
    if wanted is None or own is None:
        return []
    if all(1 / TOLERANCE <= size / wanted <= TOLERANCE for size in own):
        return []
    text = " × ".join(f"{size:.3g}" for size in dict.fromkeys(own))
    return [f"pixel size {text} µm against {wanted:.3g} µm"]


def _missing(pixels: npt.NDArray[Any]) -> list[str]:
    if pixels.dtype.kind != "f" or np.isfinite(pixels).all():
        return []
    return ["The image has NaN or infinite pixels; they will be taken as 0."]


def _saturation(pixels: npt.NDArray[Any]) -> list[str]:
    """Return a warning if many pixels are at the maximum of a camera's range."""
    if pixels.dtype.kind not in "ui":
        return []
    top = int(pixels.max())
    fraction = float(np.mean(pixels == top))
    if fraction < _SATURATED or top not in {2**bits - 1 for bits in _CAMERA_BITS}:
        return []
    return [f"{100 * fraction:.2g} % of the pixels are saturated (at {top})."]


def _unlike(pixels: npt.NDArray[Any], card: ModelCard) -> list[str]:
    """Return in what the intensities or structures differ from the training images', if at all."""
    if card.inference.input_looks:
        return _looks(pixels, card)
    if card.inference.input_quantiles:
        return _intensities(pixels, card)
    return _kind(pixels[0], card)


def _kind(plane: npt.NDArray[Any], card: ModelCard) -> list[str]:
    """Return that a plane is of another kind, for a card that tells only the kind."""
    wanted = trained_on(card)
    if wanted is None or card.inference.task != "segment":
        return []
    found = guess_kind(plane)
    if found == wanted:
        return []
    if guess_kind(-_finite(plane)) == wanted:
        return [_INVERTED]
    return [] if found is None else [f"it looks like {found}"]


def _finite(plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    values = plane.astype(np.float64)
    values[~np.isfinite(values)] = 0
    return values


def _looks(pixels: npt.NDArray[Any], card: ModelCard) -> list[str]:
    """Return the look of the (first) channel that is outside the card's limits, if one is."""
    from napari_cytosynth.inference.normalise import normalise

    known = {str(name): limits for name, limits in card.inference.input_looks.items()}
    scaled = normalise(pixels[:1], card.inference.normalisation)[0]
    found = looks(scaled)
    outside = _outside(found, known)
    # another run on the same microscope is a little brighter or darker, another kind by far
    if not any(far > _FAR or name not in PERCENTILE_LOOKS for name, far in outside.items()):
        return []
    mirrored = _outside(looks(-scaled), known)
    if max(mirrored.values(), default=0.0) < _NEARER * max(outside.values()):
        return [_INVERTED]
    worst = _telling(outside, known)
    return [_described(worst, found[worst], *known[worst])]


def _telling(outside: dict[str, float], known: dict[str, tuple[float, float]]) -> str:
    """Return the look, of those outside, that says most of the cause.

    An image of another kind has another brightness; if that differs little, the magnification
    may be another.
    """
    reach = {name: far * (known[name][1] - known[name][0]) for name, far in outside.items()}
    groups = (
        [name for name in outside if name in PERCENTILE_LOOKS and reach[name] > _MUCH],
        [name for name in outside if name in _SCALE_LOOKS],
        list(outside),
    )
    return max(next(filter(None, groups)), key=outside.__getitem__)


def _outside(found: dict[str, float], known: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Return the looks outside their limits, and how far, in units of the limits' distance."""
    far = {
        name: max(low - found[name], found[name] - high) / max(high - low, 1e-6)
        for name, (low, high) in known.items()
        if name in found
    }
    return {name: distance for name, distance in far.items() if distance > 0}


def _described(name: str, value: float, low: float, high: float) -> str:
    """Return what a look outside its limits means."""
    found, least, most = _told_apart(value, low, high)
    span = f"{least} to {most}"
    less, more = _WORDS.get(name, ("", ""))
    if less:
        return f"{less if value < low else more} ({found}; in the training images {span})"
    return (
        f"its brightness is spread differently ({name[1:]} % of the pixels lie below {found} "
        f"of its range, in the training images below {span})"
    )


def _told_apart(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Return a value and its limits with as many digits as tell it from them, two at least."""
    texts = ("", "", "")
    for digits in range(2, 7):
        texts = (f"{value:.{digits}g}", f"{low:.{digits}g}", f"{high:.{digits}g}")
        if texts[0] not in texts[1:]:
            break
    return texts


def _intensities(pixels: npt.NDArray[Any], card: ModelCard) -> list[str]:
    """Return how the quantiles of the scaled image differ from the training images', if they do."""
    known = {float(name): span for name, span in card.inference.input_quantiles.items()}
    if not {5.0, 95.0} <= set(known):
        return []
    from napari_cytosynth.inference.normalise import normalise

    scaled = normalise(pixels, card.inference.normalisation)[np.isfinite(pixels)]
    found = dict(zip(known, np.percentile(scaled, list(known)).tolist(), strict=True))
    contrast = found[95.0] - found[5.0]
    flattest = max(known[95.0][0] - known[5.0][1], 0.0)
    steepest = known[95.0][1] - known[5.0][0]
    if contrast < _TOO_FLAT * flattest:
        return [f"{contrast / flattest:.0%} of the contrast of the faintest training image"]
    if contrast > _TOO_STEEP * steepest:
        return [f"{contrast / steepest:.1f} times the contrast of the strongest training image"]
    return _shape(found, known, _SLACK * steepest)


def _shape(
    found: dict[float, float], known: dict[float, tuple[float, float]], slack: float
) -> list[str]:
    """Return the quantile that lies farthest outside those of the training images, if any."""
    # of the rarest pixels only more extreme ones matter: a field without debris is no fault
    outside = {
        percent: max(
            low - found[percent] if percent <= _RARE[1] else 0.0,
            found[percent] - high if percent >= _RARE[0] else 0.0,
        )
        for percent, (low, high) in known.items()
    }
    worst = max(outside, key=outside.__getitem__)
    if outside[worst] <= slack:
        return []
    low, high = known[worst]
    return [
        f"its brightness is spread differently (after scaling, {worst:g} % of the pixels lie "
        f"below {found[worst]:.2g}, in the training images below {low:.2g} to {high:.2g})"
    ]
