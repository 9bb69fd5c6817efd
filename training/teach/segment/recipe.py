"""Recipe of the fine-tuning of a model that segments, from its card."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import ModelError, RecipeError
from napari_cytosynth.training.data.image_files import image_files
from napari_cytosynth.training.teach.material import ANNOTATED, HELD_OUT, IMAGES
from napari_cytosynth.training.teach.plan import (
    BATCH,
    LARGEST_CROP,
    STEPS_OF_AN_EPOCH,
    card_block,
    network_block,
    shipped_block,
    training_block,
)

from .synthetic import sources

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.teach.plan import TuningPlan
    from napari_cytosynth.zoo.card import Inference, ModelCard

__all__ = ["check_segmenter", "expected_prevalence", "segment_folder", "segment_tree"]

_KEEP, _KEEP_MASKS = 1.0, 0.3  # what unpainted pixels say holds a network near its start, too
_SELF_TRAIN = 0.5
# of models whose recipe does not ship: a single window is learned by heart in a minute
_AUGMENT = {
    "scale": [0.7, 1.3],
    "elastic": 6.0,
    "gamma": 0.5,
    "contrast": 0.3,
    "brightness": 0.15,
    "noise": 0.1,
    "blur": 1.5,
    "curve": 0.4,
    "shading": 0.3,
    "coarsen": 0.7,
    "sharpen": 0.7,
}


def check_segmenter(card: ModelCard) -> None:
    """Check that a model that segments can be fine-tuned.

    Raises
    ------
    ModelError
        If it cannot.
    """
    channels = len(card.inference.input_channels)
    if channels != 1:
        raise ModelError(
            f"“{card.name}” takes {channels} channels: only models of one grey channel can be "
            "fine-tuned."
        )


def truth_folder(card: ModelCard) -> str:
    """Return the name of the folder of truth that a model learns from."""
    return "labels" if card.inference.separates_objects else "mask"


def segment_folder(card: ModelCard, plan: TuningPlan, data_dir: Path) -> TuningPlan:
    """Return the plan of fine-tuning on a data folder, by the folders that it has.

    Raises
    ------
    RecipeError
        If there is no folder of truth.
    """
    first = _object_channel(card.inference)
    names = dict.fromkeys([truth_folder(card), first, "labels", "mask"])
    truth = next((name for name in names if (data_dir / name).is_dir()), None)
    if truth is None:
        raise RecipeError(
            f"“{data_dir}” has no folder {' or '.join(names)} with the truth of the images in "
            f"“{IMAGES}”."
        )
    annotated = (data_dir / ANNOTATED).is_dir()
    images = len(image_files(data_dir / IMAGES)) if (data_dir / IMAGES).is_dir() else 0
    return replace(
        plan,
        truth=truth,
        annotated=annotated,
        held_out=annotated and (data_dir / HELD_OUT).is_dir(),
        prevalence=expected_prevalence(card),
        last=max(1, images // 5),
    )


def expected_prevalence(card: ModelCard) -> float:
    """Return the part of an image that is foreground by a model's card; a half if unknown."""
    expected = card.inference.expected
    if expected is None or expected.foreground is None:
        return 0.5
    return min(max(expected.foreground[1], 0.01), 0.5)


def segment_tree(card: ModelCard, plan: TuningPlan) -> dict[str, Any]:
    """Return the recipe as a tree of settings.

    Parameters
    ----------
    card
        Card of the model to start from: its network, scaling and channels are kept.
    plan
        Options of the fine-tuning.
    """
    masks = plan.annotated and not card.inference.separates_objects
    return {
        "name": plan.name,
        "task": "segment",
        "modality": card.inference.modality,
        "data": _data(card, plan),
        "network": network_block(card, plan, ("in_channels", "out_channels")),
        "train": training_block(
            plan,
            keep=_KEEP_MASKS if masks else _KEEP,
            self_train=_SELF_TRAIN if masks else 0.0,
        ),
        "card": card_block(card, plan),
    }


def _object_channel(inference: Inference) -> str:
    return inference.object_channel or inference.output_channels[0]


def _targets(inference: Inference, plan: TuningPlan) -> list[dict[str, Any]]:
    """Return the target of the objects, and those of channels that nothing is known of."""
    target: dict[str, Any] = {"folder": plan.truth, "name": _object_channel(inference)}
    if plan.annotated:
        target |= {"balance": True, "prevalence": plan.prevalence}
    if inference.separates_objects:
        target |= {"kind": "labels", "decoder": "flows" if inference.flows else "distance"}
    others = [
        name
        for name, role in zip(inference.output_channels, inference.roles, strict=True)
        if role == "other"
    ]
    return [target, *({"folder": name, "name": name, "taught": False} for name in others)]


def _data(card: ModelCard, plan: TuningPlan) -> dict[str, Any]:
    inference = card.inference
    stride = inference.total_stride
    size = min(LARGEST_CROP, max(inference.example_size)) // stride * stride
    settings: dict[str, Any] = {
        "images": plan.images,
        "targets": _targets(inference, plan),
        "normalisation": inference.normalisation.model_dump(mode="json"),
        "crop_size": max(size, stride),
        "crops_per_epoch": BATCH * STEPS_OF_AN_EPOCH,
        "foreground_share": 0.5,
        "augment": shipped_block(card, "data").get("augment") or dict(_AUGMENT),
    }
    if plan.annotated:
        settings["annotated"] = ANNOTATED
        split = {"kind": "pixels", "use_all": not plan.held_out}
        if plan.shares:
            settings["sources"] = sources(dict(plan.shares), split, plan.magnify)
        else:
            settings["split"] = split
    else:
        settings["split"] = {"kind": "last", "count": plan.last}
    return settings
