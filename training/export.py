"""From the best checkpoint to the three-file format, with everything chosen on validation."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

import torch

from napari_cytosynth.errors import ModelError
from napari_cytosynth.inference.geometry import network_geometry
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.card import Inference, ModelCard, Training
from napari_cytosynth.zoo.files import save_model

from .evaluation import write_json
from .module import network_arguments
from .recipe import list_recipes
from .run_folder import CHOSEN
from .selection import Predictions, choose_splitting, choose_threshold, iou_curve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .data import SegmentationData
    from .generate_recipe import GenerateRecipe
    from .recipe import Recipe
    from .segmentation import SegmentationModule
    from .stain_recipe import StainRecipe

    FieldRecipe = Recipe | StainRecipe
    AnyRecipe = FieldRecipe | GenerateRecipe

__all__ = ["export_model", "network_facts", "save_trained"]


def _predict(module: SegmentationModule, data: SegmentationData) -> list[Predictions]:
    module.eval()
    result = []
    with torch.inference_mode():
        for field in data.validation:
            probability = torch.sigmoid(module.predict_field(field.image)).cpu().numpy()
            result.append(Predictions(field.name, probability, field.maps, field.truth))
    return result


def _hardware(precision: str) -> str:
    """Return what a duration holds for: the chip, and the number format that it computed in."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()} ({precision})"
    return f"CPU, {os.cpu_count()} cores ({platform.machine()}, {precision})"


def network_facts(recipe: FieldRecipe, network: torch.nn.Module) -> dict[str, Any]:
    """Return what a card says of a network and its crops, as arguments of `Inference`."""
    arguments = network_arguments(recipe)
    try:
        geometry = network_geometry(network, arguments["in_channels"])
        stride, radius = geometry.stride, geometry.radius
    except ModelError:  # it sees the whole image
        stride, radius = int(getattr(network, "total_stride", 1)), 0
    return {
        "output_channels": recipe.output_channels,
        "pixel_size_um": recipe.card.pixel_size_um,
        "normalisation": recipe.data.normalisation,
        "total_stride": stride,
        "receptive_radius": radius,
        "norm": arguments.get("norm", "batch"),
        "dropout": float(arguments.get("dropout", 0.0)),
        "objects": recipe.card.objects,
        "example_size": (recipe.data.crop_size, recipe.data.crop_size),
    }


def _training_record(recipe: AnyRecipe, summary: dict[str, Any]) -> Training:
    """Return what a card says about the training run that ends."""
    minutes = summary["seconds"] / 60
    return Training(
        datasets=recipe.card.datasets,
        data_licence=recipe.card.data_licence,
        citations=list(dict.fromkeys([*recipe.card.citations, *summary["citations"]])),
        hardware=_hardware(summary["precision"]),
        duration=f"{minutes:.0f} min, {summary['steps']} optimiser steps",
        recipe=recipe.name if recipe.name in list_recipes() else "",
        started_from=summary["started_from"],
        remarks=recipe.card.remarks,
    )


def save_trained(
    recipe: AnyRecipe,
    checkpoint: Path,
    folder: Path,
    summary: dict[str, Any],
    inference: Callable[[torch.nn.Module], Inference],
) -> Path:
    """Write the three-file model of the best averaged weights.

    Parameters
    ----------
    recipe
        Of the run that ends.
    checkpoint
        ``best.pt`` of :class:`~.callbacks.RevertToBest`.
    folder
        Where to write.
    summary
        ``steps``, ``seconds`` and ``precision`` of the run, and its
        :func:`.start_model.source_record`.
    inference
        Makes the card's block of that name for the network.
    """
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    network = build_network(recipe.network.architecture, network_arguments(recipe))
    network.load_state_dict(state["average"])
    network.eval()
    card = ModelCard(
        name=recipe.name,
        title=recipe.card.title,
        architecture=recipe.network.architecture,
        arguments=network_arguments(recipe),
        licence=recipe.card.licence,
        inference=inference(network),
        training=_training_record(recipe, summary),
        tags=recipe.card.tags,
    )
    return save_model(folder, network, card)


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
        ``steps``, ``seconds``, ``best_epoch`` and ``precision`` of the run, and its
        :func:`.start_model.source_record`.
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
    write_json(folder.parent / CHOSEN, found)

    def inference(network: torch.nn.Module) -> Inference:
        return Inference(
            task=recipe.task,
            input_channels=["grey"],
            object_channel=recipe.output_channels[0],
            **network_facts(recipe, network),
            **chosen,
        )

    return save_trained(recipe, checkpoint, folder, summary, inference)
