"""Plan of a fine-tuning, and the blocks of a recipe that are alike for all tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.recipe.files import list_recipes, read_tree
from napari_cytosynth.zoo.card.record import LONGEST_NAME

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import ModelCard

__all__ = [
    "BATCH",
    "LARGEST_CROP",
    "STEPS",
    "STEPS_OF_AN_EPOCH",
    "TuningPlan",
    "card_block",
    "network_block",
    "plain_name",
    "shipped_block",
    "training_block",
]

STEPS = 270
STEPS_OF_AN_EPOCH = 30
BATCH = 4
LARGEST_CROP = 256
_FOLDERS = {"data", "start", "csv", "tensorboard", "autoencoder"}  # of a run
_ENDLESS = 10_000  # epochs: the time ends it


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
        Folder of the truth. Default: none, as for generators.
    images
        Folder of the images. Default: ``image``.
    annotated, held_out
        Whether there are the folders of what is known, and of what of it validates. Default: False.
    prevalence
        Part of the pixels of whole images that is foreground, as far as known. Default: a half.
    last
        Number of the last images, which validate where all truth is known. Default: 1.
    names
        Names of the images that validate instead. Default: none.
    classes
        Whether the images lie in folders of their class. Default: False.
    shares
        Folders of synthetic images, with their part of the crops. Default: none.
    magnify
        Magnification of the crops of synthetic images. Default: 1.
    pixel_size_um
        Of the images that are learned. Default: None, that of the model to start from.
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
    fresh
        Whether `start` is an untrained model, of which nothing is to be kept. Default: False.
    """

    start: str
    name: str
    truth: str = ""
    images: str = "image"
    annotated: bool = False
    held_out: bool = False
    prevalence: float = 0.5
    last: int = 1
    names: tuple[str, ...] = ()
    classes: bool = False
    shares: tuple[tuple[str, float], ...] = ()
    magnify: float = 1.0
    pixel_size_um: float | None = None
    steps: int = STEPS
    minutes: float | None = None
    seed: int = 0
    datasets: tuple[str, ...] = ()
    remarks: str = ""
    fresh: bool = False

    @property
    def validates(self) -> bool:
        """Whether something is held out, on which start and end are compared."""
        return self.held_out or not self.annotated


def plain_name(text: str) -> str:
    """Return the name of a model, which its folder has in that of the run, from any text."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:LONGEST_NAME]
    return f"{plain}-model" if plain.lower() in _FOLDERS else plain or "tuned"


def shipped_block(card: ModelCard, block: str) -> dict[str, Any]:
    """Return a block of the recipe that a model was trained by; empty if it does not ship."""
    name = card.training.recipe
    found = read_tree(name).get(block) if name in list_recipes() else None
    return dict(found or {})


def network_block(card: ModelCard, plan: TuningPlan, derived: tuple[str, ...]) -> dict[str, Any]:
    """Return the recipe's block `network`: that of the model, whose weights it starts with.

    Parameters
    ----------
    card, plan
        The model to start from, and the options.
    derived
        Names of the arguments that follow from the data.
    """
    own = {name: value for name, value in card.arguments.items() if name not in derived}
    return {"architecture": card.architecture, "arguments": own, "start_from": plan.start}


def training_block(plan: TuningPlan, **settings: Any) -> dict[str, Any]:
    """Return the recipe's block `train`.

    Parameters
    ----------
    plan
        The options.
    settings
        Those of the task.
    """
    epochs = -(-plan.steps // STEPS_OF_AN_EPOCH)
    return {
        "max_epochs": _ENDLESS if plan.minutes else epochs,
        "minutes": plan.minutes,
        "batch_size": BATCH,
        "learning_rate": 2e-4,
        "optimiser": "adamw",
        "weight_decay": 0.0,
        "scheduler": "cosine",
        "warmup_steps": 10,
        "ema": 0.97,
        "freeze_statistics": False,
        "validate_start": plan.validates,
        "precision": "auto",
        "seed": plan.seed,
        **settings,
    }


def card_block(card: ModelCard, plan: TuningPlan) -> dict[str, Any]:
    """Return the recipe's block `card`: nothing that was measured of the model before."""
    inference = card.inference
    return {
        "title": card.title,
        "objects": inference.objects,
        "pixel_size_um": plan.pixel_size_um or inference.pixel_size_um,
        "licence": card.licence,
        "datasets": list(plan.datasets),
        "tags": card.tags,
        "remarks": plan.remarks,
    }
