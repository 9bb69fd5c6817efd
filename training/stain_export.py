"""From the best checkpoint of a stainer to the three-file format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from napari_cytosynth.errors import ModelError
from napari_cytosynth.inference.geometry import network_geometry
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.card import Inference, ModelCard
from napari_cytosynth.zoo.files import save_model

from .export import training_record
from .segmentation import network_arguments

if TYPE_CHECKING:
    from pathlib import Path

    from .stain_data import StainData
    from .stain_module import StainModule
    from .stain_recipe import StainRecipe

__all__ = ["export_stainer"]


def _geometry(network: torch.nn.Module, channels: int) -> tuple[int, int]:
    """Return (stride, radius); the radius is 0 for a network that sees the whole image."""
    try:
        geometry = network_geometry(network, channels)
    except ModelError:
        return int(getattr(network, "total_stride", 1)), 0
    return geometry.stride, geometry.radius


def _inference(recipe: StainRecipe, network: torch.nn.Module, data: StainData) -> Inference:
    arguments = network_arguments(recipe)
    stride, radius = _geometry(network, len(recipe.data.input_channels))
    return Inference(
        task="stain",
        input_channels=recipe.data.input_channels,
        output_channels=recipe.output_channels,
        pixel_size_um=recipe.card.pixel_size_um,
        normalisation=recipe.data.normalisation,
        activation="linear",
        total_stride=stride,
        receptive_radius=radius,
        norm=arguments.get("norm", "batch"),
        dropout=float(arguments.get("dropout", 0.0)),
        objects=recipe.card.objects,
        modality=recipe.modality,
        input_quantiles=data.quantiles,
        output_scaling=data.scaling,
        output_unit=recipe.data.unit,
        example_size=(recipe.data.crop_size, recipe.data.crop_size),
    )


def export_stainer(
    recipe: StainRecipe,
    module: StainModule,
    data: StainData,
    checkpoint: Path,
    folder: Path,
    summary: dict[str, Any],
) -> Path:
    """Write the three-file model of the best averaged weights.

    Its uncertainty is not calibrated yet: ``cytosynth evaluate stain --calibrate`` does
    that, on fields that the model has not seen.

    Parameters
    ----------
    recipe, module, data
        The run that ends.
    checkpoint
        ``best.pt`` of :class:`~.callbacks.RevertToBest`.
    folder
        Where to write; also gets ``validation.json`` one level up.
    summary
        ``steps``, ``seconds`` and ``best_epoch`` of the run.
    """
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    network = build_network(recipe.network.architecture, network_arguments(recipe))
    network.load_state_dict(state["average"])
    network.eval()
    figures = {
        name: float(value)
        for name, value in module.trainer.callback_metrics.items()
        if name.startswith("validation/")
    }
    text = json.dumps({**summary, "last_validation": figures}, indent=2)
    folder.parent.joinpath("validation.json").write_text(text, "utf-8")
    card = ModelCard(
        name=recipe.name,
        title=recipe.card.title,
        architecture=recipe.network.architecture,
        arguments=network_arguments(recipe),
        licence=recipe.card.licence,
        inference=_inference(recipe, network, data),
        training=training_record(recipe, summary),
        tags=recipe.card.tags,
    )
    return save_model(folder, network, card)
