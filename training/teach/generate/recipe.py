"""Recipe of the fine-tuning of a generator, from its card."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import ModelError, RecipeError
from napari_cytosynth.training.data.image_files import image_files
from napari_cytosynth.training.teach.held_out import TRAINING, VALIDATING
from napari_cytosynth.training.teach.material import IMAGES
from napari_cytosynth.training.teach.plan import (
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

__all__ = ["check_generator", "generate_folder", "generate_tree"]

_BATCH, _CROPS = 16, 128  # noise is drawn anew for each: more of them say more
_KEEP = 0.01
_DERIVED = ("channels", "size", "classes", "conditions")
_FROM_SHIPPED = ("scaling", "low", "high", "foreground_share", "foreground_level", "turn", "unit")
_REFUSED = {
    "gan": "the critic that it learned against is no part of it",
    "latent_diffusion": "it learns in two stages",
}


def check_generator(card: ModelCard) -> None:
    """Check that a generator can be fine-tuned.

    Raises
    ------
    ModelError
        If it cannot.
    """
    plan = card.inference.generation
    assert plan is not None
    reason = _REFUSED.get(plan.family, "")
    if plan.mask_channel or plan.conditions:
        reason = "it makes masks, or can be asked for a property, which must be measured anew"
    if reason:
        raise ModelError(
            f"“{card.name}” cannot be fine-tuned, for {reason}: train one by its recipe instead "
            "(cytosynth train)."
        )


def generate_folder(card: ModelCard, plan: TuningPlan, data_dir: Path) -> TuningPlan:
    """Return the plan of fine-tuning on a data folder: images, or folders of each class.

    Raises
    ------
    RecipeError
        If there are too few images, or a class has no folder.
    """
    images = IMAGES if (data_dir / IMAGES).is_dir() else "."
    place, classes = data_dir / images, card.inference.classes
    if missing := [name for name in classes if not (place / name).is_dir()]:
        raise RecipeError(
            f"“{place}” has no folder “{missing[0]}”: images of each class of “{card.name}” lie "
            f"in a folder of its name ({', '.join(classes)})."
        )
    names: dict[str, None] = {}
    for folder in [place / name for name in classes] or [place]:
        files = list(image_files(folder))
        if len(files) < 2:
            raise RecipeError(f"“{folder}” needs two images at least, one of which validates.")
        names |= dict.fromkeys(files[-max(1, len(files) // 5) :])
    return replace(plan, images=images, names=tuple(names), classes=bool(classes))


def generate_tree(card: ModelCard, plan: TuningPlan) -> dict[str, Any]:
    """Return the recipe as a tree of settings.

    Parameters
    ----------
    card
        Card of the model to start from: its network, channels and noise schedule are kept.
    plan
        Options of the fine-tuning.
    """
    inference = card.inference
    assert inference.generation is not None
    train = training_block(plan, keep=_KEEP, batch_size=_BATCH, monitor="loss")
    return {
        "name": plan.name,
        "task": "generate",
        "modality": inference.modality,
        "data": _data(card, plan),
        "network": network_block(card, plan, _DERIVED),
        "objective": _objective(card),
        **({"encoder": inference.generation.encoder} if inference.generation.encoder else {}),
        "train": train,
        "card": card_block(card, plan),
    }


def _data(card: ModelCard, plan: TuningPlan) -> dict[str, Any]:
    inference = card.inference
    assert inference.generation is not None
    shipped = shipped_block(card, "data")
    parts: dict[str, Any] = {"train": [plan.images], "validation_names": list(plan.names)}
    if plan.annotated:
        parts = {"train": [TRAINING], "validation": [VALIDATING]}
    return {
        "kind": "classes" if plan.classes else "folders",
        "parts": parts,
        "channels": inference.output_channels,
        "classes": inference.classes,
        "unit": inference.generation.unit,
        "crop_size": max(inference.example_size),
        "crops_per_epoch": _BATCH * STEPS_OF_AN_EPOCH,
        "validation_crops": _CROPS,
        **{name: shipped[name] for name in _FROM_SHIPPED if name in shipped},
    }


def _objective(card: ModelCard) -> dict[str, Any]:
    """Return what the model learned by; of its loss, what its recipe says if that ships."""
    inference, plan = card.inference, card.inference.generation
    assert plan is not None
    if plan.family == "vae":
        return {**shipped_block(card, "objective"), "kind": "vae", "anneal_share": 0.0}
    flow = inference.prediction_type == "flow"
    return {
        "kind": "diffusion",
        "prediction": inference.prediction_type,
        "schedule": "cosine" if flow else inference.schedule,
        "steps": inference.training_steps,
        "zero_terminal_snr": plan.zero_terminal_snr,
        "sampler": "dpm++" if flow else plan.sampler,
        "sampling_steps": plan.steps,
        "guidance": plan.guidance,
    }
