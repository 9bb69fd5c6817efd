"""Windows of a network that sees all of what it is given: as in Cellpose, and the same in parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from napari_cytosynth.errors import Cancelled, OutOfMemoryError
from napari_cytosynth.inference import windowed
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.inference.windowed import (
    WindowedPredictor,
    kept_predictors,
    make_predictor,
)


class Mean(nn.Module):
    """Adds the mean of what it is given."""

    window = 224

    def forward(self, x):
        return x + x.mean(dim=(2, 3), keepdim=True)


@pytest.fixture(scope="module")
def predictor(make_cpnet):
    return make_predictor(make_cpnet(), 2, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def plane():
    return np.random.default_rng(0).random((2, 300, 411), np.float32)


@pytest.fixture(scope="module")
def whole(predictor, plane):
    return predictor.predict(plane, activation="linear")


def test_only_networks_with_windows_run_on_them(predictor):
    assert type(predictor) is WindowedPredictor
    assert type(make_predictor(nn.Conv2d(1, 1, 3, padding=1), 1, device="cpu")) is Predictor


def test_what_was_made_is_kept_for_the_same_network_and_options_where_that_is_asked_for():
    network, other = (nn.Conv2d(1, 1, 3, padding=1) for _ in range(2))
    kept = {}
    with kept_predictors(kept):
        made = make_predictor(network, 1, device="cpu")
        assert make_predictor(network, 1, device="cpu") is made
        assert make_predictor(network, 1, device="cpu", tile_size=64).tile_size == 64
        assert make_predictor(other, 1, device="cpu") is not made
    assert make_predictor(network, 1, device="cpu") is not made
    with kept_predictors(kept):
        assert make_predictor(network, 1, device="cpu") is made


def test_it_equals_the_original(predictor, make_cpnet, monkeypatch):
    core = pytest.importorskip("cellpose.core", reason="cellpose 1 to 3 is not installed")
    theirs = pytest.importorskip("cellpose.resnet_torch", reason="this is Cellpose 4")
    original = theirs.CPnet([2, 2, 3, 4, 4], 3, 3).eval()
    original.load_state_dict(make_cpnet().state_dict(), strict=False)

    def forward(net, images):  # a style of 256 numbers is taken for granted
        with torch.inference_mode():
            return net(torch.from_numpy(images))[0].numpy(), np.ones((len(images), 256), "f4")

    monkeypatch.setattr(core, "_forward", forward)
    random = np.random.default_rng(0)
    for shape in ((300, 411), (50, 60), (209, 224), (1, 7), (241, 300)):
        plane = random.random((2, *shape), np.float32)
        expected = core.run_net(original, plane.transpose(1, 2, 0)[None])[0][0].transpose(2, 0, 1)
        found = predictor.predict(plane, activation="linear")
        np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 900))
@example(size=209)  # the least that needs two windows
def test_each_pixel_is_in_one_cell_and_its_weights_sum_to_one(size):
    axis = windowed._Axis.of(size, 224)
    count = len(axis.starts)
    cells = [axis.cell(number) for number in range(count)]
    assert [i for cell in cells for i in range(cell.start, cell.stop)] == list(range(size))
    total = np.zeros(size)
    for number, weights in enumerate(axis.weights(224)):
        inside, (before, after) = axis.pixels(number)
        assert before + after + inside.stop - inside.start == axis.side
        total[inside] += weights[before : axis.side - after]
        seen = [cells[other] for other in axis.seen_by(number)]
        assert seen[0].start <= inside.start
        assert inside.stop <= seen[-1].stop
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_a_part_is_that_of_the_whole_and_needs_few_windows(predictor, plane, whole):
    part, runs = (slice(203, 290), slice(10, 40)), []
    found = np.full_like(whole, np.nan)
    predictor.predict(
        plane, activation="linear", out=found, part=part,
        progress=lambda done, total, message: runs.append(total),
    )  # fmt: skip
    np.testing.assert_allclose(found[:, *part], whole[:, *part], atol=1e-6)
    assert np.isnan(found).sum() == found.size - found[:, *part].size
    assert runs[0] == 2  # of 6


def test_what_is_not_wanted_stays(predictor, plane, whole):
    found = np.full_like(whole, np.nan)
    predictor.predict(
        plane, activation="linear", out=found, wanted=lambda rows, columns: rows.start == 0
    )
    there = ~np.isnan(found[0]).all(axis=1)
    assert there[0]
    assert not there[-1]
    np.testing.assert_allclose(found[:, there], whole[:, there], atol=1e-6)


def test_activations_follow_the_average(predictor, plane, whole):
    found = predictor.predict(plane, activation=["linear", "linear", "sigmoid"])
    np.testing.assert_allclose(found[:2], whole[:2], atol=1e-6)
    np.testing.assert_allclose(found[2], 1 / (1 + np.exp(-whole[2])), atol=1e-6)


def test_a_network_of_any_kind_is_run_on_windows():
    predictor = make_predictor(Mean(), 1, device="cpu", precision="float32")
    plane = np.ones((1, 224, 500), np.float32)
    middle = predictor.predict(plane, activation="linear")[0, 60:160, 60:440]
    assert middle.std() < 0.1  # 2 but for the zeros around the plane
    assert 1.8 < middle.mean() < 2


def test_it_can_be_stopped_between_windows(predictor, plane):
    def stop(done, total, message):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        predictor.predict(plane, progress=stop)


def test_little_memory_is_enough_for_fewer_windows_at_once(make_cpnet, plane, whole, monkeypatch):
    predictor = make_predictor(make_cpnet(), 2, device="cpu", precision="float32")
    predictor._at_once, sizes = 4, []
    network = predictor._network

    def small(images):
        sizes.append(len(images))
        if len(images) > limit:
            raise MemoryError
        return network(images)

    limit = 1
    monkeypatch.setattr(predictor, "_network", small)
    found = predictor.predict(plane, activation="linear")
    np.testing.assert_allclose(found, whole, atol=1e-6)
    assert sizes == [3, 2, 1, 1, 1, 1, 1, 1]
    limit = 0
    with pytest.raises(OutOfMemoryError, match="even on one window"):
        predictor.predict(plane)
