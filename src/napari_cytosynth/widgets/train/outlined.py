"""Shapes in which everything is outlined: no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.region import RegionMasks, find_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.tasks.common.layers import Source

__all__ = ["check_somewhere", "outlined_in"]


def outlined_in(
    shapes: Any, source: Source, axes: str, labels: NDArray[Any], position: tuple[int, ...] = ()
) -> NDArray[np.bool_]:
    """Return which pixels of labels lie in shapes.

    Parameters
    ----------
    shapes
        A Shapes layer. Of a stack it counts in the planes where something is painted in it: a
        rectangle that was drawn in one plane says nothing of the others.
    source, axes
        The image that the labels are of, and the letters of its axes.
    labels
        (…, Y, X).
    position
        Index of the plane that labels with axes of length 1 are of. Default: ().

    Raises
    ------
    InputError
        If the layer has no shapes, or shapes without an area.
    """
    masks = RegionMasks(find_region(shapes, source, axes), _yx(labels.shape))
    found = np.zeros(labels.shape, bool)
    for place in np.ndindex(labels.shape[:-2]):
        inside = masks.mask(position or place)
        if labels.ndim == 2 or labels[place][inside].any():
            found[place] = inside
    return found


def check_somewhere(found: Sequence[NDArray[np.bool_] | None], name: str) -> None:
    """Check that shapes lie on one of the images.

    Raises
    ------
    InputError
        If they lie on none.
    """
    given = [mask for mask in found if mask is not None]
    if given and not any(mask.any() for mask in given):
        raise InputError(
            f"“{name}” lies on nothing that is painted: draw its rectangle on the image, around "
            "objects that are all outlined, or choose none."
        )


def _yx(shape: tuple[int, ...]) -> tuple[int, int]:
    return int(shape[-2]), int(shape[-1])
