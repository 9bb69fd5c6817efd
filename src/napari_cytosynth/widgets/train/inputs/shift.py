"""A shift between an image and its stains: found in a job, offered, made by moving a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.layers import geometry_of, world_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ShiftOffer", "find_shift", "move_stain"]


@dataclass(frozen=True)
class ShiftOffer:
    """Stains that seem to lie beside their image.

    Attributes
    ----------
    shifts
        Name of a stain -> px of the image by which it lies lower, and further right.
    sentence
        What the user reads.
    """

    shifts: dict[str, tuple[float, float]]
    sentence: str


def find_shift(planes: Sequence[Any]) -> ShiftOffer | None:
    """Return what is to be offered; None where the stains lie upon their image, or cannot be told.

    Parameters
    ----------
    planes
        Planes of a stainer, as they would be learned.
    """
    from napari_cytosynth.training.teach.stain.offset import offset_words, plane_offsets

    found = plane_offsets(planes)
    if not found:
        return None
    down, right = planes[0].step
    shifts = {one.name: (one.down * down, one.right * right) for one in found}
    advice = "Shift moves its layer onto the image; Train again learns it as it lies."
    return ShiftOffer(shifts, f"{offset_words(found)} {advice}")


def move_stain(image: Any, stain: Any, shift: tuple[float, float]) -> None:
    """Move the layer of a stain back by a shift.

    Parameters
    ----------
    image, stain
        Layers.
    shift
        By how many px of the image it lies lower, and further right.
    """
    known = geometry_of(image)
    units = known.get("units")
    if units is not None:  # the layers may be in different ones
        units = (*units[:-2], *stain.units[-2:])
    world = world_matrix(known, units)[-3:-1, -3:-1] @ np.asarray(shift)
    affine = np.asarray(geometry_of(stain).get("affine", np.eye(3)))[-3:-1, -3:-1]
    moved = np.array(stain.translate, float)
    moved[-2:] -= np.linalg.solve(affine, world)
    stain.translate = moved
