"""A folder of phantom nuclei and a recipe that trains on it in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tifffile

from napari_cytosynth.training.recipe import Recipe

if TYPE_CHECKING:
    from pathlib import Path

from napari_cytosynth.phantoms import fluorescent_nuclei


@pytest.fixture(scope="session")
def nuclei_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nuclei")
    for name in ("image", "labels", "mask"):
        (folder / name).mkdir()
    for seed in range(4):
        phantom = fluorescent_nuclei((96, 112), count=8, seed=seed)
        tifffile.imwrite(folder / "image" / f"{seed:02d}.tif", phantom.image)
        tifffile.imwrite(folder / "labels" / f"{seed:02d}.tif", phantom.labels.astype("uint16"))
        mask = (phantom.labels > 0).astype("uint8") * 255
        tifffile.imwrite(folder / "mask" / f"{seed:02d}.tif", mask)
    return folder


@pytest.fixture
def make_recipe():
    def make(kind: str = "mask", **train: object) -> Recipe:
        folder = "labels" if kind == "labels" else "mask"
        settings = {
            "max_epochs": 2,
            "batch_size": 4,
            "warmup_steps": 1,
            "learning_rate": 0.01,
            "ema": 0.5,
            "accelerator": "cpu",
            **train,
        }
        return Recipe.model_validate(
            {
                "name": "tiny",
                "data": {
                    "targets": [{"folder": folder, "kind": kind}],
                    "split": {"kind": "last", "count": 1},
                    "crop_size": 32,
                    "crops_per_epoch": 16,
                },
                "network": {"arguments": {"widths": [4, 8]}},
                "train": settings,
            }
        )

    return make
