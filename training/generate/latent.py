"""First stage of latent diffusion: the autoencoder's training, and images encoded once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.models import build_network
from napari_cytosynth.training.loop.precision import latents_in_bfloat16, run_precision
from napari_cytosynth.training.recipe.base import NetworkRecipe
from napari_cytosynth.training.task import FirstStage

from .data import GenerateData, GenerateDataset, Item
from .recipe import GenerateRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.models.latent import Autoencoder, LatentDiffusion

__all__ = [
    "LatentData",
    "LatentDataset",
    "autoencoder_folder",
    "autoencoder_recipe",
    "first_stage",
    "load_autoencoder",
    "with_autoencoder",
]

_BATCH = 8
_SCALE_CROPS = 64


def autoencoder_folder(out: Path) -> Path:
    """Return the run folder of the first stage."""
    return out / "autoencoder"


def autoencoder_recipe(recipe: GenerateRecipe) -> GenerateRecipe:
    """Return the recipe of the first stage."""
    stage = recipe.autoencoder
    assert stage is not None
    hardware = {key: getattr(recipe.train, key) for key in ("accelerator", "devices", "num_nodes")}
    data = {
        "crop_size": stage.crop_size,
        "crops_per_epoch": stage.crops_per_epoch,
        "condition_on_fraction": False,
        "conditional": False,
    }
    arguments = recipe.network.arguments.get("autoencoder", {})
    if not isinstance(arguments, dict):
        raise RecipeError("network.arguments.autoencoder should be a block of settings.")
    network = NetworkRecipe(architecture="Autoencoder", arguments=arguments)
    changed = {
        "name": f"{recipe.name}-autoencoder",
        "data": recipe.data.model_copy(update=data),
        "network": network,
        "objective": stage.objective,
        "autoencoder": None,
        "rounds": [],
        "train": stage.train.model_copy(update=hardware),
    }
    return GenerateRecipe.model_validate({**recipe.model_dump(), **_dumped(changed)})


def first_stage(recipe: GenerateRecipe, out: Path) -> FirstStage:
    """Return the stage that trains the autoencoder before the denoiser.

    Parameters
    ----------
    recipe
        Of a latent diffusion model.
    out
        Run folder of the whole; that of the first stage is in it.
    """
    stage = autoencoder_recipe(recipe)

    def check(data_dir: Path) -> None:
        GenerateData(recipe, data_dir).setup("fit")  # the denoiser crops the same images otherwise

    def finish(data_dir: Path) -> GenerateRecipe:
        return with_autoencoder(recipe, GenerateData(stage, data_dir), out)

    return FirstStage(stage, autoencoder_folder(out), check, finish)


def _dumped(values: dict[str, object]) -> dict[str, object]:
    return {k: v.model_dump() if hasattr(v, "model_dump") else v for k, v in values.items()}


def _trained(recipe: GenerateRecipe, out: Path) -> Autoencoder:
    network: Autoencoder = build_network(  # type: ignore[assignment]
        "Autoencoder", autoencoder_recipe(recipe).network_arguments
    )
    best = autoencoder_folder(out) / "best.pt"
    state = torch.load(best, weights_only=True, map_location="cpu")
    network.load_state_dict(state["average"])
    return network.eval()


def with_autoencoder(recipe: GenerateRecipe, data: GenerateData, out: Path) -> GenerateRecipe:
    """Return the recipe with ``latent_scale``: one over the standard deviation of the latents.

    Parameters
    ----------
    recipe
        Of the latent diffusion model.
    data
        Of the first stage.
    out
        Run folder that the first stage's folder is in.
    """
    autoencoder = _trained(recipe, out)
    images = torch.from_numpy(data.crops("train", _SCALE_CROPS).images)
    with torch.inference_mode():
        latents = torch.cat([autoencoder.encode(part)[0] for part in torch.split(images, _BATCH)])
    scale = round(1 / float(latents.std()), 6)
    arguments = {**recipe.network.arguments, "latent_scale": scale}
    network = recipe.network.model_copy(update={"arguments": arguments})
    return recipe.model_copy(update={"network": network})


def load_autoencoder(network: LatentDiffusion, out: Path) -> None:
    """Load the trained autoencoder into the latent diffusion network."""
    state = torch.load(autoencoder_folder(out) / "best.pt", weights_only=True, map_location="cpu")
    network.autoencoder.load_state_dict(state["average"])


class LatentDataset(Dataset[Item]):
    """Latents of crops that were encoded once, the same in every epoch."""

    def __init__(
        self, latents: torch.Tensor, properties: list[tuple[torch.Tensor, torch.Tensor]]
    ) -> None:
        self.latents, self.properties = latents, properties
        self.seed = self.epoch = 0

    def __len__(self) -> int:
        """Return the number of crops in one epoch."""
        return len(self.latents)

    def __getitem__(self, index: int) -> Item:
        """Return the (L, y, x) latents of a crop, its class, and its conditions."""
        return self.latents[index].float(), *self.properties[index]


class LatentData(GenerateData):
    """Data of latent diffusion: :class:`~.data.GenerateData` in latents of the first stage."""

    def __init__(self, recipe: GenerateRecipe, data_dir: Path, out: Path) -> None:
        super().__init__(recipe, data_dir)
        self.out = out

    def prepare_network(self, network: Any) -> None:
        """Load the trained autoencoder into the latent diffusion network."""
        load_autoencoder(network, self.out)

    def setup(self, stage: str) -> None:
        """Read the images into memory and encode crops of them, once."""
        if self.dataset is not None:
            return
        assert self.recipe.autoencoder is not None
        network = _trained(self.recipe, self.out)
        scale = float(self.recipe.network.arguments["latent_scale"])
        train, held_out = self.part("train"), self.part("validation")
        first = [autoencoder_folder(self.out)]
        half = latents_in_bfloat16(run_precision(self.recipe.train, self.out, first))
        dataset = _encoded(network, scale, train, self.recipe.autoencoder.latents, half)
        dataset.seed = self.recipe.train.seed
        self.dataset = dataset
        shown = _encoded(network, scale, held_out, self.recipe.data.validation_crops, half)
        self.validation = [shown[index] for index in range(len(shown))]


def _encoded(
    network: Autoencoder, scale: float, crops: GenerateDataset, count: int, half: bool
) -> LatentDataset:
    latents, properties = [], []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        for start in range(0, count, _BATCH):
            items = [crops[index] for index in range(start, min(start + _BATCH, count))]
            mean, _ = network.encode(torch.stack([image for image, _, _ in items]))
            latents.append((mean.float() * scale).half())
            properties += [(label, condition) for _, label, condition in items]
    return LatentDataset(torch.cat(latents).clone(), properties)
