from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from napari_cytosynth.errors import Cancelled, InputError
from napari_cytosynth.inference.normalise import Scaling

SHAPES = ("odd stem", "one level", "stem", "three levels", "two levels")


@settings(deadline=None, max_examples=50)
@given(
    name=st.sampled_from(SHAPES),
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    tile_size=st.integers(1, 30),
)
@example(name="stem", height=1, width=1, tile_size=1)
@example(name="three levels", height=3, width=70, tile_size=4)
@example(name="odd stem", height=70, width=2, tile_size=3)
@example(name="one level", height=9, width=12, tile_size=1)
def test_tiled_equals_whole(tiled, name, height, width, tile_size):
    plane = tiled.noise(1, height, width)
    tile_size = max(tile_size, max(height, width) // 10)  # ≤ 100 tiles: time
    in_tiles = tiled.predict(tiled.NETWORKS[name], plane, tile_size)
    whole = tiled.predict(tiled.NETWORKS[name], plane, tiled.WHOLE)
    assert in_tiles.shape == (2, height, width)
    tiled.assert_same(in_tiles, whole)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (33, 50)])
def test_whole_is_the_network_on_the_plane_padded_by_reflection(tiled, name, shape):
    network, plane = tiled.NETWORKS[name], tiled.noise(1, *shape)
    pads = [(0, -size % network.total_stride) for size in shape]
    padded = np.pad(plane, [(0, 0), *pads], mode="reflect")
    with torch.inference_mode():
        expected = network(torch.from_numpy(padded)[None])[0].numpy()
    tiled.assert_same(
        tiled.predict(network, plane, tiled.WHOLE), expected[:, : shape[0], : shape[1]]
    )


@pytest.mark.parametrize("name", SHAPES)
def test_a_halo_one_stride_smaller_leaves_seams(tiled, name):
    network, plane = tiled.NETWORKS[name], tiled.noise(1, 90, 90)
    whole = tiled.predict(network, plane, tiled.WHOLE)
    runner = tiled.predictor(network, 12)
    geometry = runner.geometry
    tiled.assert_same(runner.predict(plane, activation="linear"), whole)
    runner.geometry = dataclasses.replace(geometry, halo=geometry.halo - geometry.stride)
    with pytest.raises(AssertionError):
        tiled.assert_same(runner.predict(plane, activation="linear"), whole)


def test_a_halo_of_nothing_with_reflected_padding_is_exact_too(tiled):
    network = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(16, 16, 1), nn.PixelShuffle(4))
    assert tiled.predictor(network, 4).geometry.halo == 0
    for shape in [(13, 17), (14, 18), (15, 19), (1, 5)]:
        plane = tiled.noise(1, *shape)
        tiled.assert_same(
            tiled.predict(network, plane, 4), tiled.predict(network, plane, tiled.WHOLE)
        )


def test_small_tiles_are_really_cut(tiled):
    assert (
        tiled.count_tiles(tiled.predictor(tiled.NETWORKS["two levels"], 8), tiled.noise(1, 64, 64))
        >= 36
    )
    assert (
        tiled.count_tiles(
            tiled.predictor(tiled.NETWORKS["two levels"], tiled.WHOLE), tiled.noise(1, 64, 64)
        )
        == 1
    )


def test_channels_and_transform(tiled):
    network, plane = tiled.unet(in_channels=2, widths=(2, 3)), tiled.noise(2, 40, 30)
    counts = (plane * 1000).astype(np.uint16)

    def transform(tile):
        return tile.astype(np.float32) / 1000

    scaled = tiled.predict(network, counts, 8, transform=transform)
    tiled.assert_same(scaled, tiled.predict(network, transform(counts), tiled.WHOLE))


def test_nan_pixels_do_not_spread(tiled):
    plane = tiled.noise(1, 30, 30)
    plane[0, 3, 3] = np.nan
    assert np.isfinite(tiled.predict(tiled.NETWORKS["two levels"], plane, 8)).all()


def test_sigmoid_is_the_default_and_lies_between_zero_and_one(tiled):
    plane = tiled.noise(1, 20, 20)
    logits = tiled.predict(tiled.NETWORKS["stem"], plane, tiled.WHOLE)
    probability = tiled.predictor(tiled.NETWORKS["stem"], tiled.WHOLE).predict(plane)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logits)), atol=1e-6)
    assert probability.dtype == np.float32


def test_only_small_parts_of_a_lazy_plane_are_read(tiled):
    class Lazy:
        shape, dtype = (1, 400, 300), np.dtype(np.uint8)
        largest = 0

        def __getitem__(self, index):
            part = np.broadcast_to(np.uint8(3), self.shape)[index]
            Lazy.largest = max(Lazy.largest, part.size)
            return part

    runner = tiled.predictor(tiled.NETWORKS["two levels"], 32)
    assert runner.predict(Lazy()).shape == (2, 400, 300)
    assert Lazy.largest <= (32 + 2 * runner.geometry.halo) ** 2


def test_the_result_can_go_into_a_memmap_or_zarr(tiled, tmp_path):
    zarr = pytest.importorskip("zarr")
    plane = tiled.noise(1, 50, 40)
    expected = tiled.predictor(tiled.NETWORKS["stem"], 8).predict(plane)
    mapped = np.memmap(tmp_path / "out", np.float32, "w+", shape=expected.shape)
    stored = zarr.create_array(
        str(tmp_path / "out.zarr"), shape=expected.shape, chunks=(1, 16, 16), dtype="float32"
    )
    source = zarr.create_array(
        str(tmp_path / "in.zarr"), shape=plane.shape, chunks=(1, 16, 16), dtype="float32"
    )
    source[...] = plane
    for out in (mapped, stored):
        assert tiled.predictor(tiled.NETWORKS["stem"], 8).predict(source, out=out) is out
        np.testing.assert_array_equal(out[...], expected)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_one_activation_for_each_channel_is_that_activation_for_all(tiled, activation):
    plane, runner = tiled.noise(1, 40, 40), tiled.predictor(tiled.NETWORKS["stem"], 16)
    expected = runner.predict(plane, activation=activation)
    result = runner.predict(plane, activation=[activation, activation])
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_each_channel_has_its_own_activation(tiled, precision):
    plane, runner = (
        tiled.noise(1, 40, 40),
        tiled.predictor(tiled.NETWORKS["stem"], 16, precision=precision),
    )
    logits = runner.predict(plane, activation="linear")
    for first, second in (("sigmoid", "linear"), ("linear", "sigmoid")):
        result = runner.predict(plane, activation=[first, second])
        for name, values, raw in zip((first, second), result, logits, strict=True):
            if name == "linear":
                np.testing.assert_array_equal(values, raw)
            else:  # in float32, whatever the network ran in
                np.testing.assert_allclose(values, 1 / (1 + np.exp(-raw)), rtol=1e-6)


def test_an_activation_never_reaches_the_image(tiled):
    plane = tiled.noise(2, 8, 8)
    kept = plane.copy()
    result = tiled.predictor(nn.Identity(), 8, 2).predict(plane, activation=["sigmoid", "linear"])
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
def test_what_does_not_fit_is_refused_with_a_sentence(tiled, plane, keywords):
    with pytest.raises(InputError):
        tiled.predictor(tiled.NETWORKS["stem"], 8).predict(plane, **keywords)


def test_impossible_settings_are_refused_with_a_sentence(tiled, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for settings_ in ({"device": "cuda"}, {"device": "tpu"}, {"precision": "float8"}):
        with pytest.raises(InputError, match="Choose"):
            tiled.predictor(tiled.NETWORKS["stem"], 8, **settings_)
    with pytest.raises(InputError, match="tile"):
        tiled.predictor(tiled.NETWORKS["stem"], 0)


# -- progress and cancelling ---------------------------------------------------------------


def test_progress_counts_every_tile_up_to_the_total(tiled):
    calls = []
    runner = tiled.predictor(tiled.NETWORKS["two levels"], 16)
    runner.predict(tiled.noise(1, 60, 60), progress=lambda *call: calls.append(call[:2]))
    total = calls[0][1]
    assert calls == [(done, total) for done in range(total + 1)]


def test_cancelling_stops_before_the_next_tile_and_leaves_no_state_behind(tiled):
    runner, plane = tiled.predictor(tiled.NETWORKS["two levels"], 16), tiled.noise(1, 60, 60)
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
        runner.predict(plane), tiled.predictor(tiled.NETWORKS["two levels"], 16).predict(plane)
    )


def test_the_callers_network_is_never_changed(tiled):
    network = tiled.unet(widths=(2, 3)).train()
    before = copy.deepcopy(network.state_dict())
    tiled.predict(network, tiled.noise(1, 20, 20), 8)
    assert network.training
    assert all(part.training for part in network.modules())
    assert all(weights.requires_grad for weights in network.parameters())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


# -- folding -------------------------------------------------------------------------------


def test_batchnorms_are_folded_away_in_the_copy_only(tiled):
    network = tiled.unet(widths=(2, 3))
    runner = tiled.predictor(network, 8)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in runner._network.modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_a_convolution_that_is_also_used_elsewhere_is_not_folded_wrongly(tiled):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)
            self.norm.running_var.fill_(9.0)

        def forward(self, x):
            x = self.convolution(x)
            return self.norm(x) + x

    network, plane = Shared().eval(), tiled.noise(1, 12, 12)
    with torch.inference_mode():
        expected = network(torch.from_numpy(plane)[None])[0].numpy()
    tiled.assert_same(tiled.predict(network, plane, tiled.WHOLE), expected)


def test_transform_sees_the_pixels_before_the_padding(tiled):
    seen = []

    def transform(tile):
        seen.append(tile.shape)
        return Scaling(0, 1).apply(tile)

    tiled.predict(
        tiled.NETWORKS["three levels"], tiled.noise(1, 5, 3), tiled.WHOLE, transform=transform
    )
    assert seen == [(1, 5, 3)]
