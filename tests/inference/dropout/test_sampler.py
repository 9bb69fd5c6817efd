"""Samples must not depend on how the image is cut, and equal a plain loop over masks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from napari_cytosynth.errors import InputError
from napari_cytosynth.inference.predictor import Predictor

pytestmark = pytest.mark.slow  # in all

NAMES = ["one block", "many blocks", "global", "unet last", "unet coarsest", "plain"]


# -- the samples ---------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
@pytest.mark.parametrize("name", NAMES)
def test_mean_and_std_equal_those_of_a_plain_loop(mc, name, budget):
    network = mc.Plain() if name == "plain" else mc.make(name)
    expected = mc.naive(network, mc.PLANE, 6, seed=5)
    result = mc.run(
        network, 16, settings={"memory_budget": budget}, samples=6, seed=5, keep_samples=True
    )
    assert expected.std(0).max() > 1e-3 * np.abs(expected).max()  # there is something to equal
    mc.assert_same(result.samples, expected)
    mc.assert_same(result.mean, expected.mean(0))
    mc.assert_same(result.std, expected.std(0, ddof=1))
    assert (result.count, result.stopped) == (6, "all")
    assert result.mean.dtype == result.std.dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
def test_tiled_equals_whole(mc, name, budget):
    network = mc.Plain() if name == "plain" else mc.make(name)
    whole = mc.run(network, samples=4)
    for tile_size in (16, 33):
        tiled = mc.run(network, tile_size, settings={"memory_budget": budget}, samples=4)
        mc.assert_same(tiled.mean, whole.mean)
        mc.assert_same(tiled.std, whole.std)
    assert mc.tile_count(network, 16) > 1


@pytest.mark.parametrize("name", ["one block", "many blocks", "bilinear", "unet last"])
def test_the_second_stage_needs_just_the_halo_it_gets(mc, name):
    import dataclasses

    whole, runner = mc.run(mc.make(name), samples=3), mc.sampler(mc.make(name), 16)
    split, stride = runner._split, runner.geometry.stride
    assert 0 < split.halo < runner.geometry.halo or name == "many blocks"
    mc.assert_same(runner.run(mc.PLANE, samples=3).std, whole.std)
    step = int(np.lcm.reduce(split.ratios))
    runner._split = dataclasses.replace(split, halo=max(split.halo - max(step, stride // 2), 0))
    with pytest.raises(AssertionError):
        mc.assert_same(runner.run(mc.PLANE, samples=3).std, whole.std)


def test_the_deterministic_part_runs_once_however_many_samples(mc, monkeypatch):
    calls = []
    runner = mc.sampler(mc.make())
    first, second = runner._network.before_dropout, runner._network.after_dropout
    monkeypatch.setattr(
        runner._network, "before_dropout", lambda x: calls.append("first") or first(x)
    )
    monkeypatch.setattr(
        runner._network, "after_dropout", lambda *x: calls.append(len(x[0])) or second(*x)
    )
    runner.run(mc.PLANE, samples=9)
    assert calls.count("first") == 1
    assert sum(calls[1:]) == 9


def test_batches_do_not_change_the_result(mc):
    expected = mc.run(mc.make(), samples=7, settings={"batch_size": 1})
    for batch in (2, 3, 7, 100):
        result = mc.run(mc.make(), samples=7, settings={"batch_size": batch})
        mc.assert_same(result.mean, expected.mean)
        mc.assert_same(result.std, expected.std)


def test_the_seed_alone_decides(mc):
    first = mc.run(mc.make(), samples=3, seed=1, keep_samples=True)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    again = mc.run(mc.make(), samples=3, seed=1, keep_samples=True)
    other = mc.run(mc.make(), samples=3, seed=2, keep_samples=True)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert np.abs(first.mean - other.mean).max() > 1e-3
    more = mc.run(mc.make(), samples=5, seed=1, keep_samples=True)
    mc.assert_same(more.samples[:3], first.samples)
    differences = [np.abs(one - two).max() for one in more.samples for two in more.samples]
    assert sum(value == 0 for value in differences) == 5  # each only equals itself


def test_the_global_generators_stay_as_they_were(mc):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    mc.run(mc.make(), samples=2)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_whole_channels_are_dropped_by_pixelwise_dropout_too(mc):
    mc.assert_same(
        mc.run(mc.Plain(layer=nn.Dropout), samples=4).std,
        mc.naive(mc.Plain(), mc.PLANE, 4).std(0, ddof=1),
    )


def test_nan_pixels_do_not_spread(mc):
    plane = mc.PLANE.copy()
    plane[0, 3, 3] = np.nan
    result = mc.run(mc.make(), plane=plane, samples=2)
    assert np.isfinite(result.mean).all()
    assert np.isfinite(result.std).all()


def test_a_single_pixel_can_be_sampled(mc):
    result = mc.run(mc.make(), plane=mc.noise(1, 1, 1), samples=3, tolerance=0.01)
    assert result.std.shape == (2, 1, 1)


# -- without samples, and which networks ------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_without_samples_it_is_the_predictor(mc, name):
    network = mc.Plain() if name == "plain" else mc.make(name)
    runner = mc.sampler(network, 16)
    runner.run(mc.PLANE, samples=3)  # leaves no mask behind
    result = runner.run(mc.PLANE, samples=0)
    predictor = Predictor(network, 1, device="cpu", precision="float32", tile_size=16)
    mc.assert_same(result.mean, predictor.predict(mc.PLANE, activation="linear"))
    assert (result.std, result.count, result.samples) == (None, 0, None)


def test_the_callers_network_is_not_changed(mc):
    network = mc.make().train()
    before = copy.deepcopy(network.state_dict())
    mc.run(network, samples=3, settings={"inject": 0.7})
    assert all(part.training for part in network.modules())
    assert {part.p for part in network.modules() if isinstance(part, nn.Dropout2d)} == {0.3}
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_network_without_dropout_is_refused_but_for_a_single_prediction(mc):
    for network in (mc.make(dropout=0.0), mc.make("unet last", dropout=0.0)):
        with pytest.raises(InputError, match="trained without dropout"):
            mc.run(network, samples=2)
        assert mc.run(network, samples=0).std is None


def test_dropout_can_be_injected(mc):
    network = mc.make(dropout=0.0)
    expected = mc.naive(network, mc.PLANE, 4, p=0.6)
    mc.assert_same(
        mc.run(network, samples=4, settings={"inject": 0.6}).std, expected.std(0, ddof=1)
    )
    with pytest.raises(InputError, match="no dropout layers"):
        mc.sampler(mc.make("unet last", dropout=0.0), inject=0.5)
    for wrong in (0, 1, -0.2):
        with pytest.raises(InputError, match="between 0 and 1"):
            mc.sampler(network, inject=wrong)


def test_a_network_that_sees_the_whole_image_runs_in_one_piece_and_says_so(mc):
    network = mc.make(norm="instance")
    runner = mc.sampler(network, 16, memory_budget=0)
    assert any("whole image" in message for message in runner.messages)
    plane = mc.noise(1, 44, 68)  # multiples of the stride: any padding would change the statistics
    result = runner.run(plane, samples=4, seed=2)
    expected = mc.naive(network, plane, 4, seed=2)
    mc.assert_same(result.mean, expected.mean(0))
    mc.assert_same(result.std, expected.std(0, ddof=1))
    assert any("whole image" in message for message in result.messages)


@pytest.mark.parametrize(
    ("keywords", "match"),
    [
        ({"samples": 1}, "at least 2"),
        ({"samples": -3}, "at least 2"),
        ({"seed": -1}, "seed"),
        ({"tolerance": 0}, "tolerance"),
        ({"tolerance": 1}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"plane": np.ones((2, 8, 8), np.float32)}, "1 channels"),
        ({"plane": np.ones((8, 8), np.float32)}, "axes"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(mc, keywords, match):
    with pytest.raises(InputError, match=match):
        mc.run(mc.make(), **keywords)
