"""CPU time of measuring a million small objects in a channel, with their neighbours.

Run with ``pytest tests/benchmarks/test_measure.py -s`` to see the figures.
"""

from __future__ import annotations

import os
import time

import numpy as np
from skimage.measure import regionprops_table

from napari_cytosynth.tasks.measure.table import measure

SIDE = 1000  # objects along each side of the plane
PROPERTIES = (
    *("area", "centroid", "equivalent_diameter_area", "axis_major_length", "axis_minor_length"),
    *("perimeter", "eccentricity", "orientation", "solidity"),
    *("intensity_min", "intensity_max", "intensity_mean", "intensity_std"),
)
AIM = 30.0  # s


def discs(side: int) -> np.ndarray:
    """Discs of 32 px, each in a cell of 8 × 8 px."""
    y, x = np.mgrid[:8, :8]
    disc = ((y - 3.5) ** 2 + (x - 3.5) ** 2 <= 9.5).astype(np.int32)
    return np.kron(np.arange(1, side**2 + 1, dtype=np.int32).reshape(side, side), disc)


def test_a_million_objects_are_measured_in_half_a_minute():
    labels = discs(SIDE)
    image = np.random.default_rng(0).integers(0, 60000, labels.shape).astype(np.uint16)
    ticks: list[tuple[int, int]] = []
    start = os.times().user
    table = measure(
        labels,
        image,
        0.5,
        neighbours=True,
        progress=lambda done, total, _: ticks.append((done, total)),
    )
    spent = os.times().user - start
    print(  # noqa: T201 - the figures are what a benchmark is for
        f"\n{len(table):,} objects, {labels.size / 1e6:.0f} Mpx: {spent:.1f} s of CPU"
    )
    assert len(table) == SIDE**2
    assert (table["area_px"] == 32).all()
    assert len(ticks) > 4
    assert spent < AIM


def test_it_is_many_times_faster_than_one_region_after_the_other():
    labels = discs(100)
    image = np.random.default_rng(0).integers(0, 60000, labels.shape).astype(np.uint16)
    measure(labels[:80, :80], image[:80, :80])  # what is imported late
    begin = time.process_time()
    table = measure(labels, image)
    middle = time.process_time()
    theirs = regionprops_table(labels, image, properties=PROPERTIES)
    ratio = (time.process_time() - middle) / (middle - begin)
    print(f"\n{len(table):,} objects: {ratio:.0f} times as fast as regionprops_table")  # noqa: T201
    np.testing.assert_allclose(table["perimeter_px"], theirs["perimeter"])
    np.testing.assert_allclose(table["mean_intensity"], theirs["intensity_mean"])
    assert ratio > 5


def test_how_long_a_cancel_waits():
    labels = discs(317)
    image = np.random.default_rng(0).integers(0, 60000, labels.shape).astype(np.uint16)
    measure(labels[:80, :80], image[:80, :80], neighbours=True)  # what is imported late
    at = [time.process_time()]
    table = measure(
        labels, image, 0.5, neighbours=True,
        progress=lambda *_: at.append(time.process_time()),
    )  # fmt: skip
    steps = np.diff([*at, time.process_time()])
    print(  # noqa: T201
        f"\n{len(table):,} objects: {sum(steps):.1f} s of CPU, the longest step {max(steps):.2f} s"
    )
    assert max(steps) < 1
