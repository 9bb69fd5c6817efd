"""Reader of a stack whose planes along Z are the channels of one model, and what to say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_wholes
from napari_cytosynth.errors import InputError

from .axes import Plane, PlaneReader
from .focal_planes import FocalChoice, PlaneFocus, choose_planes, measure_focus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import FocalPlanes, ModelCard, Normalisation

__all__ = ["FocalPlaneReader", "choice_messages", "takes_from_z"]


def takes_from_z(
    card: ModelCard, axes: str, shape: Sequence[int], channels: Sequence[int] | None = None
) -> bool:
    """Return whether a model takes its focal planes from the axis Z of an image.

    Parameters
    ----------
    card
        Card of the model.
    axes, shape
        Letters of the image's axes, and their lengths.
    channels
        Given by the user: as many as the model has input channels are its focal planes. None
        (default) if not given.
    """
    inference = card.inference
    if inference.focal_planes is None or "Z" not in axes or shape[axes.index("Z")] < 2:
        return False
    return channels is None or len(channels) != len(inference.input_channels)


@dataclass(frozen=True, eq=False)
class FocalPlaneReader(PlaneReader):
    """Reader whose planes are made of several along Z, as channels behind each other.

    Attributes
    ----------
    count
        Number of planes along Z that make one. Default: 1.
    chosen
        For each index (without Z) the places along Z, filled by :meth:`choose`.
    """

    count: int = 1
    chosen: dict[Plane, FocalChoice] = field(default_factory=dict)

    @property
    def stack(self) -> PlaneReader:
        """Reader of the planes as they lie along Z."""
        return PlaneReader(self.data, self.axes, self.channels)

    @property
    def depth(self) -> int:
        """Number of planes along Z."""
        return int(self.data.shape[self.axes.index("Z")])

    @property
    def spatial_axes(self) -> str:
        """Axes of the result: all but ``C`` and ``Z``."""
        return super().spatial_axes.replace("Z", "")

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        pairs = zip(self.axes, self.data.shape, strict=True)
        return tuple(int(size) for axis, size in pairs if axis not in "CZ")

    @property
    def leading_axes(self) -> str:
        """Axes that count planes, in order, without ``Z``."""
        return super().leading_axes.replace("Z", "")

    def along_z(self, index: Plane) -> Iterator[Plane]:
        """Yield the index of each plane of the stack at an index without Z."""
        place = self.stack.leading_axes.index("Z")
        return ((*index[:place], z, *index[place:]) for z in range(self.depth))

    def read(self, index: Plane) -> npt.NDArray[Any]:
        """Return the chosen planes at an index as (C, Y, X)."""
        planes = list(self.along_z(index))
        return np.concatenate([self.stack.read(planes[z]) for z in self.chosen[index].planes])

    def checked(self, planes: Sequence[int]) -> tuple[int, ...]:
        """Return places along Z that were chosen by hand, validated.

        Raises
        ------
        InputError
            If they are not as many different places as the model needs, up or down.
        """
        given = check_wholes(planes, "focal_planes", str(tuple(range(1, 2 * self.count, 2))))
        steps = np.diff(given)
        if len(given) != self.count or not ((steps > 0).all() or (steps < 0).all()):
            raise InputError(
                f"The model takes {self.count} focal planes in order along Z, which the argument "
                f"“focal_planes” must name, all different and upwards or downwards, not {given}."
            )
        if max(given) >= self.depth:
            raise InputError(
                f"There is no plane {max(given)} along Z: the stack has the planes 0 to "
                f"{self.depth - 1}."
            )
        return given

    def choose(
        self,
        index: Plane,
        known: FocalPlanes,
        normalisation: Normalisation,
        given: tuple[int, ...] | None,
        tick: Callable[[int, int, str], None],
    ) -> FocalChoice:
        """Choose the planes at an index as :func:`choose_planes`, by their first channel.

        Parameters
        ----------
        index
            Into :attr:`leading_axes`.
        known, normalisation
            Of the model's card.
        given
            Places that were chosen by hand; None to choose.
        tick
            Called after each plane.
        """
        measured = [PlaneFocus(0.0, 0.0)] * self.depth
        for z, place in enumerate(self.along_z(index)):
            if given is None or z in given:  # the others need not be read
                measured[z] = measure_focus(self.stack.read(place)[0], normalisation)
            tick(z + 1, self.depth, "Looking for the focal planes")
        self.chosen[index] = choose_planes(measured, known, given)
        return self.chosen[index]


def choice_messages(
    chosen: Mapping[Plane, FocalChoice], names: Sequence[str], axes: str, given: bool
) -> list[str]:
    """Return sentences about the planes that were taken, and the order of Z.

    Parameters
    ----------
    chosen
        Choice at each index into `axes`.
    names
        Of the model's focal planes, in order.
    axes
        Letters of the axes that count planes, without Z.
    given
        Whether they were chosen by hand.
    """
    how = "by hand" if given else "automatically, by their contrast"
    places = list(dict.fromkeys(choice.planes for choice in chosen.values()))
    if len(places) == 1:
        listed = _listed(places[0])
    else:
        shown = [
            f"{', '.join(f'{axis} {n}' for axis, n in zip(axes, index, strict=True))}: "
            f"{_listed(choice.planes)}"
            for index, choice in list(chosen.items())[:3]
        ]
        listed = "; ".join(shown) + ("; …" if len(chosen) > 3 else "")
    found = [f"Focal planes along Z, chosen {how}: {listed}, as {', '.join(names)}."]
    orders = {choice.order for choice in chosen.values()}
    if "reversed" in orders and given:
        found.append(
            "They seem to be in the wrong order: what is bright above focus in the training images "
            "is dark here. Compare with the same planes the other way round."
        )
    elif "reversed" in orders:
        found.append(
            "The stack seems to run the other way along Z than the training images (what is bright "
            "above focus there is dark here): its planes were taken from the last to the first. "
            "To take them the other way round, choose them by hand."
        )
    elif "unknown" in orders:
        found.append(
            "The images do not show whether the stack runs the same way along Z as the training "
            "images: compare with the same planes chosen by hand the other way round."
        )
    return found


def _listed(planes: Sequence[int]) -> str:
    return ", ".join(map(str, planes))
