"""A folder of phantom nuclei and a recipe that trains on it in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch

from napari_cytosynth.phantoms import fluorescent_nuclei
from napari_cytosynth.training.recipe import Recipe
from napari_cytosynth.training.stain_recipe import StainRecipe
from napari_cytosynth.zoo.files import load_network

if TYPE_CHECKING:
    from pathlib import Path


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


def write_pair(folder: Path, name: str, seed: int, size: tuple[int, int] = (40, 48)) -> None:
    """Write dark blobs on a bright background, and as two stains where the blobs are."""
    random = np.random.default_rng(seed)
    middles = random.integers(0, size, (9, 2))
    places = np.stack(np.indices(size), axis=-1)[:, :, None]
    inside = (np.linalg.norm(places - middles, axis=-1) < 4).any(-1).astype(np.float32)
    texture = random.normal(0, 0.02, size)
    phase = 20000 * (1 - 0.3 * inside + texture)
    stains = np.stack([500 + 4000 * inside, 100 + 700 * inside]) * (1 + texture)
    for part, image in (("phase", phase), ("fluorescence", stains)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / part / f"{name}.tif", image.astype(np.uint16))


@pytest.fixture(scope="session")
def pair_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four fields of a transmitted-light image and two stains, as multi-page TIFF files."""
    folder = tmp_path_factory.mktemp("pairs")
    for seed, name in enumerate(("a1", "a2", "b1", "b2")):
        write_pair(folder, name, seed)
    return folder


@pytest.fixture(scope="session")
def make_stain_recipe():
    """Return a function that makes a tiny recipe; a keyword is a section and what to change."""

    def make(*, adversarial: dict[str, object] | None = None, **changes: dict) -> StainRecipe:
        network: dict[str, object] = {
            "architecture": "UNet",
            "arguments": {"widths": [4, 8], "dropout": 0.2, "dropout_at": "last"},
        }
        if adversarial is not None:
            arguments = {"width": 4, "downsamplings": 1, "global_blocks": 1, "local_blocks": 1}
            network = {"architecture": "Pix2PixHD", "arguments": arguments | {"dropout": 0.2}}
            adversarial = {"width": 4, "layers": 1, "scales": 2} | adversarial
        sections: dict[str, dict] = {
            "data": {
                "target_channels": ["DNA", "AGP"],
                "normalisation": {"kind": "local", "sigma": 8, "std": 0.1},
                "split": {"kind": "last", "count": 1},
                "crop_size": 32,
                "crops_per_epoch": 16,
            },
            "network": network,
            "loss": {"ms_ssim": 0},
            "train": {
                "max_epochs": 2,
                "batch_size": 4,
                "warmup_steps": 1,
                "learning_rate": 0.01,
                "ema": 0.5,
                "accelerator": "cpu",
            },
        }
        for section, values in changes.items():
            sections[section] = sections.get(section, {}) | values
        tree = {"name": "tiny", "modality": "phase contrast", "adversarial": adversarial}
        return StainRecipe.model_validate(tree | sections)

    return make


@pytest.fixture(scope="session")
def logged():
    """Return a function that reads what a run wrote to TensorBoard: scalars, and image names."""

    def read(out: Path) -> tuple[dict[str, list[float]], list[str]]:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        board = EventAccumulator(str(out / "tensorboard"))
        board.Reload()
        tags = board.Tags()
        return {tag: [e.value for e in board.Scalars(tag)] for tag in tags["scalars"]}, tags[
            "images"
        ]

    return read


@pytest.fixture(scope="session")
def weights_of():
    """Return a function that puts all tensors of an exported model into one."""

    def flatten(folder: Path) -> torch.Tensor:
        network, _ = load_network(folder)
        return torch.cat([value.flatten().float() for value in network.state_dict().values()])

    return flatten
