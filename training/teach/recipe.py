"""Recipes of fine-tunings, from the card of the model that they start from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_cytosynth.errors import ModelError, RecipeError
from napari_cytosynth.training.data.image_files import image_files
from napari_cytosynth.training.recipe.files import in_words, list_recipes, read_tree
from napari_cytosynth.training.recipe.settings import assign
from napari_cytosynth.training.segment.recipe import SegmentRecipe
from napari_cytosynth.zoo.card.record import LONGEST_NAME

from .material import ANNOTATED, HELD_OUT, IMAGES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.zoo.card import Inference, ModelCard

__all__ = [
    "TuningPlan",
    "check_kind",
    "expected_prevalence",
    "folder_plan",
    "plain_name",
    "truth_folder",
    "tuning_recipe",
]

STEPS = 270
_FOLDERS = {"data", "start", "csv", "tensorboard", "autoencoder"}  # of a run
_STEPS_OF_AN_EPOCH = 30
_BATCH = 4
_LARGEST_CROP = 256
_KEEP, _KEEP_MASKS = 1.0, 0.3  # what unpainted pixels say holds a network near its start, too
_SELF_TRAIN = 0.5
_ENDLESS = 10_000  # epochs: the time ends it
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


@dataclass(frozen=True)
class TuningPlan:
    """Options of a fine-tuning.

    Attributes
    ----------
    start
        Name, path or Hub id of the model to start from.
    name
        Name of the new model.
    truth
        Folder of the truth.
    annotated, held_out
        Whether there are the folders of what is known, and of what of it validates. Default: False.
    prevalence
        Part of the pixels of whole images that is foreground, as far as known. Default: a half.
    last
        Number of the last images, which validate where all truth is known. Default: 1.
    steps
        Optimiser steps, rounded up to whole epochs. Default: 270.
    minutes
        Time that ends it instead. Default: None, no limit.
    seed
        Of all draws. Default: 0.
    datasets
        Names of the images, for the card. Default: none.
    remarks
        For the card. Default: none.
    """

    start: str
    name: str
    truth: str
    annotated: bool = False
    held_out: bool = False
    prevalence: float = 0.5
    last: int = 1
    steps: int = STEPS
    minutes: float | None = None
    seed: int = 0
    datasets: tuple[str, ...] = ()
    remarks: str = ""


def plain_name(text: str) -> str:
    """Return the name of a model, which its folder has in that of the run, from any text."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:LONGEST_NAME]
    return f"{plain}-model" if plain.lower() in _FOLDERS else plain or "tuned"


def truth_folder(card: ModelCard) -> str:
    """Return the name of the folder of truth that a model learns from."""
    return "labels" if card.inference.separates_objects else "mask"


def folder_plan(card: ModelCard, start: str, data_dir: Path) -> TuningPlan:
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
    held_out = annotated and (data_dir / HELD_OUT).is_dir()
    images = len(image_files(data_dir / IMAGES)) if (data_dir / IMAGES).is_dir() else 0
    name, prevalence = f"{card.name}-tuned", expected_prevalence(card)
    last = max(1, images // 5)
    return TuningPlan(start, name, truth, annotated, held_out, prevalence, last)


def expected_prevalence(card: ModelCard) -> float:
    """Return the part of an image that is foreground by a model's card; a half if unknown."""
    expected = card.inference.expected
    if expected is None or expected.foreground is None:
        return 0.5
    return min(max(expected.foreground[1], 0.01), 0.5)


def tuning_recipe(
    card: ModelCard, plan: TuningPlan, overrides: Sequence[str] = ()
) -> SegmentRecipe:
    """Return the recipe of a fine-tuning.

    Parameters
    ----------
    card
        Card of the model to start from: its network, scaling and channels are kept.
    plan
        Options of the fine-tuning.
    overrides
        Assignments such as ``train.learning_rate=0.001``. Default: none.

    Raises
    ------
    ModelError
        If models of this kind cannot be fine-tuned.
    RecipeError
        If a setting is unknown or impossible.
    """
    check_kind(card)
    tree = {
        "name": plan.name,
        "modality": card.inference.modality,
        "data": _data(card, plan),
        "network": {
            "architecture": card.architecture,
            "arguments": _own_arguments(card),
            "start_from": plan.start,
        },
        "train": _training(card, plan),
        "card": _card(card, plan),
    }
    for assignment in overrides:
        assign(tree, assignment)
    try:
        recipe = SegmentRecipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError(f"The fine-tuning cannot be done:\n{in_words(error)}") from error
    same = recipe.output_channels == card.inference.output_channels
    if not same or list(recipe.channel_roles) != card.inference.roles:
        raise ModelError(
            f"“{card.name}” cannot be fine-tuned: its output channels "
            f"({', '.join(card.inference.output_channels)}) are not those of a training."
        )
    return recipe


def check_kind(card: ModelCard) -> None:
    """Check that models of a kind can be fine-tuned.

    Raises
    ------
    ModelError
        If they cannot.
    """
    inference = card.inference
    if inference.task != "segment":
        raise ModelError(
            f"“{card.name}” is a model to {inference.task}: only models that segment can be "
            "fine-tuned."
        )
    if len(inference.input_channels) != 1:
        raise ModelError(
            f"“{card.name}” takes {len(inference.input_channels)} channels: only models of one "
            "grey channel can be fine-tuned."
        )


def _own_arguments(card: ModelCard) -> dict[str, Any]:
    return {k: v for k, v in card.arguments.items() if k not in ("in_channels", "out_channels")}


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
    size = min(_LARGEST_CROP, max(inference.example_size)) // stride * stride
    settings: dict[str, Any] = {
        "images": IMAGES,
        "targets": _targets(inference, plan),
        "normalisation": inference.normalisation.model_dump(mode="json"),
        "crop_size": max(size, stride),
        "crops_per_epoch": _BATCH * _STEPS_OF_AN_EPOCH,
        "foreground_share": 0.5,
        "augment": _augment(card),
    }
    if plan.annotated:
        settings["annotated"] = ANNOTATED
        settings["split"] = {"kind": "pixels", "use_all": not plan.held_out}
    else:
        settings["split"] = {"kind": "last", "count": plan.last}
    return settings


def _augment(card: ModelCard) -> dict[str, Any]:
    """Return how crops are changed: as for the model, where its recipe ships."""
    name = card.training.recipe
    shipped = read_tree(name)["data"].get("augment") if name in list_recipes() else None
    return dict(shipped or _AUGMENT)


def _training(card: ModelCard, plan: TuningPlan) -> dict[str, Any]:
    masks = plan.annotated and not card.inference.separates_objects
    epochs = -(-plan.steps // _STEPS_OF_AN_EPOCH)
    return {
        "max_epochs": _ENDLESS if plan.minutes else epochs,
        "minutes": plan.minutes,
        "batch_size": _BATCH,
        "learning_rate": 2e-4,
        "optimiser": "adamw",
        "weight_decay": 0.0,
        "scheduler": "cosine",
        "warmup_steps": 10,
        "ema": 0.97,
        "keep": _KEEP_MASKS if masks else _KEEP,
        "self_train": _SELF_TRAIN if masks else 0.0,
        "freeze_statistics": False,
        "validate_start": plan.held_out or not plan.annotated,
        "precision": "auto",
        "seed": plan.seed,
    }


def _card(card: ModelCard, plan: TuningPlan) -> dict[str, Any]:
    inference = card.inference
    return {
        "title": card.title,
        "objects": inference.objects,
        "pixel_size_um": inference.pixel_size_um,
        "licence": card.licence,
        "datasets": list(plan.datasets),
        "tags": card.tags,
        "remarks": plan.remarks,
    }
