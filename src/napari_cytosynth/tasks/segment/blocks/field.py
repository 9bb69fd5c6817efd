"""A field of a plane, segmented as it will be in the whole plane, and before it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.tasks.segment.confidence import sure_enough

from .decoding import ComponentDecoder
from .grid import Block, grown
from .plane import LazyPlane, WindowArray

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.progress import Progress

    from .decoding import BlockDecoder
    from .run import BlockedRun

__all__ = ["segment_field"]

_WIDEST = 256  # px around a field that are looked at for small objects


def segment_field(
    run: BlockedRun, field: tuple[slice, slice], progress: Progress
) -> npt.NDArray[np.int32]:
    """Return the objects in a field of a plane, which is read and run there alone.

    Intensities are scaled as in the whole plane, and the network sees what lies around the field:
    pixels of objects are those of :func:`~.task.segment_in_blocks`, but that holes stay open and
    objects at the border are kept. Numbers are others, since nothing else is known yet.

    Parameters
    ----------
    run
        A run over the plane, as :func:`~.run.prepare_run` returns it.
    field
        Rows and columns.
    progress
        Called between tiles.

    Returns
    -------
    ndarray
        int32 (y, x) of the field; 0 is the background.
    """
    plane, shape = LazyPlane(run.reader), run.reader.plane_shape
    stride = run.predictor.geometry.stride
    margin, align = 1, 1
    if run.by_flows:
        known = run.decoder(None, None)
        margin, align = known.margin, known.align
    # what is too small, and reaches into the field, is seen whole
    margin = max(margin, min(run.options.min_size, _WIDEST))
    window = grown(field, shape, margin, math.lcm(stride, align))
    probability = WindowArray.zeros(shape, window)
    flows = WindowArray.zeros((2, *shape), window) if run.by_flows else None
    run.predict(plane, run.scalings(plane), probability, flows, progress, window)
    threshold = run.options.threshold
    decoder: BlockDecoder = ComponentDecoder(probability, threshold)
    if flows is not None:
        decoder = run.decoder(probability, flows)
    block = Block(*field, window)
    found = decoder.decode(block)
    count = int(found.labels.max(initial=0))
    keep = np.bincount(found.labels.ravel(), minlength=count + 1) >= max(run.options.min_size, 1)
    keep |= _cut(found.labels, window, shape, count)
    if found.confidence is not None:
        keep[1:] &= sure_enough(found.confidence[:count], run.options.min_confidence)
    keep[0] = False
    labels: npt.NDArray[np.int32] = (found.labels * keep[found.labels])[block.own]
    return labels


def _cut(
    labels: npt.NDArray[np.int32],
    window: tuple[slice, slice],
    shape: tuple[int, int],
    count: int,
) -> npt.NDArray[np.bool_]:
    """Return which labels reach the end of a window where the plane goes on."""
    cut = np.zeros(count + 1, bool)
    high, wide = window
    for side, goes_on in (
        (labels[0], high.start > 0),
        (labels[-1], high.stop < shape[0]),
        (labels[:, 0], wide.start > 0),
        (labels[:, -1], wide.stop < shape[1]),
    ):
        cut[side] |= goes_on
    return cut
