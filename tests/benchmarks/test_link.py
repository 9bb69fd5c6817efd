"""CPU time of linking and relabelling a stack, against a loop over the objects of each plane.

Run with ``pytest tests/benchmarks/test_link.py -s`` to see the figures.
"""

from __future__ import annotations

import os

import numpy as np
from scipy import ndimage

from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.link import PlaneLinker
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation

DEPTH, SIZE = 100, 1024
AIM = 2.0  # s, for the labels of the whole stack when the slider is let go


def probability() -> np.ndarray:
    """Blobs of about 20 px in all directions, as a network gives."""
    random = np.random.default_rng(0)
    # a few planes, gone through forth and back, so that neighbours resemble each other
    blobs = ndimage.gaussian_filter(
        random.normal(size=(25, SIZE, SIZE)).astype(np.float32), (3, 8, 8)
    )
    planes = 1 / (1 + np.exp(-6 * (blobs / blobs.std() - 1)))
    order = np.abs((np.arange(DEPTH) + 25) % 48 - 24)
    return planes.astype(np.float32)[order]


def seconds(step) -> float:
    """Return the CPU time of our own code: the system's, for fresh memory, varies by ten."""
    start = os.times().user
    step()
    return os.times().user - start


def stitched(planes, minimum: float = 0.25) -> int:
    """Count objects by a table of all pairs of two planes and a loop, without gaps."""
    count, before = int(planes[0].max()), planes[0]
    numbers = np.arange(count + 1)
    for plane in planes[1:]:
        size = int(before.max()) + 1
        pairs = plane.astype(np.int64).ravel() * size + before.ravel()
        table = np.bincount(pairs, minlength=(int(plane.max()) + 1) * size).reshape(-1, size)
        own, other = table.sum(1), table.sum(0)
        new = np.zeros(len(own), int)
        for label in range(1, len(own)):
            iou = table[label, 1:] / np.maximum(own[label] + other[1:] - table[label, 1:], 1)
            best = int(iou.argmax()) + 1 if len(iou) else 0
            if best and iou[best - 1] >= minimum:
                new[label] = numbers[best]
            else:
                count += 1
                new[label] = count
        numbers, before = new, plane
    return count


def test_a_stack_is_relabelled_when_the_slider_is_let_go():
    result = Segmentation(probability(), "ZYX", LabelOptions(0.5))
    planes = [result.label_plane((z,)) for z in range(DEPTH)]

    def link():
        linker = PlaneLinker()
        for plane in planes:
            linker.add(plane)
        link.count = linker.linking().count

    ours, theirs = seconds(link), seconds(lambda: setattr(link, "naive", stitched(planes)))
    first = seconds(lambda: result.stack_objects())
    sizes = result.object_sizes()

    def relabel(threshold: float) -> float:  # the best of three, on a busy machine
        return min(
            seconds(lambda: result.at_threshold(threshold, progress=silent)) for _ in range(3)
        )

    moved = {threshold: relabel(threshold) for threshold in (0.5, 0.7, 0.4, 0.1)}
    options = result.at_threshold(0.7).options
    step = seconds(lambda: [sizes.count(options) for _ in range(20)]) / 20
    print(  # noqa: T201 - the figures are what a benchmark is for
        f"\n{DEPTH} × {SIZE}²: {link.count} objects linked in {ours:.2f} s; loop {theirs:.2f} s "
        f"({theirs / ours:.1f}x, {link.naive} objects); labelled and linked once in {first:.2f} s; "
        f"relabelled {', '.join(f'at {t}: {s:.2f} s' for t, s in moved.items())} (aim: {AIM}); "
        f"a step of the live count {1e3 * step:.2f} ms"
    )
    assert sizes.count(options) == len(np.unique(result.at_threshold(0.7).labels)) - 1
    assert link.count <= link.naive
    assert max(moved.values()) <= AIM
