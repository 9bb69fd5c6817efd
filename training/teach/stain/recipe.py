"""Recipe of the fine-tuning of a virtual stainer, from its card."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import ModelError, RecipeError
from napari_cytosynth.training.data.image_files import image_files
from napari_cytosynth.training.teach.held_out import ALL, TRAINING, VALIDATING
from napari_cytosynth.training.teach.material import IMAGES
from napari_cytosynth.training.teach.plan import (
    BATCH,
    LARGEST_CROP,
    STEPS_OF_AN_EPOCH,
    card_block,
    network_block,
    shipped_block,
    training_block,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.teach.plan import TuningPlan
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["STAINS", "check_stainer", "image_folders", "stain_folder", "stain_tree"]

STAINS = "stains"
_UNIT = "units of the stains that it was taught"
_RATE, _KEEP = 1e-3, 0.01  # of an image alone, less is learned with smaller rates
_FROM_SHIPPED = ("low", "high", "foreground_share", "foreground_level", "augment", "between")


def check_stainer(card: ModelCard) -> None:
    """Check that a virtual stainer can be fine-tuned.

    Raises
    ------
    ModelError
        If it cannot.
    """
    if any(role != "mean" for role in card.inference.roles):
        raise ModelError(
            f"“{card.name}” cannot be fine-tuned: not all of its output channels are stains."
        )


def image_folders(card: ModelCard) -> list[str]:
    """Return the folders of the images: one for each focal plane that the network sees."""
    planes = card.inference.focal_planes
    count = len(planes.contrast) if planes else 1
    return [IMAGES] if count == 1 else [f"{IMAGES}-{n + 1}" for n in range(count)]


def stain_folder(card: ModelCard, plan: TuningPlan, data_dir: Path) -> TuningPlan:
    """Return the plan of fine-tuning on a data folder, by the folders that it has.

    Raises
    ------
    RecipeError
        If there is no folder of the stains.
    """
    if not (data_dir / STAINS).is_dir():
        names = " and ".join(f"“{name}”" for name in image_folders(card))
        raise RecipeError(
            f"“{data_dir}” has no folder {STAINS} with the stains of the images in {names}: one "
            f"file for each image, with the channels {', '.join(card.inference.output_channels)}."
        )
    first = data_dir / image_folders(card)[0]
    images = len(image_files(first)) if first.is_dir() else 0
    return replace(plan, truth=STAINS, last=max(1, images // 5))


def stain_tree(card: ModelCard, plan: TuningPlan) -> dict[str, Any]:
    """Return the recipe as a tree of settings: regression, without a discriminator.

    Parameters
    ----------
    card
        Card of the model to start from: its network, scaling and channels are kept. The scale of
        the stains is that of the new ones.
    plan
        Options of the fine-tuning.
    """
    return {
        "name": plan.name,
        "task": "stain",
        "modality": card.inference.modality,
        "data": _data(card, plan),
        "network": network_block(card, plan, ("in_channels", "out_channels")),
        "loss": {"l1": 1.0, "ms_ssim": 1.0, "adversarial": 0.0, "feature_matching": 0.0},
        "train": training_block(plan, learning_rate=_RATE, keep=_KEEP, monitor="score"),
        "card": card_block(card, plan),
    }


def _data(card: ModelCard, plan: TuningPlan) -> dict[str, Any]:
    inference = card.inference
    stride = inference.total_stride
    size = min(LARGEST_CROP, max(inference.example_size)) // stride * stride
    folders = image_folders(card)
    shipped = shipped_block(card, "data")
    settings: dict[str, Any] = {
        "inputs": folders[0] if len(folders) == 1 else folders,
        "planes": "any" if len(folders) == 1 else "stack",
        "input_channels": inference.input_channels,
        "targets": plan.truth,
        "target_channels": inference.output_channels,
        "normalisation": inference.normalisation.model_dump(mode="json"),
        "unit": _UNIT,
        "crop_size": max(size, stride, 16 // stride * stride),
        "crops_per_epoch": BATCH * STEPS_OF_AN_EPOCH,
        "split": _split(plan),
        **{name: shipped[name] for name in _FROM_SHIPPED if name in shipped},
    }
    if len(folders) > 1 or "between" not in settings:
        settings.pop("between", None)
    return settings


def _split(plan: TuningPlan) -> dict[str, Any]:
    if not plan.annotated:  # a folder of the user's
        return {"kind": "last", "count": plan.last}
    if plan.held_out:
        return {"kind": "folders", "train": [TRAINING], "validation": [VALIDATING]}
    return {"kind": "folders", "train": [ALL], "validation": [ALL], "use_all": True}
