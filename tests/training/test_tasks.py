"""Each task is a record; a family of networks is added by a file, a name, a line and a recipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import yaml

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import RecipeError
from napari_cytosynth.models import ARCHITECTURES
from napari_cytosynth.training.generate.families import Family
from napari_cytosynth.training.loop.module import NetworkModule
from napari_cytosynth.training.recipe.files import list_recipes
from napari_cytosynth.training.run.fit import train
from napari_cytosynth.training.run.recipe_check import check_recipe
from napari_cytosynth.training.tasks import TASKS, load_recipe, task_of

if TYPE_CHECKING:
    from pathlib import Path

_NETWORKS = """
import torch
from torch import nn


class ToyNet(nn.Module):
    def __init__(self, in_channels, out_channels, width=4):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, out_channels, 1),
        )

    def forward(self, x):
        return self.layers(x)


class ToyVAE(nn.Module):
    def __init__(self, channels, size, latent=3):
        super().__init__()
        self.channels, self.size, self.latent = channels, size, latent
        self.encoder = nn.Linear(channels * size * size, 2 * latent)
        self.decoder = nn.Linear(latent, channels * size * size)

    def decode(self, z):
        return torch.tanh(self.decoder(z)).view(-1, self.channels, self.size, self.size)

    def forward(self, x):
        mean, log_variance = self.encoder(x.flatten(1)).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decode(z), mean, log_variance
"""
_TRAIN = {"max_epochs": 1, "batch_size": 4, "warmup_steps": 0, "accelerator": "cpu"}


@pytest.fixture
def toy_families(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy_networks.py").write_text(_NETWORKS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(ARCHITECTURES, "ToyNet", "toy_networks:ToyNet")
    monkeypatch.setitem(ARCHITECTURES, "ToyVAE", "toy_networks:ToyVAE")
    yield
    sys.modules.pop("toy_networks", None)


def _trained(tmp_path: Path, folder: Path, **tree: object) -> Path:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(yaml.safe_dump({"name": "toy", "train": _TRAIN, **tree}), encoding="utf-8")
    return train(load_recipe(str(recipe)), folder, tmp_path / "run")


@pytest.mark.usefixtures("toy_families")
def test_a_new_network_segments(tmp_path, nuclei_folder):
    folder = _trained(
        tmp_path,
        nuclei_folder,
        network={"architecture": "ToyNet", "arguments": {"width": 3}},
        data={
            "targets": [{"folder": "labels", "kind": "labels"}],
            "split": {"kind": "last", "count": 1},
            "crop_size": 32,
            "crops_per_epoch": 8,
        },
    )
    image = tifffile.imread(nuclei_folder / "image" / "00.tif")
    result = cytosynth.segment(image, model=folder)
    assert result.probability.shape == image.shape
    assert result.provenance["model"]["name"] == "toy"


@pytest.mark.usefixtures("toy_families")
def test_a_new_network_stains(tmp_path, pair_folder):
    folder = _trained(
        tmp_path,
        pair_folder,
        task="stain",
        network={"architecture": "ToyNet"},
        loss={"ms_ssim": 0},
        data={
            "target_channels": ["DNA", "AGP"],
            "split": {"kind": "last", "count": 1},
            "crop_size": 32,
            "crops_per_epoch": 8,
        },
    )
    image = tifffile.imread(pair_folder / "phase" / "a1.tif")
    result = cytosynth.stain(image, model=folder, samples=0)
    assert tuple(result.channels) == ("DNA", "AGP")
    assert result.mean.shape == (2, *image.shape)


_IMAGES = {
    "parts": {"train": ["image"], "validation_names": ["4", "5"]},
    "channels": ["nuclei"],
    "crop_size": 16,
    "crops_per_epoch": 8,
    "validation_crops": 4,
}


@pytest.mark.usefixtures("toy_families")
def test_a_new_network_generates_by_one_line_in_the_record(tmp_path, generator_folder, monkeypatch):
    tree = {
        "task": "generate",
        "network": {"architecture": "ToyVAE", "arguments": {"latent": 2}},
        "objective": {"kind": "vae"},
        "data": _IMAGES,
    }
    with pytest.raises(RecipeError, match="the objective vae trains"):
        _trained(tmp_path, generator_folder, **tree)
    monkeypatch.setitem(TASKS["generate"].families, "ToyVAE", Family("vae", "vae"))
    folder = _trained(tmp_path, generator_folder, **tree)
    made = cytosynth.generate(folder, count=3, seed=5)
    assert made.images.shape == (3, 1, 16, 16)
    again = cytosynth.generate(folder, count=1, seed=6)
    np.testing.assert_array_equal(again.images[0], made.images[1])


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_finds_all_it_needs_in_its_record(name):
    recipe = load_recipe(name)
    task = task_of(recipe)
    assert type(recipe) is task.recipe
    assert issubclass(task.objectives[recipe.objective_name](), NetworkModule)
    names = task.score_names(recipe, 10)
    assert {name.rpartition(": ")[2].partition(", ")[0] for name in names} <= {
        figure.partition(", ")[0] for figure in task.directions
    }
    check_recipe(recipe)
