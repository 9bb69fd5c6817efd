"""Export of a run's best averaged weights as a three-file model, of any task."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

import torch

from napari_cytosynth.errors import ModelError
from napari_cytosynth.inference.geometry import network_geometry
from napari_cytosynth.models import build_network
from napari_cytosynth.training.recipe.files import list_recipes
from napari_cytosynth.zoo.card import Inference, ModelCard, Training
from napari_cytosynth.zoo.model_files import save_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_cytosynth.training.recipe.base import FieldRecipe, Recipe
    from napari_cytosynth.zoo.card import ConfidenceTest

__all__ = ["network_facts", "save_trained", "start_note"]


def _hardware(precision: str) -> str:
    """Return the chip, and the number format that it computed in, for the card."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()} ({precision})"
    return f"CPU, {os.cpu_count()} cores ({platform.machine()}, {precision})"


def network_facts(recipe: FieldRecipe, network: torch.nn.Module) -> dict[str, Any]:
    """Return the arguments of the card's `Inference` that follow from network and recipe."""
    arguments = recipe.network_arguments
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


def start_note(summary: dict[str, Any]) -> str:
    """Return a sentence on how a model compares with the one that it started from; may be empty.

    Parameters
    ----------
    summary
        Of the run, as of :func:`save_trained`; with ``start_scores`` and ``best_scores`` if the
        weights that it began with were validated, too.
    """
    before, after = summary.get("start_scores"), summary.get("best_scores")
    if not before or not after:
        return ""
    if summary["best_epoch"] < 0:
        return (
            "Nothing that was learned is better on the held out images or strokes than the model "
            "that the training started from: the weights are those of that model."
        )
    measured = ", ".join(
        f"{name} {before[name]:.3f} → {after[name]:.3f}"
        for name in sorted(before)
        if name in after and " " not in name
    )
    return f"On what was held out of training, before → after: {measured}."


def _training_record(recipe: Recipe, summary: dict[str, Any]) -> Training:
    """Return the card's block on the training run."""
    minutes = summary["seconds"] / 60
    return Training(
        datasets=recipe.card.datasets,
        data_licence=recipe.card.data_licence,
        citations=list(dict.fromkeys([*recipe.card.citations, *summary["citations"]])),
        hardware=_hardware(summary["precision"]),
        duration=f"{minutes:.0f} min, {summary['steps']} optimiser steps",
        recipe=recipe.name if recipe.name in list_recipes() else "",
        started_from=summary["started_from"],
        remarks=" ".join(filter(None, [recipe.card.remarks, start_note(summary)])),
    )


def save_trained(
    recipe: Recipe,
    checkpoint: Path,
    folder: Path,
    summary: dict[str, Any],
    inference: Callable[[torch.nn.Module], Inference],
    confidence_tests: Sequence[ConfidenceTest] = (),
) -> Path:
    """Write the three-file model of the best averaged weights.

    Parameters
    ----------
    recipe
        Recipe of the run.
    checkpoint
        ``best.pt`` of :class:`~napari_cytosynth.training.loop.callbacks.RevertToBest`.
    folder
        Model folder to write.
    summary
        ``steps``, ``seconds`` and ``precision`` of the run, and its
        :func:`~napari_cytosynth.training.run.lineage.source_record`.
    inference
        Makes the card's block of that name for the network.
    confidence_tests
        The card's entries of that name. Default: none.
    """
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    network = build_network(recipe.network.architecture, recipe.network_arguments)
    network.load_state_dict(state["average"])
    network.eval()
    card = ModelCard(
        name=recipe.name,
        title=recipe.card.title,
        architecture=recipe.network.architecture,
        arguments=recipe.network_arguments,
        licence=recipe.card.licence,
        inference=inference(network),
        training=_training_record(recipe, summary),
        confidence_tests=list(confidence_tests),
        tags=recipe.card.tags,
    )
    return save_model(folder, network, card)
