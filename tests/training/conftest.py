"""A folder of phantom nuclei and a recipe that trains on it in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch

from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.training.generate.recipe import GenerateRecipe
from napari_cytosynth.training.segment.recipe import SegmentRecipe
from napari_cytosynth.training.stain.recipe import StainRecipe
from napari_cytosynth.zoo.model_files import load_network

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


@pytest.fixture(scope="session")
def make_recipe():
    def make(kind: str = "mask", **train: object) -> SegmentRecipe:
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
        return SegmentRecipe.model_validate(
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


@pytest.fixture(scope="session")
def generator_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images of bright blobs with their masks, in the folders image and mask."""
    folder = tmp_path_factory.mktemp("blobs")
    for part in ("image", "mask"):
        (folder / part).mkdir()
    for seed in range(6):
        phantom = fluorescent_nuclei((64, 72), count=6, seed=seed)
        tifffile.imwrite(folder / "image" / f"{seed}.tif", phantom.image)
        mask = (phantom.labels > 0).astype(np.uint8) * 255
        tifffile.imwrite(folder / "mask" / f"{seed}.tif", mask)
    return folder


_DENOISER = {
    "width": 8,
    "dim_mults": [1, 2],
    "blocks": 1,
    "expansion": 2,
    "kernel": 3,
    "attention": "none",
    "time_widths": [8, 16],
}
_TINY_GENERATORS: dict[str, dict[str, object]] = {
    "vae": {
        "network": {"architecture": "BetaVAE", "arguments": {"latent": 4, "widths": [4, 8]}},
        "objective": {"kind": "vae", "beta": 0.01},
    },
    "gan": {
        "network": {"architecture": "WGAN", "arguments": {"latent": 4, "widths": [4, 8]}},
        "objective": {"kind": "gan", "critic_steps": 2, "critic_widths": [4, 8]},
    },
    "diffusion": {
        "network": {"architecture": "DiffusionUNet", "arguments": _DENOISER},
        "objective": {"kind": "diffusion", "steps": 20, "sampling_steps": 4},
    },
    "latent": {
        "network": {
            "architecture": "LatentDiffusion",
            "arguments": {
                "autoencoder": {"widths": [4, 4], "latent_channels": 2, "groups": 2},
                "denoiser": _DENOISER,
            },
        },
        "objective": {"kind": "diffusion", "steps": 20, "sampling_steps": 4},
        "autoencoder": {
            "crop_size": 16,
            "crops_per_epoch": 16,
            "latents": 16,
            "train": {"max_epochs": 2, "batch_size": 4, "accelerator": "cpu", "ema": 0.5},
        },
    },
}


@pytest.fixture(scope="session")
def make_generate_recipe():
    """Return a function that makes a tiny recipe of a family; keywords change its sections."""

    def make(family: str = "diffusion", **changes: dict) -> GenerateRecipe:
        sections: dict[str, dict] = {
            "data": {
                "parts": {"train": ["image"], "validation_names": ["4", "5"]},
                "channels": ["nuclei"],
                "crop_size": 16,
                "crops_per_epoch": 16,
                "validation_crops": 8,
            },
            "train": {
                "max_epochs": 2,
                "batch_size": 4,
                "warmup_steps": 1,
                "learning_rate": 0.01,
                "ema": 0.5,
                "accelerator": "cpu",
            },
            **_TINY_GENERATORS[family],  # type: ignore[dict-item]
        }
        for section, values in changes.items():
            sections[section] = sections.get(section, {}) | values
        return GenerateRecipe.model_validate({"name": "tiny", "task": "generate", **sections})

    return make
