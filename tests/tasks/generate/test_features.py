from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_cytosynth.errors import ModelError
from napari_cytosynth.tasks.generate.features import load_features
from napari_cytosynth.zoo.model_files import save_model

if TYPE_CHECKING:
    from pathlib import Path


def test_the_bundled_segmenter_describes_images() -> None:
    features = load_features(device="cpu")
    assert features.name == "fluo-nuclei-unet"
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
