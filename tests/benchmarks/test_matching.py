"""Matching ten thousand true and predicted objects, beside StarDist's matching."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.metrics.instance import matching

from .table import medians

ACROSS, PITCH = 100, 20
WORK, RIVAL = "match 10⁴ × 10⁴ objects", "stardist.matching"


def grid(radius, shift):
    """Discs on a grid, each shifted a little."""
    random = np.random.default_rng(shift)
    labels = np.zeros((ACROSS * PITCH,) * 2, np.int32)
    y, x = np.mgrid[:PITCH, :PITCH]
    for number, (row, column) in enumerate(np.ndindex(ACROSS, ACROSS), 1):
        top, left = PITCH / 2 + random.uniform(-shift, shift, 2)
        tile = labels[row * PITCH :, column * PITCH :][:PITCH, :PITCH]
        tile[(y - top) ** 2 + (x - left) ** 2 <= radius**2] = number
    return labels


def test_matching_beside_stardist(table):
    try:
        from stardist.matching import matching as theirs
    except ImportError:
        table.missing(WORK, RIVAL, "stardist")
        pytest.skip("stardist is not installed")
    true, predicted = grid(7, 1), grid(7, 3)
    tasks = {"ours": lambda: matching(true, predicted), "theirs": lambda: theirs(true, predicted)}
    seconds, results = medians(tasks, 2, warm=False)
    ours, rival = results["ours"], results["theirs"]
    assert (ours.tp, ours.fp, ours.fn) == (rival.tp, rival.fp, rival.fn)
    assert 1000 < ours.tp < 10_000
    table.ratio(WORK, RIVAL, seconds["theirs"] / seconds["ours"], 5, compared="equal counts")
