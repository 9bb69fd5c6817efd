"""Shift between an image and its stains, estimated from both: offered, never applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.training.check.alignment import (
    Offset,
    estimate_offset,
    in_words,
    structure,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .pairs import StainedPlane

__all__ = ["offset_words", "plane_offsets"]

_MOST = 4  # planes that are looked at
_AGREE = 2  # px


def plane_offsets(planes: Sequence[StainedPlane]) -> list[Offset]:
    """Return the stains that seem to lie beside their image, by name.

    Parameters
    ----------
    planes
        Of :func:`.pairs.read_stained`; of many, the first are looked at.

    Returns
    -------
    list of Offset
        In px of the planes. Of a stain whose planes do not agree there is none.
    """
    found = []
    looked = planes[:_MOST]
    images = [structure(plane.image) for plane in looked]
    for index, name in enumerate(planes[0].names):
        shifts = [
            estimate_offset(image, structure(plane.stains[index : index + 1]))
            for image, plane in zip(images, looked, strict=True)
        ]
        known = np.array([shift for shift in shifts if shift is not None])
        if not len(known):
            continue
        down, right = np.median(known, axis=0)
        apart = np.abs(known - (down, right)).max()
        if (down or right) and apart <= _AGREE:
            found.append(Offset(name, round(float(down)), round(float(right))))
    return found


def offset_words(offsets: Sequence[Offset]) -> str:
    """Return a sentence on shifted stains; empty if there are none."""
    said = ", ".join(f"“{one.name}” about {in_words(one.down, one.right)}" for one in offsets)
    return f"A stain seems to lie beside its image: {said}." if said else ""
