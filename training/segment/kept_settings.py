"""Settings of objects where validation images are trained on too: kept from the model before.

A threshold or a confidence that is chosen on images that a network has learned by heart is too
good for new ones. A round on all images, which starts from a model that had left some out, keeps
what was chosen for that model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.data.input_record import start_inputs
from napari_cytosynth.training.data.wording import counted
from napari_cytosynth.zoo.loading import load_model

from .losses import FLOW_SCALE

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import Inference

    from .data import SegmentationData
    from .recipe import SegmentRecipe

__all__ = [
    "KEPT",
    "START_ADVICE",
    "kept_fields",
    "settings_record",
    "start_threshold",
]

KEPT = ("threshold", "min_size", "diameter", "splitting", "flows", "confidence", "expected")
"""Fields of the card that are kept together: each was chosen with the others."""

_SIMILAR = 1.25  # ratio of typical diameters up to which objects count as of one size
_CHOSEN = {
    "flows": "Threshold, smallest object, limit of the flow error, confidence and expected results "
    "are",
    "seeds": "Threshold and splitting are",
    "none": "The threshold is",
}
_SEEN = "chosen on images that it has seen, and may be worse than they look."
START_ADVICE = (
    "Train without use_all first, and start from that model (network.start_from): what was chosen "
    "for it is then kept."
)


def settings_record(recipe: SegmentRecipe, data: SegmentationData) -> dict[str, Any]:
    """Return what a run needs to know when it ends, if it trains on its validation images.

    Parameters
    ----------
    recipe
        Recipe of the round.
    data
        Its images, read.

    Returns
    -------
    dict
        Empty if all validation images are left out of training. Else ``settings_from``, as on the
        card; ``settings_note``, a sentence; and ``kept_settings``, fields of the card, if those
        of the model that it starts from can be kept. With partly known truth, ``start_inputs``
        holds the ranges of the images of that model.

    Raises
    ------
    ModelError
        If that model cannot be loaded.
    """
    if recipe.data.annotated and recipe.network.start_from:
        return _partly_known(recipe)
    seen = len(set(data.validation_names) & set(data.train_names))
    if not recipe.trains_on_validation or not seen:
        return {}
    begins = _begins(recipe, seen, len(data.validation_names))
    source = recipe.network.start_from
    if not source:
        return _warned(f"{begins} {_SEEN} {START_ADVICE}")
    card = load_model(source, "cpu").card
    if reason := _obstacle(recipe, data, card.inference):
        return _warned(
            f"{begins} {_SEEN} The settings of the model that it starts from, “{card.name}”, "
            f"cannot be kept: {reason}."
        )
    return {
        "settings_from": "start",
        "settings_note": f"{begins} as for the model that it starts from, “{card.name}”: chosen on "
        "images which that one had not seen.",
        "kept_settings": card.inference.model_dump(mode="json", include=set(KEPT)),
    }


def _partly_known(recipe: SegmentRecipe) -> dict[str, Any]:
    """Return the record of a run whose strokes tell no sizes, and are no sample of the pixels."""
    assert recipe.network.start_from
    card = load_model(recipe.network.start_from, "cpu").card
    if reason := _obstacle(recipe, None, card.inference):
        return _warned(
            "All settings of objects are chosen on what is annotated, for those of the model that "
            f"it starts from, “{card.name}”, cannot be kept: {reason}."
        )
    kept = card.inference.model_dump(mode="json", include=set(KEPT))
    begins = f"Settings of objects are as for the model that it starts from, “{card.name}”"
    note = f"{begins}."
    if recipe.trains_on_validation:
        note += " Not validated: no strokes are left out of training."
    return {
        "start_inputs": start_inputs(card),
        "settings_from": "start",
        "settings_note": note,
        "kept_settings": kept,
    }


def start_threshold(recipe: SegmentRecipe) -> float | None:
    """Return the threshold that a model keeps of the one that it starts from; None if it is chosen.

    It is kept where truth is partly known: a threshold that is best on strokes, which lie where
    somebody painted, is often a worse one on whole images.
    """
    if not (recipe.data.annotated and recipe.network.start_from):
        return None
    kept = kept_fields(_partly_known(recipe))
    return None if kept is None else kept["threshold"]


def _begins(recipe: SegmentRecipe, seen: int, every: int) -> str:
    images = counted(every, "validation image")
    part = f"its {images}" if seen == every else f"{seen} of its {images}"
    return f"This training learns from {part}, too (use_all). {_CHOSEN[_decoder_of(recipe)]}"


def kept_fields(summary: dict[str, Any]) -> dict[str, Any] | None:
    """Return the fields of the card that a run keeps; None if it chooses them itself.

    Parameters
    ----------
    summary
        Of the run, with its :func:`settings_record`.
    """
    kept: dict[str, Any] | None = summary.get("kept_settings")
    return kept


def _warned(note: str) -> dict[str, Any]:
    return {"settings_from": "training", "settings_note": f"Warning: {note}"}


def _decoder_of(settings: SegmentRecipe | Inference) -> str:
    """Return by what objects are separated: flows, seeds, or none."""
    if "flow-y" in settings.channel_roles:
        return "flows"
    seeds = getattr(settings, "splitting", None) or getattr(settings, "instances", False)
    return "seeds" if seeds else "none"


def _obstacle(recipe: SegmentRecipe, data: SegmentationData | None, source: Inference) -> str:
    """Return why settings of a card mean something else for the recipe's model; empty if not."""
    if source.task != "segment" or source.threshold is None:
        return "it has none"
    if source.settings_from == "training":
        return "they were chosen on training images as well"
    same = source.output_channels == recipe.output_channels and source.roles == recipe.channel_roles
    if not same or source.object_channel not in (None, recipe.output_channels[0]):
        return "its output channels are others"
    if _decoder_of(source) != _decoder_of(recipe):
        return "it separates objects in another way"
    if source.flows is not None and source.flows.scale != FLOW_SCALE:
        return "its flows have another scale"
    if source.pixel_size_um != recipe.card.pixel_size_um:
        return "its pixel size is another one"
    return _other_sizes(source.diameter, getattr(data, "diameter", None))


def _other_sizes(before: float | None, now: float | None) -> str:
    if before is None or now is None or max(before, now) <= _SIMILAR * min(before, now):
        return ""
    return f"its objects are typically {before:.0f} px wide, and these {now:.0f} px"
