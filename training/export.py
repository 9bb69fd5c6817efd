"""From the best checkpoint to the three-file format, with everything chosen on validation."""

from __future__ import annotations

import json
import os
import platform
from typing import TYPE_CHECKING, Any

import torch

from napari_cytosynth.inference.geometry import network_geometry
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.card import Inference, ModelCard, Training
from napari_cytosynth.zoo.files import save_model

from .segmentation import network_arguments
from .selection import Predictions, choose_splitting, choose_threshold, iou_curve

if TYPE_CHECKING:
    from pathlib import Path

    from .data import SegmentationData
    from .recipe import Recipe
    from .segmentation import SegmentationModule
    from .stain_recipe import StainRecipe

__all__ = ["export_model", "training_record"]


def _predict(module: SegmentationModule, data: SegmentationData) -> list[Predictions]:
    module.eval()
    result = []
    with torch.inference_mode():
        for field in data.validation:
            probability = torch.sigmoid(module._whole(field.image)).cpu().numpy()
            result.append(Predictions(field.name, probability, field.maps, field.truth))
    return result


def _hardware() -> str:
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"CPU, {os.cpu_count()} cores ({platform.machine()})"


def _inference(recipe: Recipe, network: torch.nn.Module, chosen: dict[str, Any]) -> Inference:
    geometry = network_geometry(network, 1)
    channels = recipe.output_channels
    return Inference(
        task=recipe.task,
        input_channels=["grey"],
        output_channels=channels,
        pixel_size_um=recipe.card.pixel_size_um,
        normalisation=recipe.data.normalisation,
        total_stride=geometry.stride,
        dropout=float(network_arguments(recipe).get("dropout", 0.0)),
        receptive_radius=geometry.radius,
        objects=recipe.card.objects,
        object_channel=channels[0],
        example_size=(recipe.data.crop_size, recipe.data.crop_size),
        **chosen,
    )


def training_record(recipe: Recipe | StainRecipe, summary: dict[str, Any]) -> Training:
    """Return what a card says about the training run that ends."""
    minutes = summary["seconds"] / 60
    return Training(
        datasets=recipe.card.datasets,
        data_licence=recipe.card.data_licence,
        citations=recipe.card.citations,
        hardware=_hardware(),
        duration=f"{minutes:.0f} min, {summary['steps']} optimiser steps",
        recipe=recipe.name,
        remarks=recipe.card.remarks,
    )


def export_model(
    recipe: Recipe,
    module: SegmentationModule,
    data: SegmentationData,
    checkpoint: Path,
    folder: Path,
    summary: dict[str, Any],
) -> Path:
    """Write the three-file model of the best averaged weights.

    Parameters
    ----------
    recipe, module, data
        The run that ends.
    checkpoint
        ``best.pt`` of :class:`~.callbacks.RevertToBest`.
    folder
        Where to write; also gets ``validation.json`` one level up, with what was chosen.
    summary
        ``steps``, ``seconds`` and ``best_epoch`` of the run.
    """
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    module.to("cpu")
    module.network.load_state_dict(state["average"])
    predictions = _predict(module, data)
    if recipe.instances:
        threshold, splitting, score = choose_splitting(predictions)
        chosen: dict[str, Any] = {"threshold": threshold, "splitting": splitting}
        found = {"threshold": threshold, **splitting.model_dump(), "ap_50_75": score}
    else:
        threshold = choose_threshold(predictions)
        chosen = {"threshold": threshold}
        found = {"threshold": threshold}
    found |= {"iou": {f"{t:.2f}": iou for t, iou in iou_curve(predictions).items()}, **summary}
    folder.parent.joinpath("validation.json").write_text(json.dumps(found, indent=2), "utf-8")
    network = build_network(recipe.network.architecture, network_arguments(recipe))
    network.load_state_dict(state["average"])
    network.eval()
    card = ModelCard(
        name=recipe.name,
        title=recipe.card.title,
        architecture=recipe.network.architecture,
        arguments=network_arguments(recipe),
        licence=recipe.card.licence,
        inference=_inference(recipe, network, chosen),
        training=training_record(recipe, summary),
        tags=recipe.card.tags,
    )
    return save_model(folder, network, card)
