"""Which pixels a user has given the truth of, so that a model can be trained on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cytosynth.tasks.common.axes import plane_slices

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

__all__ = ["annotated_pixels"]

_AROUND = 2  # px, in which an object that was looked at has its outline


def annotated_pixels(
    labels: npt.NDArray[np.integer],
    before: npt.NDArray[np.integer],
    axes: str,
    looked_at: Iterable[tuple[int, ...]],
    known: Iterable[int],
) -> npt.NDArray[np.bool_]:
    """Return the pixels whose truth is known.

    Parameters
    ----------
    labels, before
        Of all planes, corrected and as the model made them.
    axes
        Letters of their axes.
    looked_at
        Planes in which everything was looked at, by their index before Y and X.
    known
        Labels of objects that were corrected or accepted.

    Returns
    -------
    ndarray of bool
        Known objects with 2 px around them, what was an object and is background now, and the
        planes that were looked at.
    """
    right = np.isin(labels, np.fromiter(known, np.int64))
    annotated: npt.NDArray[np.bool_] = (before > 0) & (labels == 0)
    counted = [size for axis, size in zip(axes, labels.shape, strict=True) if axis not in "YX"]
    for plane in np.ndindex(*counted):
        where = plane_slices(axes, plane)
        objects = right[where]
        if objects.any():
            objects = ndimage.binary_dilation(objects, iterations=_AROUND)
            annotated[where] |= objects & (right[where] | (labels[where] == 0))
    for plane in looked_at:
        annotated[plane_slices(axes, plane)] = True
    return annotated
