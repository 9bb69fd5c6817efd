from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import Cancelled, InputError
from napari_cytosynth.inference.views import MOST_VIEWS, predict_views, turned, turned_back


@pytest.fixture
def plane():
    return np.random.default_rng(0).random((2, 5, 7), np.float32)


def test_the_eight_views_differ_and_can_be_undone(plane):
    views = [turned(plane, view) for view in range(MOST_VIEWS)]
    assert len({(view.shape, view.tobytes()) for view in views}) == 8
    for number, view in enumerate(views):
        np.testing.assert_array_equal(turned_back(view, number), plane)
    assert {view.shape for view in views[:4]} == {(2, 5, 7)}
    with pytest.raises(InputError, match="8 views"):
        turned(plane, 8)


def test_a_network_that_does_not_care_about_directions_has_no_spread(plane):
    found = predict_views(lambda seen, _: 2 * seen, plane, 8)
    np.testing.assert_allclose(found.mean, 2 * plane, rtol=1e-6)
    assert found.std.max() < 1e-6


def test_mean_and_spread_are_those_of_the_views(plane):
    def to_the_right(seen, _):
        return np.cumsum(seen, -1)

    single = [turned_back(to_the_right(turned(plane, k), None), k) for k in range(4)]
    found = predict_views(to_the_right, plane, 4)
    np.testing.assert_allclose(found.mean, np.mean(single, 0), rtol=1e-5)
    np.testing.assert_allclose(found.std, np.std(single, 0, ddof=1), rtol=1e-4, atol=1e-6)
    assert predict_views(to_the_right, plane, 1).std is None


def test_views_are_shown_as_they_come_and_can_be_enough(plane):
    shown = []
    found = predict_views(
        lambda seen, _: seen.copy(),
        plane,
        8,
        on_view=lambda count, mean, std: shown.append((count, std is None)),
        enough=lambda: len(shown) == 3,
    )
    assert found.count == 3
    assert shown == [(1, True), (2, False), (3, False)]


def test_progress_counts_all_views_and_cancels(plane):
    ticks = []

    def predict(seen, report):
        report(1, 2, "tile")
        report(2, 2, "tile")
        return seen

    predict_views(predict, plane, 2, progress=lambda *tick: ticks.append(tick))
    assert [tick[:2] for tick in ticks] == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def cancel(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        predict_views(predict, plane, 2, progress=cancel)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 6), (1, 6, 1)])
def test_a_side_of_one_pixel_has_views(shape):
    plane = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    seen = predict_views(lambda part, progress: part.copy(), plane, MOST_VIEWS)
    np.testing.assert_allclose(seen.mean, plane)
