from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_cytosynth.errors import InputError, ModelError
from napari_cytosynth.inference.features import (
    Reference,
    encoder_features,
    is_script,
    script_features,
)
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.card import Normalisation

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def features(make_model):
    model = make_model()
    return encoder_features(model.network, Normalisation(), "tiny", "cpu")


def images(count: int = 5, channels: int = 2, size: int = 15) -> np.ndarray:
    return np.random.default_rng(0).random((count, channels, size, size), np.float32)


def test_every_channel_is_described_by_itself(features) -> None:
    both = images()
    found = features.embed(both)
    assert found.shape == (5, 2 * 12)  # the two levels of 4 and 8 channels
    assert found.dtype == np.float32
    for channel in (0, 1):
        alone = features.embed(both[:, channel : channel + 1])
        np.testing.assert_allclose(
            alone, found[:, 12 * channel : 12 * channel + 12], rtol=0, atol=1e-6
        )
    assert features.embed(both[:0]).shape == (0, 24)


def test_a_dim_image_is_not_the_same_as_a_bright_one(features) -> None:
    bright = images()
    assert np.abs(features.embed(bright) - features.embed(bright / 4)).max() > 1e-3


def test_the_same_features_whatever_the_batch(features, monkeypatch) -> None:
    whole = features.embed(images())
    monkeypatch.setattr("napari_cytosynth.inference.features._PIXELS_AT_ONCE", 500)
    np.testing.assert_allclose(features.embed(images()), whole, rtol=0, atol=1e-6)


def test_every_normalisation_becomes_one_map_for_all_images(make_model) -> None:
    network, pixels = make_model().network, images(channels=1, size=16)

    def embed(**kind: object) -> np.ndarray:
        return encoder_features(network, Normalisation(**kind), "tiny", "cpu").embed(pixels)

    wanted = torch.from_numpy(pixels) * 4 - 2
    deepest = network.encode(wanted)[-1].mean(dim=(2, 3)).detach().numpy()
    for found in (embed(kind="zscore"), embed(kind="fixed", mean=0.5, std=0.25)):
        np.testing.assert_allclose(found[:, 4:], deepest, rtol=0, atol=1e-5)
    with pytest.raises(ModelError, match="nuclei-encoder"):
        embed(kind="local")


def test_what_cannot_be_described_is_refused(features, make_model) -> None:
    with pytest.raises(InputError, match="axes"):
        features.embed(images()[0])
    with pytest.raises(InputError, match="not numbers"):
        features.embed(np.full((1, 1, 16, 16), np.nan))
    two = make_model(input_channels=["grey", "red"])
    with pytest.raises(ModelError, match="one input channel"):
        encoder_features(two.network, Normalisation(), "two", "cpu")
    other = build_network("BetaVAE", {"size": 16, "latent": 4, "widths": [4, 4]})
    with pytest.raises(ModelError, match="U-Net"):
        encoder_features(other, Normalisation(), "vae", "cpu")


class MeanColour(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))


def test_a_foreign_extractor_is_named_on_the_result(tmp_path: Path) -> None:
    path = tmp_path / "colour.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(MeanColour(), torch.rand(1, 3, 4, 4)).save(path)
    assert is_script(str(path))
    assert not is_script("fluo-nuclei-unet")
    features = script_features(str(path), "cpu")
    assert features.name.startswith("colour (")
    pixels = images(count=3)
    found = features.embed(pixels)
    assert found.shape == (3, 6)
    # resampled, so that the border weighs a little more
    np.testing.assert_allclose(found[:, 3], pixels[:, 1].mean(axis=(1, 2)), atol=0.02)


def test_a_file_that_is_no_extractor(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"no zip file")
    for name in ("broken.pt", "missing.pt"):
        with pytest.raises(ModelError, match="TorchScript"):
            script_features(str(tmp_path / name), "cpu")


def test_nearest_training_image_survives_storing() -> None:
    random = np.random.default_rng(1)
    features = random.normal(3, 1, (60, 40)).astype(np.float32)
    index = np.arange(240, dtype=np.int32).reshape(60, 4)
    reference = Reference.from_features(features, index, keep=40)
    again = Reference.from_tensors(reference.tensors())
    assert again is not None
    np.testing.assert_array_equal(again.embeddings, reference.embeddings)
    np.testing.assert_array_equal(again.index, index)
    shifted = features[[7, 50]]
    shifted[:, 0] += 0.5
    distance, nearest = again.nearest(shifted)
    assert nearest.tolist() == [7, 50]
    np.testing.assert_allclose(distance, 0.5, atol=0.02)


def test_few_components_keep_the_order_of_distances() -> None:
    random = np.random.default_rng(2)
    low = random.normal(0, 1, (50, 3)) @ random.normal(0, 1, (3, 200))
    features = (low + random.normal(0, 0.01, low.shape)).astype(np.float32)
    reference = Reference.from_features(features, keep=4)
    assert reference.embeddings.shape == (50, 4)
    distance, nearest = reference.nearest(features[:5])
    assert nearest.tolist() == [0, 1, 2, 3, 4]
    assert distance.max() < 0.3


def test_features_of_other_channels_are_refused() -> None:
    reference = Reference.from_features(np.random.default_rng(0).random((9, 6), np.float32))
    with pytest.raises(InputError, match="12 features"):
        reference.nearest(np.zeros((2, 12), np.float32))
    assert Reference.from_tensors({}) is None
