from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from napari_cytosynth.errors import Cancelled, InputError, OutOfMemoryError
from napari_cytosynth.inference.normalise import Scaling
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.models.unet import UNet

WHOLE = 100_000
SHAPES = {
    "one level": {"widths": (2,)},
    "two levels": {"widths": (2, 3)},
    "stem": {"widths": (2, 3), "stem": 2},
    "odd stem": {"widths": (2,), "stem": 3},
    "three levels": {"widths": (2, 2, 2)},
}


def unet(in_channels=1, out_channels=2, **arguments):
    """Return a network whose far neighbours count: positive weights, lively BatchNorms."""
    torch.manual_seed(7)
    network = UNet(in_channels, out_channels, **arguments)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0  # take the statistics of one batch
            part.bias.data.uniform_(0.5, 1)
        elif isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            part.weight.data.abs_()
    with torch.no_grad():
        network(torch.rand(2, in_channels, 96, 96))
    return network.eval()


NETWORKS = {name: unet(**arguments) for name, arguments in SHAPES.items()}


def predictor(network, tile_size, in_channels=1, **keywords):
    settings = {"device": "cpu", "precision": "float32", **keywords}
    return Predictor(network, in_channels, tile_size=tile_size, **settings)


def predict(network, plane, tile_size, **keywords):
    runner = predictor(network, tile_size, len(plane))
    return runner.predict(plane, activation="linear", **keywords)


def noise(*shape):
    return np.random.default_rng(sum(shape)).random(shape, np.float32)


def assert_same(result, expected):
    span = max(float(np.ptp(expected)), float(np.abs(expected).max()), 1e-6)
    assert np.abs(result - expected).max() <= 1e-5 * span


def count_tiles(runner, plane):
    counts = []
    runner.predict(plane, progress=lambda done, total, message: counts.append(total))
    return counts[-1]


@settings(deadline=None, max_examples=50)
@given(
    name=st.sampled_from(sorted(SHAPES)),
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    tile_size=st.integers(1, 30),
)
@example(name="stem", height=1, width=1, tile_size=1)
@example(name="three levels", height=3, width=70, tile_size=4)
@example(name="odd stem", height=70, width=2, tile_size=3)
@example(name="one level", height=9, width=12, tile_size=1)
def test_tiled_equals_whole(name, height, width, tile_size):
    plane = noise(1, height, width)
    tile_size = max(tile_size, max(height, width) // 10)  # ≤ 100 tiles: time
    tiled = predict(NETWORKS[name], plane, tile_size)
    whole = predict(NETWORKS[name], plane, WHOLE)
    assert tiled.shape == (2, height, width)
    assert_same(tiled, whole)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (33, 50)])
def test_whole_is_the_network_on_the_plane_padded_by_reflection(name, shape):
    network, plane = NETWORKS[name], noise(1, *shape)
    pads = [(0, -size % network.total_stride) for size in shape]
    padded = np.pad(plane, [(0, 0), *pads], mode="reflect")
    with torch.inference_mode():
        expected = network(torch.from_numpy(padded)[None])[0].numpy()
    assert_same(predict(network, plane, WHOLE), expected[:, : shape[0], : shape[1]])


@pytest.mark.parametrize("name", SHAPES)
def test_a_halo_one_stride_smaller_leaves_seams(name):
    network, plane = NETWORKS[name], noise(1, 90, 90)
    whole = predict(network, plane, WHOLE)
    runner = predictor(network, 12)
    geometry = runner.geometry
    assert_same(runner.predict(plane, activation="linear"), whole)
    runner.geometry = dataclasses.replace(geometry, halo=geometry.halo - geometry.stride)
    with pytest.raises(AssertionError):
        assert_same(runner.predict(plane, activation="linear"), whole)


def test_a_halo_of_nothing_with_reflected_padding_is_exact_too():
    network = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(16, 16, 1), nn.PixelShuffle(4))
    assert predictor(network, 4).geometry.halo == 0
    for shape in [(13, 17), (14, 18), (15, 19), (1, 5)]:
        plane = noise(1, *shape)
        assert_same(predict(network, plane, 4), predict(network, plane, WHOLE))


def test_small_tiles_are_really_cut():
    assert count_tiles(predictor(NETWORKS["two levels"], 8), noise(1, 64, 64)) >= 36
    assert count_tiles(predictor(NETWORKS["two levels"], WHOLE), noise(1, 64, 64)) == 1


def test_channels_and_transform():
    network, plane = unet(in_channels=2, widths=(2, 3)), noise(2, 40, 30)
    counts = (plane * 1000).astype(np.uint16)

    def transform(tile):
        return tile.astype(np.float32) / 1000

    scaled = predict(network, counts, 8, transform=transform)
    assert_same(scaled, predict(network, transform(counts), WHOLE))


def test_nan_pixels_do_not_spread():
    plane = noise(1, 30, 30)
    plane[0, 3, 3] = np.nan
    assert np.isfinite(predict(NETWORKS["two levels"], plane, 8)).all()


def test_sigmoid_is_the_default_and_lies_between_zero_and_one():
    plane = noise(1, 20, 20)
    logits = predict(NETWORKS["stem"], plane, WHOLE)
    probability = predictor(NETWORKS["stem"], WHOLE).predict(plane)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logits)), atol=1e-6)
    assert probability.dtype == np.float32


def test_only_small_parts_of_a_lazy_plane_are_read():
    class Lazy:
        shape, dtype = (1, 400, 300), np.dtype(np.uint8)
        largest = 0

        def __getitem__(self, index):
            part = np.broadcast_to(np.uint8(3), self.shape)[index]
            Lazy.largest = max(Lazy.largest, part.size)
            return part

    runner = predictor(NETWORKS["two levels"], 32)
    assert runner.predict(Lazy()).shape == (2, 400, 300)
    assert Lazy.largest <= (32 + 2 * runner.geometry.halo) ** 2


def test_the_result_can_go_into_a_memmap_or_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    plane = noise(1, 50, 40)
    expected = predictor(NETWORKS["stem"], 8).predict(plane)
    mapped = np.memmap(tmp_path / "out", np.float32, "w+", shape=expected.shape)
    stored = zarr.create_array(
        str(tmp_path / "out.zarr"), shape=expected.shape, chunks=(1, 16, 16), dtype="float32"
    )
    source = zarr.create_array(
        str(tmp_path / "in.zarr"), shape=plane.shape, chunks=(1, 16, 16), dtype="float32"
    )
    source[...] = plane
    for out in (mapped, stored):
        assert predictor(NETWORKS["stem"], 8).predict(source, out=out) is out
        np.testing.assert_array_equal(out[...], expected)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_one_activation_for_each_channel_is_that_activation_for_all(activation):
    plane, runner = noise(1, 40, 40), predictor(NETWORKS["stem"], 16)
    expected = runner.predict(plane, activation=activation)
    result = runner.predict(plane, activation=[activation, activation])
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_each_channel_has_its_own_activation(precision):
    plane, runner = noise(1, 40, 40), predictor(NETWORKS["stem"], 16, precision=precision)
    logits = runner.predict(plane, activation="linear")
    for first, second in (("sigmoid", "linear"), ("linear", "sigmoid")):
        result = runner.predict(plane, activation=[first, second])
        for name, values, raw in zip((first, second), result, logits, strict=True):
            if name == "linear":
                np.testing.assert_array_equal(values, raw)
            else:  # in float32, whatever the network ran in
                np.testing.assert_allclose(values, 1 / (1 + np.exp(-raw)), rtol=1e-6)


def test_an_activation_never_reaches_the_image():
    plane = noise(2, 8, 8)
    kept = plane.copy()
    result = predictor(nn.Identity(), 8, 2).predict(plane, activation=["sigmoid", "linear"])
    np.testing.assert_array_equal(plane, kept)
    np.testing.assert_array_equal(result[1], kept[1])


@pytest.mark.parametrize(
    ("plane", "keywords"),
    [
        (np.zeros((4, 4), np.float32), {}),
        (np.zeros((1, 0, 4), np.float32), {}),
        (np.zeros((2, 4, 4), np.float32), {}),
        (np.zeros((1, 4, 4), np.float32), {"activation": "softmax"}),
        (np.zeros((1, 4, 4), np.float32), {"activation": ["sigmoid", "softmax"]}),
        (np.zeros((1, 4, 4), np.float32), {"activation": ["sigmoid"]}),
        (np.zeros((1, 4, 4), np.float32), {"out": np.zeros((2, 4, 5), np.float32)}),
        (np.zeros((1, 4, 4), np.float32), {"out": np.zeros((2, 4, 4), np.float64)}),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(plane, keywords):
    with pytest.raises(InputError):
        predictor(NETWORKS["stem"], 8).predict(plane, **keywords)


def test_impossible_settings_are_refused_with_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for settings_ in ({"device": "cuda"}, {"device": "tpu"}, {"precision": "float8"}):
        with pytest.raises(InputError, match="Choose"):
            predictor(NETWORKS["stem"], 8, **settings_)
    with pytest.raises(InputError, match="tile"):
        predictor(NETWORKS["stem"], 0)


# -- progress and cancelling ---------------------------------------------------------------


def test_progress_counts_every_tile_up_to_the_total():
    calls = []
    runner = predictor(NETWORKS["two levels"], 16)
    runner.predict(noise(1, 60, 60), progress=lambda *call: calls.append(call[:2]))
    total = calls[0][1]
    assert calls == [(done, total) for done in range(total + 1)]


def test_cancelling_stops_before_the_next_tile_and_leaves_no_state_behind():
    runner, plane = predictor(NETWORKS["two levels"], 16), noise(1, 60, 60)
    seen = []

    def stop(done, total, message):
        seen.append((done, torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
        if done == 2:
            raise Cancelled("stop")

    out = np.full((2, 60, 60), -1, np.float32)
    with pytest.raises(Cancelled):
        runner.predict(plane, progress=stop, out=out)
    assert seen == [(0, False, True), (1, False, True), (2, False, True)]
    assert (out[:, 0, 0] >= 0).all()
    assert (out[:, -1, -1] == -1).all()
    np.testing.assert_array_equal(
        runner.predict(plane), predictor(NETWORKS["two levels"], 16).predict(plane)
    )


def test_the_callers_network_is_never_changed():
    network = unet(widths=(2, 3)).train()
    before = copy.deepcopy(network.state_dict())
    predict(network, noise(1, 20, 20), 8)
    assert network.training
    assert all(part.training for part in network.modules())
    assert all(weights.requires_grad for weights in network.parameters())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


# -- memory --------------------------------------------------------------------------------


class Hungry(nn.Module):
    """A network that runs out of memory on more than `limit` pixels."""

    limit = 10**9
    error: Exception = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    def __init__(self):
        super().__init__()
        self.inner = NETWORKS["two levels"]

    def forward(self, x):
        if x.dtype == torch.float32 and x.shape[2] * x.shape[3] > Hungry.limit:
            raise Hungry.error
        return self.inner(x)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate"
            " memory: you tried to allocate 4294967296 bytes."
        ),
        RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_goes_on_with_smaller_tiles(monkeypatch, error):
    plane = noise(1, 100, 90)
    runner = predictor(Hungry(), 64)
    monkeypatch.setattr(Hungry, "limit", 50 * 50)
    monkeypatch.setattr(Hungry, "error", error)
    result = runner.predict(plane, activation="linear")
    assert_same(result, predict(NETWORKS["two levels"], plane, WHOLE))
    assert runner.tile_size < 64
    assert any("Ran out of memory" in message for message in runner.messages)
    told = len(runner.messages)
    runner.predict(plane)
    assert len(runner.messages) == told  # the next plane begins with the size that worked


def test_running_out_in_the_middle_keeps_what_was_done(monkeypatch):
    plane = noise(1, 100, 90)
    runner = predictor(Hungry(), 32)
    read = []

    def progress(done, total, message):
        read.append((done, total))
        if done == 3:
            monkeypatch.setattr(Hungry, "limit", 40 * 40)

    result = runner.predict(plane, activation="linear", progress=progress)
    assert_same(result, predict(NETWORKS["two levels"], plane, WHOLE))
    assert [done for done, _ in read] == list(range(read[-1][1] + 1))


def test_a_small_plane_in_a_large_tile_is_still_cut(monkeypatch):
    runner = predictor(Hungry(), 4096)
    monkeypatch.setattr(Hungry, "limit", 30 * 30)
    assert runner.predict(noise(1, 40, 40)).shape == (2, 40, 40)


def test_no_memory_for_the_smallest_tile_is_our_own_error(monkeypatch):
    runner = predictor(Hungry(), 64)
    monkeypatch.setattr(Hungry, "limit", 3)
    with pytest.raises(OutOfMemoryError, match="not enough memory on this computer"):
        runner.predict(noise(1, 100, 90))


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    runner = predictor(Hungry(), 64)
    monkeypatch.setattr(Hungry, "limit", 3)
    monkeypatch.setattr(Hungry, "error", RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        runner.predict(noise(1, 20, 20))


def test_the_tile_size_follows_from_the_network_and_the_memory(monkeypatch):
    from napari_cytosynth.inference import predictor as engine

    chosen = {}
    for free in (10**11, 10**6, 10**3):
        monkeypatch.setattr(engine, "free_memory", lambda device, free=free: free)
        chosen[free] = predictor(NETWORKS["three levels"], None).tile_size
    assert chosen[10**11] >= 256
    assert chosen[10**11] > chosen[10**6] > chosen[10**3] >= 4
    assert all(size % 4 == 0 for size in chosen.values())


# -- folding -------------------------------------------------------------------------------


def test_batchnorms_are_folded_away_in_the_copy_only():
    network = unet(widths=(2, 3))
    runner = predictor(network, 8)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in runner._network.modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_a_convolution_that_is_also_used_elsewhere_is_not_folded_wrongly():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)
            self.norm.running_var.fill_(9.0)

        def forward(self, x):
            x = self.convolution(x)
            return self.norm(x) + x

    network, plane = Shared().eval(), noise(1, 12, 12)
    with torch.inference_mode():
        expected = network(torch.from_numpy(plane)[None])[0].numpy()
    assert_same(predict(network, plane, WHOLE), expected)


def test_transform_sees_the_pixels_before_the_padding():
    seen = []

    def transform(tile):
        seen.append(tile.shape)
        return Scaling(0, 1).apply(tile)

    predict(NETWORKS["three levels"], noise(1, 5, 3), WHOLE, transform=transform)
    assert seen == [(1, 5, 3)]
