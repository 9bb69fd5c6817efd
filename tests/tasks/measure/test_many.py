"""Many small objects: no step goes through them one by one, and all can be cancelled."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from napari_cytosynth.errors import Cancelled
from napari_cytosynth.tasks.measure.regions import Regions
from napari_cytosynth.tasks.measure.table import measure


@pytest.fixture(scope="module")
def many():
    """Forty thousand discs of 32 px."""
    y, x = np.mgrid[:8, :8]
    disc = ((y - 3.5) ** 2 + (x - 3.5) ** 2 <= 9.5).astype(int)
    return np.kron(np.arange(1, 40001).reshape(200, 200), disc)


def test_forty_thousand_objects_take_a_second_or_two(many):
    image = np.random.default_rng(0).random(many.shape).astype(np.float32)
    start = os.times().user
    table = measure(many, image, neighbours=True)
    assert os.times().user - start < 4  # one hull after the other: twice as long alone
    assert len(table) == 40000
    assert table["solidity"].nunique() == 1


def test_a_hundred_thousand_objects_stop_within_a_second():
    y, x = np.mgrid[:8, :8]
    disc = ((y - 3.5) ** 2 + (x - 3.5) ** 2 <= 9.5).astype(int)
    labels = np.kron(np.arange(1, 317**2 + 1).reshape(317, 317), disc)
    image = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    at = [time.process_time()]

    def progress(done, total, message):
        at.append(time.process_time())

    table = measure(labels, image, 0.5, neighbours=True, progress=progress)
    assert len(table) > 100_000
    # whenever Cancel is pressed: no longer than until the next call, or to the end
    assert max(np.diff([*at, time.process_time()])) < 1


@pytest.mark.parametrize("after", [1, 3, 5])
@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_a_measurement_stops_within_a_plane(many, after, axes):
    calls = []

    def progress(done, total, message):
        calls.append(done)
        assert done <= total
        if len(calls) == after:
            raise Cancelled("enough")

    labels = many[:400, :400] if axes == "YX" else np.stack([many[:80, :80]] * 6)
    with pytest.raises(Cancelled):
        measure(labels, axes=axes, neighbours=True, progress=progress)
    assert len(calls) == after


def test_hulls_are_those_of_one_region_after_the_other():
    rng = np.random.default_rng(1)
    scattered = np.where(rng.random((60, 60)) < 0.1, rng.integers(1, 30, (60, 60)), 0)
    spiked = np.zeros((200, 200), int)
    y, x = np.ogrid[:200, :200]
    spiked[(y - 60) ** 2 + (x - 90) ** 2 < 50**2] = 1
    spiked[60:199, 90] = 1
    for labels in (scattered, spiked):
        regions = Regions(labels)
        expected = [_hull(labels == label) for label in regions.ids]
        np.testing.assert_allclose(regions.convex_area(), np.add(expected, 0.5))


def _hull(mask):
    y, x = np.nonzero(mask)
    steps = ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))
    corners = np.concatenate([np.stack([y + dy, x + dx], 1) for dy, dx in steps])
    return ConvexHull(corners).volume
