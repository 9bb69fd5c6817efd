"""Cost of one step of the threshold slider, against labelling and measuring anew.

Run with ``pytest tests/benchmarks/test_tree.py -s`` to see the figures.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label, regionprops_table

from napari_cytosynth.tasks.segment.instances import LabelOptions, label_plane
from napari_cytosynth.tasks.segment.tree import ComponentTree

BUDGET_MS = {2048: 16, 4096: 40}
CELL = {2048: 6.2, 4096: 12.4}  # px, for about 2,000 objects
THRESHOLDS = (0.01, 0.03, 0.05, 0.2, 0.5, 0.8, 0.95)


def probability(size: int) -> np.ndarray:
    """About 2,000 blobs with soft edges and a textured background, as a network gives."""
    random = np.random.default_rng(0)
    blobs = ndimage.gaussian_filter(random.normal(size=(size, size)), CELL[size])
    texture = ndimage.gaussian_filter(random.normal(size=(size, size)), 1)
    logit = 6 * (blobs / blobs.std() - 1) + texture / texture.std()
    return (1 / (1 + np.exp(-logit))).astype(np.float32)


def milliseconds(step) -> float:
    """Median CPU time over a sweep of thresholds, as a drag is one; other jobs do not count."""
    times = []
    for threshold in THRESHOLDS * 3:
        start = time.process_time()
        step(threshold)
        times.append(1e3 * (time.process_time() - start))
    return float(np.median(times))


@pytest.mark.parametrize(
    ("size", "fill_holes"), [(2048, False), (2048, True), (4096, False)], ids=str
)
def test_a_drag_step_is_live(size, fill_holes, table):
    plane = probability(size)
    options = LabelOptions(0.5, min_size=30, fill_holes=fill_holes, drop_border=True)
    start = time.process_time()
    tree = ComponentTree(plane)
    if fill_holes:
        tree.prepare_holes()
        tree.at(0.5, options)
    built = time.process_time() - start
    out = np.empty(plane.shape, np.int32)

    def anew(threshold):
        mask = plane >= threshold
        labels = label(ndimage.binary_fill_holes(mask) if fill_holes else mask)
        regionprops_table(labels, properties=("label", "area"))

    start = time.process_time()
    anew_labels = label_plane(plane, None, options)  # what the slider does until the tree is there
    first_step = time.process_time() - start
    ours = milliseconds(lambda threshold: tree.at(threshold, options, out=out))
    theirs = milliseconds(anew)
    count = tree.at(0.5, options).count
    work = f"threshold drag {size}²{', holes filled' if fill_holes else ''}, {count} objects"
    rival = "threshold + label + regionprops_table"
    why = "Not profiled yet."
    table.ratio(work, rival, theirs / ours, 20, compared="equal labels", why=why)
    table.at_most(work, "none", ours, BUDGET_MS[size], compared="equal labels", why=why)
    if size == 2048:
        work = f"run's end → live slider, {size}²{', holes filled' if fill_holes else ''}"
        table.at_most(
            work, "none", first_step, 1, "s",
            compared=f"equal labels; the tree is built in the background, in {built:.1f} s",
        )  # fmt: skip
    np.testing.assert_array_equal(tree.at(0.5, options, out=out).labels, anew_labels)
