"""Export of a segmentation model, with threshold and splitting chosen on validation data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from napari_cytosynth.inference.predictor import activated
from napari_cytosynth.training.data.input_record import widened
from napari_cytosynth.training.reports.model_export import network_facts, save_trained
from napari_cytosynth.training.reports.records import write_json
from napari_cytosynth.training.reports.run_folder import CHOSEN
from napari_cytosynth.zoo.card import Inference

from .decoding import choose_decoding, choose_part_sizes
from .kept_settings import KEPT, kept_fields
from .thresholds import (
    Predictions,
    by_source,
    choose_splitting,
    choose_threshold,
    iou_curve,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.zoo.card import ConfidenceTest

    from .data import SegmentationData
    from .module import SegmentationModule
    from .recipe import SegmentRecipe

__all__ = ["export_model"]


def _predict(module: SegmentationModule, data: SegmentationData) -> list[Predictions]:
    module.eval()
    result = []
    with torch.inference_mode():
        for field in data.validation:
            output = activated(module.predict_field(field.image), module.recipe.activations)
            probability = output.cpu().numpy()
            result.append(
                Predictions(
                    field.name, probability, field.maps, field.truth, field.source, field.known
                )
            )
    return result


def _named_curve(predictions: list[Predictions], prevalence: float | None) -> dict[str, float]:
    curve = iou_curve(predictions, prevalence)
    return {f"{threshold:.2f}": iou for threshold, iou in curve.items()}


def _chosen(
    recipe: SegmentRecipe,
    data: SegmentationData,
    predictions: list[Predictions],
    summary: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any], list[ConfidenceTest]]:
    """Return the card's fields on objects, how they were chosen, and tests of the confidence."""
    if kept := kept_fields(summary):
        return dict(kept), {name: kept[name] for name in KEPT if kept[name] is not None}, []
    if recipe.flow_channel is not None:
        choice = choose_decoding(predictions, recipe.flow_channel, data.diameter)
        seen = ", which it was trained on" if summary.get("settings_from") == "training" else ""
        tests = choice.confidence_tests(f"validation images{seen}")
        return choice.card_fields(), choice.record(), tests
    if recipe.instances:
        threshold, splitting, score = choose_splitting(predictions)
        found = {"threshold": threshold, **splitting.model_dump(), "ap_50_75": score}
        return {"threshold": threshold, "splitting": splitting}, found, []
    threshold = choose_threshold(predictions, recipe.prevalence)
    if recipe.data.annotated:  # strokes have no sizes of objects
        return {"threshold": threshold}, {"threshold": threshold}, []
    fields = {"threshold": threshold, **choose_part_sizes(predictions, threshold)}
    found = {name: fields[name] for name in ("threshold", "min_size", "diameter") if name in fields}
    return fields, found, []


def export_model(
    recipe: SegmentRecipe,
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
        ``best.pt`` of :class:`~napari_cytosynth.training.loop.callbacks.RevertToBest`.
    folder
        Destination; ``validation.json`` with threshold and splitting is written one level up.
    summary
        ``steps``, ``seconds``, ``best_epoch`` and ``precision`` of the run, its
        :func:`~napari_cytosynth.training.run.lineage.source_record`, and its
        :func:`.settings_record`: settings that are kept are not chosen again.
    """
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    module.to("cpu")
    module.network.load_state_dict(state["average"])
    predictions = _predict(module, data)
    chosen, found, tests = _chosen(recipe, data, predictions, summary)
    found |= {"iou": _named_curve(predictions, recipe.prevalence), **summary}
    if sources := by_source(predictions):
        found["sources"] = {
            name: {"iou": _named_curve(own, recipe.prevalence)} for name, own in sources.items()
        }
    write_json(folder.parent / CHOSEN, found)

    def inference(network: torch.nn.Module) -> Inference:
        return Inference(
            task=recipe.task,
            input_channels=["grey"],
            object_channel=recipe.output_channels[0],
            channel_roles=recipe.channel_roles,
            modality=recipe.modality,
            input_quantiles=widened(data.quantiles, summary, "quantiles"),
            input_looks=widened(data.looks, summary, "looks"),
            settings_from=summary.get("settings_from", "validation"),
            **network_facts(recipe, network),
            **chosen,
        )

    return save_trained(recipe, checkpoint, folder, summary, inference, tests)
