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

BUDGET_MS = {1024: 16, 2048: 30}
THRESHOLDS = (0.01, 0.03, 0.05, 0.2, 0.5, 0.8, 0.95)


def probability(size: int) -> np.ndarray:
    """Blobs of about 20 px with soft edges and a textured background, as a network gives."""
    random = np.random.default_rng(0)
    blobs = ndimage.gaussian_filter(random.normal(size=(size, size)), 8)
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


@pytest.mark.parametrize("size", [1024, 2048])
@pytest.mark.parametrize("fill_holes", [False, True], ids=["plain", "fill_holes"])
def test_a_drag_step_is_live(size, fill_holes):
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

    ours = milliseconds(lambda threshold: tree.at(threshold, options, out=out))
    fresh = milliseconds(lambda threshold: tree.at(threshold, options))
    theirs = milliseconds(anew)
    print(  # noqa: T201 - the figures are what a benchmark is for
        f"\n{size}², {'fill holes' if fill_holes else 'plain'}: step {ours:.1f} ms "
        f"(aim: {BUDGET_MS[size]}; {fresh:.1f} ms with a new array), "
        f"threshold + label + regionprops {theirs:.1f} ms, "
        f"{theirs / ours:.1f}x; the tree is built in {built:.2f} s"
    )
    expected = label_plane(plane, None, options)
    np.testing.assert_array_equal(tree.at(0.5, options, out=out).labels, expected)
