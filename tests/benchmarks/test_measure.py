"""CPU time of measuring a million small objects in a channel, with their neighbours.

Run with ``pytest tests/benchmarks/test_measure.py -s`` to see the figures.
"""

from __future__ import annotations

import os

import numpy as np

from napari_cytosynth.tasks.measure.table import measure

SIDE = 1000  # objects along each side of the plane
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
