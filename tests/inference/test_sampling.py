"""Samples must not depend on how the image is cut, and equal a plain loop over masks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from napari_cytosynth.errors import Cancelled, InputError, OutOfMemoryError
from napari_cytosynth.inference import sampling as module
from napari_cytosynth.inference.engine import Predictor
from napari_cytosynth.inference.sampling import Sampler
from napari_cytosynth.inference.tiling import plan_tiles
from napari_cytosynth.models import build_network

WHOLE = 100_000
TINY = {"width": 4, "global_blocks": 1, "local_blocks": 1, "downsamplings": 1, "out_channels": 2}
UNET = {"widths": [4, 6], "out_channels": 2, "dropout": 0.3}
CHOICES = {
    "one block": ("Pix2PixHD", TINY | {"dropout": 0.3}),
    "many blocks": ("Pix2PixHD", TINY | {"dropout": 0.3, "dropout_blocks": 2}),
    "global": (
        "Pix2PixHDGlobal",
        {"width": 4, "blocks": 2, "downsamplings": 1, "dropout": 0.3, "out_channels": 2},
    ),
    "unet last": ("UNet", UNET | {"dropout_at": "last", "stem": 2}),
    "unet coarsest": ("UNet", UNET | {"dropout_at": "coarsest"}),
}


def make(name="one block", **changes):
    """Return a network with lively BatchNorms, left in training mode."""
    architecture, arguments = CHOICES[name]
    torch.manual_seed(7)
    network = build_network(architecture, arguments | changes)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.bias.data.uniform_(-0.5, 1)
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2)
    return network


class Plain(nn.Module):
    """A network that tells of no stages, with a BatchNorm right behind its dropout."""

    def __init__(self, dropout=0.4, layer=nn.Dropout2d):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.dropout = nn.Conv2d(1, 6, 3, padding=1), layer(dropout)
        self.norm, self.last = nn.BatchNorm2d(6), nn.Conv2d(6, 1, 3, padding=1)
        self.norm.running_mean.uniform_(0.5, 1)
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x):
        return self.last(self.norm(self.dropout(self.first(x))).relu())


def noise(*shape):
    return np.random.default_rng(sum(shape)).random(shape, np.float32)


PLANE = noise(1, 61, 150)


def sampler(network, tile_size=WHOLE, **keywords):
    return Sampler(network, 1, device="cpu", precision="float32", tile_size=tile_size, **keywords)


def run(network, tile_size=WHOLE, *, plane=PLANE, settings=None, **keywords):
    return sampler(network, tile_size, **(settings or {})).run(plane, **keywords)


def tile_count(network, tile_size):
    return len(plan_tiles(PLANE.shape[1:], sampler(network).geometry, tile_size))


def assert_same(result, expected):
    span = float(np.abs(expected).max())
    assert span > 0
    assert np.abs(result - expected).max() <= 2e-5 * span


def naive(network, plane, count, seed=0, p=None):
    """Run the whole network once for each sample, masks by hooks; keep all the samples."""
    network = copy.deepcopy(network).eval()
    layers = [part for part in network.modules() if isinstance(part, nn.Dropout | nn.Dropout2d)]
    sample = 0

    def mask(layer, number):
        share = layer.p if p is None else p

        def hook(part, inputs, output):
            sequence = np.random.SeedSequence(seed, spawn_key=(sample, number))
            drawn = np.random.Generator(np.random.Philox(sequence)).random(output.shape[1])
            factors = torch.from_numpy((drawn >= share) / (1 - share)).float()
            return inputs[0] * factors[:, None, None]

        layer.register_forward_hook(hook)

    for number, layer in enumerate(layers):
        mask(layer, number)
    pads = [(0, -size % getattr(network, "total_stride", 1)) for size in plane.shape[1:]]
    image = torch.from_numpy(np.pad(plane, [(0, 0), *pads], mode="reflect"))[None]
    images = []
    with torch.inference_mode():
        for sample in range(count):  # noqa: B007 - the hooks look at it
            images.append(network(image)[0, :, : plane.shape[1], : plane.shape[2]].numpy())
    return np.stack(images)


# -- the samples ---------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
@pytest.mark.parametrize("name", [*CHOICES, "plain"])
def test_mean_and_std_equal_those_of_a_plain_loop(name, budget):
    network = Plain() if name == "plain" else make(name)
    expected = naive(network, PLANE, 6, seed=5)
    result = run(
        network, 16, settings={"memory_budget": budget}, samples=6, seed=5, keep_samples=True
    )
    assert expected.std(0).max() > 1e-3 * np.abs(expected).max()  # there is something to equal
    assert_same(result.samples, expected)
    assert_same(result.mean, expected.mean(0))
    assert_same(result.std, expected.std(0, ddof=1))
    assert (result.count, result.stopped) == (6, "all")
    assert result.mean.dtype == result.std.dtype == np.float32


@pytest.mark.parametrize("name", [*CHOICES, "plain"])
@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
def test_tiled_equals_whole(name, budget):
    network = Plain() if name == "plain" else make(name)
    whole = run(network, samples=4)
    for tile_size in (16, 33):
        tiled = run(network, tile_size, settings={"memory_budget": budget}, samples=4)
        assert_same(tiled.mean, whole.mean)
        assert_same(tiled.std, whole.std)
    assert tile_count(network, 16) > 1


@pytest.mark.parametrize("name", ["one block", "many blocks", "unet last"])
def test_the_second_stage_needs_just_the_halo_it_gets(name):
    import dataclasses

    whole, runner = run(make(name), samples=3), sampler(make(name), 16)
    stages, stride = runner._stages, runner.geometry.stride
    assert 0 < stages.halo < runner.geometry.halo or name == "many blocks"
    assert_same(runner.run(PLANE, samples=3).std, whole.std)
    step = int(np.lcm.reduce(stages.ratios))
    runner._stages = dataclasses.replace(stages, halo=max(stages.halo - max(step, stride // 2), 0))
    with pytest.raises(AssertionError):
        assert_same(runner.run(PLANE, samples=3).std, whole.std)


def test_the_deterministic_part_runs_once_however_many_samples(monkeypatch):
    calls = []
    runner = sampler(make())
    first, second = runner._network.before_dropout, runner._network.after_dropout
    monkeypatch.setattr(
        runner._network, "before_dropout", lambda x: calls.append("first") or first(x)
    )
    monkeypatch.setattr(
        runner._network, "after_dropout", lambda *x: calls.append(len(x[0])) or second(*x)
    )
    runner.run(PLANE, samples=9)
    assert calls.count("first") == 1
    assert sum(calls[1:]) == 9


def test_batches_do_not_change_the_result():
    expected = run(make(), samples=7, settings={"batch_size": 1})
    for batch in (2, 3, 7, 100):
        result = run(make(), samples=7, settings={"batch_size": batch})
        assert_same(result.mean, expected.mean)
        assert_same(result.std, expected.std)


def test_the_seed_alone_decides():
    first = run(make(), samples=3, seed=1, keep_samples=True)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    again = run(make(), samples=3, seed=1, keep_samples=True)
    other = run(make(), samples=3, seed=2, keep_samples=True)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert np.abs(first.mean - other.mean).max() > 1e-3
    more = run(make(), samples=5, seed=1, keep_samples=True)
    assert_same(more.samples[:3], first.samples)
    differences = [np.abs(one - two).max() for one in more.samples for two in more.samples]
    assert sum(value == 0 for value in differences) == 5  # each only equals itself


def test_the_global_generators_stay_as_they_were():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run(make(), samples=2)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_whole_channels_are_dropped_by_pixelwise_dropout_too():
    assert_same(
        run(Plain(layer=nn.Dropout), samples=4).std, naive(Plain(), PLANE, 4).std(0, ddof=1)
    )


def test_nan_pixels_do_not_spread():
    plane = PLANE.copy()
    plane[0, 3, 3] = np.nan
    result = run(make(), plane=plane, samples=2)
    assert np.isfinite(result.mean).all()
    assert np.isfinite(result.std).all()


def test_a_single_pixel_can_be_sampled():
    result = run(make(), plane=noise(1, 1, 1), samples=3, tolerance=0.01)
    assert result.std.shape == (2, 1, 1)


# -- without samples, and which networks ------------------------------------------------------


@pytest.mark.parametrize("name", [*CHOICES, "plain"])
def test_without_samples_it_is_the_predictor(name):
    network = Plain() if name == "plain" else make(name)
    runner = sampler(network, 16)
    runner.run(PLANE, samples=3)  # leaves no mask behind
    result = runner.run(PLANE, samples=0)
    predictor = Predictor(network, 1, device="cpu", precision="float32", tile_size=16)
    assert_same(result.mean, predictor.predict(PLANE, activation="linear"))
    assert (result.std, result.count, result.samples) == (None, 0, None)


def test_the_callers_network_is_not_changed():
    network = make().train()
    before = copy.deepcopy(network.state_dict())
    run(network, samples=3, settings={"inject": 0.7})
    assert all(part.training for part in network.modules())
    assert {part.p for part in network.modules() if isinstance(part, nn.Dropout2d)} == {0.3}
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_network_without_dropout_is_refused_but_for_a_single_prediction():
    for network in (make(dropout=0.0), make("unet last", dropout=0.0)):
        with pytest.raises(InputError, match="trained without dropout"):
            run(network, samples=2)
        assert run(network, samples=0).std is None


def test_dropout_can_be_injected():
    network = make(dropout=0.0)
    expected = naive(network, PLANE, 4, p=0.6)
    assert_same(run(network, samples=4, settings={"inject": 0.6}).std, expected.std(0, ddof=1))
    with pytest.raises(InputError, match="no dropout layers"):
        sampler(make("unet last", dropout=0.0), inject=0.5)
    for wrong in (0, 1, -0.2):
        with pytest.raises(InputError, match="between 0 and 1"):
            sampler(network, inject=wrong)


def test_a_network_that_sees_the_whole_image_runs_in_one_piece_and_says_so():
    network = make(norm="instance")
    runner = sampler(network, 16, memory_budget=0)
    assert any("whole image" in message for message in runner.messages)
    plane = noise(1, 44, 68)  # multiples of the stride: any padding would change the statistics
    result = runner.run(plane, samples=4, seed=2)
    expected = naive(network, plane, 4, seed=2)
    assert_same(result.mean, expected.mean(0))
    assert_same(result.std, expected.std(0, ddof=1))
    assert any("whole image" in message for message in result.messages)


@pytest.mark.parametrize(
    ("keywords", "match"),
    [
        ({"samples": 1}, "at least 2"),
        ({"samples": -3}, "at least 2"),
        ({"seed": -1}, "seed"),
        ({"tolerance": 0}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"plane": noise(2, 8, 8)}, "1 channels"),
        ({"plane": noise(8, 8)}, "axes"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(keywords, match):
    with pytest.raises(InputError, match=match):
        run(make(), **keywords)


# -- while it runs ------------------------------------------------------------------------


def test_the_image_sharpens_sample_by_sample():
    seen = []
    result = run(
        make(), 16, samples=4, settings={"batch_size": 3}, on_sample=lambda *now: seen.append(now)
    )
    expected = naive(make(), PLANE, 4)
    assert [count for count, _, _ in seen] == [1, 2, 3, 4]
    for count, mean, std in seen:
        assert_same(mean, expected[:count].mean(0))
        if count == 1:
            assert std is None
        else:
            assert_same(std, expected[:count].std(0, ddof=1))
    np.testing.assert_array_equal(seen[-1][1], result.mean)


def test_tile_by_tile_the_image_comes_at_the_end_and_the_user_is_told():
    seen = []
    result = run(
        make(), 16, settings={"memory_budget": 0}, samples=4, on_sample=lambda *a: seen.append(a)
    )
    assert [count for count, _, _ in seen] == [4]
    np.testing.assert_array_equal(seen[0][2], result.std)
    assert any("too large" in message for message in result.messages)


@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
def test_enough_keeps_what_was_computed(budget):
    asked = []

    def enough():
        asked.append(True)
        return len(asked) >= 2

    result = run(
        make(),
        16,
        samples=50,
        settings={"memory_budget": budget, "batch_size": 4},
        keep_samples=True,
        enough=enough,
    )
    assert (result.count, result.stopped) == (3, "enough")
    expected = naive(make(), PLANE, 3)
    assert_same(result.mean, expected.mean(0))
    assert_same(result.std, expected.std(0, ddof=1))
    assert_same(result.samples, expected)


def test_enough_from_the_beginning_still_gives_an_uncertainty():
    result = run(make(), samples=50, enough=lambda: True)
    assert (result.count, result.stopped) == (2, "enough")


def test_it_stops_by_itself_once_the_spread_is_known_the_same_however_it_is_cut():
    ways = [(WHOLE, None, 1), (WHOLE, None, 5), (16, None, 1), (16, 0, 2)]
    results = [
        run(
            make(),
            tile_size,
            samples=60,
            settings={"memory_budget": budget, "batch_size": batch},
            tolerance=0.2,
        )
        for tile_size, budget, batch in ways
    ]
    assert {result.stopped for result in results} == {"tolerance"}
    assert len({result.count for result in results}) == 1
    assert 4 <= results[0].count < 60
    for result in results:
        assert_same(result.std, results[0].std)
    stricter = run(make(), samples=60, tolerance=0.12)
    assert stricter.count > results[0].count
    assert run(make(), samples=5, tolerance=1e-4).stopped == "all"


@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
def test_progress_grows_up_to_the_total(budget):
    for keywords in ({}, {"tolerance": 0.5}, {"enough": lambda: True}):
        shares = []

        def progress(done, total, message, shares=shares):
            shares.append(done / total)

        limits = {"memory_budget": budget}
        run(make(), 16, samples=9, settings=limits, progress=progress, **keywords)
        assert shares == sorted(shares)
        assert (shares[0], shares[-1], shares.count(1.0)) == (0, 1, 1)


@pytest.mark.parametrize("budget", [None, 0], ids=["whole", "tile by tile"])
def test_cancelling_stops_at_once_and_leaves_no_state_behind(budget):
    runner, calls = sampler(make(), 16, memory_budget=budget, batch_size=1), []

    def stop(done, total, message):
        calls.append((torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
        if len(calls) == 25:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        runner.run(PLANE, samples=8, progress=stop)
    assert calls == [(False, True)] * 25
    np.testing.assert_array_equal(
        runner.run(PLANE, samples=0).mean, run(make(), 16, samples=0).mean
    )


# -- memory ----------------------------------------------------------------------------------


class Hungry(nn.Module):
    """A staged network that runs out of memory on more than `limit` pixels at a time."""

    limit = 10**9

    def __init__(self):
        super().__init__()
        self.inner = make()

    def before_dropout(self, x):
        self.spend(x, x.shape[2] * x.shape[3])
        return self.inner.before_dropout(x)

    def after_dropout(self, *features):
        first = features[0]
        self.spend(first, 4 * first.shape[0] * first.shape[2] * first.shape[3])
        return self.inner.after_dropout(*features)

    def forward(self, x):
        return self.after_dropout(*self.before_dropout(x))

    def spend(self, x, pixels):
        if x.dtype == torch.float32 and pixels > Hungry.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize(("pixels", "smaller_tiles"), [(10_000, False), (6000, True), (4200, True)])
def test_out_of_memory_goes_on_with_smaller_batches_and_tiles(monkeypatch, pixels, smaller_tiles):
    expected = run(make(), samples=5, tolerance=1e-6, keep_samples=True)
    runner = sampler(Hungry(), 64)
    monkeypatch.setattr(Hungry, "limit", pixels)
    result = runner.run(PLANE, samples=5, tolerance=1e-6, keep_samples=True)
    for name in ("mean", "std", "samples"):
        assert_same(getattr(result, name), getattr(expected, name))
    assert (runner.tile_size < 64) is smaller_tiles
    assert any("Ran out of memory" in message for message in result.messages) is smaller_tiles


def test_running_out_while_sampling_begins_again_tile_by_tile(monkeypatch):
    runner, seen = sampler(make(), 16), []
    add = module.Moments.add

    def fail_once(self, sample):
        if self.count == 3 and not seen:
            seen.append(True)
            raise MemoryError
        add(self, sample)

    monkeypatch.setattr(module.Moments, "add", fail_once)
    expected = naive(make(), PLANE, 5)
    assert_same(runner.run(PLANE, samples=5).std, expected.std(0, ddof=1))
    assert seen


def test_no_memory_for_the_smallest_tile_is_our_own_error(monkeypatch):
    runner = sampler(Hungry(), 64)
    monkeypatch.setattr(Hungry, "limit", 3)
    with pytest.raises(OutOfMemoryError, match="not enough memory on this computer"):
        runner.run(PLANE, samples=2)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    def broken(count, mean, std):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        run(make(), samples=2, on_sample=broken)
