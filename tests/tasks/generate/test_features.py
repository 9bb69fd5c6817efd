from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_cytosynth.errors import ChecksumError, ModelError
from napari_cytosynth.tasks.generate.features import (
    DEFAULT_EXTRACTOR,
    FORMER_ENCODERS,
    card_features,
    load_features,
)
from napari_cytosynth.zoo import bundled
from napari_cytosynth.zoo.catalogue import find_entry
from napari_cytosynth.zoo.model_files import save_model

if TYPE_CHECKING:
    from pathlib import Path

FIRST = {  # every 32nd feature of the waves, by the encoder of a segmenter's first weights
    "fluo-nuclei-unet": [
        [0.02779, 0.70881, 0.28033, 0.21793, 0.83909, 0.12768, 0.62699],
        [0.03618, 0.58833, 0.35487, 0.24585, 0.77109, 0.12797, 0.54903],
    ],
    "em-mitochondria-unet": [  # rounded to 8 bits
        [0.00529, 0.44540, 0.09136, 0.97573, 0, 0, 0, 0.11109, 0, 0.20927, 0, 0.28007],
        [0.01187, 0.71966, 0.22911, 1.09699, 0, 0, 0, 0.06395, 0, 0.13986, 0, 0.29700],
    ],
}
AT_16_BITS = [  # of the same, before
    [0.00526, 0.44233, 0.09145, 0.97659, 0, 0, 0, 0.10970, 0, 0.20871, 0, 0.27962],
    [0.01177, 0.71647, 0.23002, 1.09911, 0, 0, 0, 0.06339, 0, 0.13982, 0, 0.29698],
]


def waves(scale: float = 1.0) -> np.ndarray:
    """Two images (2, 1, 64, 64) that depend on no random numbers and no phantom."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    wave = (1 + np.sin(y / 5) * np.cos(x / 9)) / 2
    return scale * np.stack([wave, wave**2])[:, None]


@pytest.mark.parametrize("segmenter", FIRST)
def test_the_features_that_published_distances_were_measured_in_stay(segmenter: str) -> None:
    encoder, wanted = FORMER_ENCODERS[segmenter], FIRST[segmenter]
    features = load_features(encoder, "cpu")
    assert features.name == encoder
    np.testing.assert_allclose(features.embed(waves())[:, ::32], wanted, rtol=1e-3, atol=2e-5)
    other = features.embed(waves(0.98))[:, ::32]  # a little dimmer is already told apart
    assert not np.allclose(other, wanted, rtol=1e-3, atol=2e-5)


def test_8_bits_hardly_change_the_features_that_distances_were_measured_in() -> None:
    change = np.linalg.norm(np.subtract(FIRST["em-mitochondria-unet"], AT_16_BITS), axis=1)
    assert np.all(change < 0.005 * np.linalg.norm(AT_16_BITS, axis=1))


@pytest.mark.parametrize(("segmenter", "encoder"), FORMER_ENCODERS.items())
@pytest.mark.parametrize("form", ["{}", "napari-cytosynth/{}"])
def test_a_card_means_the_encoder_that_was_kept(segmenter: str, encoder: str, form: str) -> None:
    assert card_features(form.format(segmenter), "any", "cpu").name == encoder
    assert card_features(form.format(encoder), "any", "cpu").name == encoder
    assert load_features(segmenter, "cpu").name == segmenter  # what the user chooses is used


def test_encoders_are_models_of_their_own() -> None:
    assert DEFAULT_EXTRACTOR in FORMER_ENCODERS.values()
    for segmenter, encoder in FORMER_ENCODERS.items():
        entry, kept = find_entry(segmenter), find_entry(encoder)
        assert entry is not None
        assert kept is not None
        assert (entry.task, kept.task) == ("segment", "encode")
        assert kept.sha256 is not None


def test_other_weights_in_the_place_of_an_encoder_are_noticed(
    tmp_path: Path, tiny_model, monkeypatch
) -> None:
    weights = tmp_path / "weights"
    save_model(weights / "nuclei-encoder", tiny_model.network, tiny_model.card)
    shutil.copy(bundled.weights_folder() / "index.json", weights)
    monkeypatch.setattr(bundled, "weights_folder", lambda: weights)
    with pytest.raises(ChecksumError, match="“nuclei-encoder”"):
        card_features("nuclei-encoder", "any", "cpu")


def test_a_segmenter_that_is_trained_again_changes_no_distance(
    tmp_path: Path, tiny_model, monkeypatch
) -> None:
    before = card_features("fluo-nuclei-unet", "any", "cpu").embed(waves())
    ours, weights = bundled.weights_folder(), tmp_path / "weights"
    shutil.copytree(ours / "nuclei-encoder", weights / "nuclei-encoder")
    shutil.copy(ours / "index.json", weights)
    again = save_model(weights / "fluo-nuclei-unet", tiny_model.network, tiny_model.card)
    monkeypatch.setattr(bundled, "weights_folder", lambda: weights)
    after = card_features("fluo-nuclei-unet", "any", "cpu").embed(waves())
    np.testing.assert_array_equal(after, before)
    assert load_features(again, "cpu").embed(waves()).shape != before.shape  # what it would be


def test_the_default_extractor_describes_images() -> None:
    features = load_features(device="cpu")
    assert features.name == "nuclei-encoder"
    assert features.embed(np.zeros((1, 2, 32, 32))).shape == (1, 2 * (96 + 128))


def test_a_folder_or_a_lone_file_of_a_model(tmp_path: Path, tiny_model) -> None:
    folder = save_model(tmp_path / "tiny", tiny_model.network, tiny_model.card)
    image = np.random.default_rng(0).random((1, 1, 16, 16))
    found = [
        load_features(str(place), "cpu").embed(image)
        for place in (folder, folder / "model.safetensors")
    ]
    np.testing.assert_array_equal(*found)


def test_a_missing_script_is_said_to_be_missing() -> None:
    with pytest.raises(ModelError, match="TorchScript"):
        load_features("/nowhere/inception.pt")
