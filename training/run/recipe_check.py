"""Checks that a recipe can be trained, before any image is read."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_cytosynth.errors import RecipeError, UnknownArchitectureError
from napari_cytosynth.models import ARCHITECTURES, argument_names, build_network
from napari_cytosynth.training.data.wording import counted
from napari_cytosynth.training.tasks import task_of

from .rounds import earlier_rounds, in_round

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.training.recipe.base import Recipe, TrainRecipe

__all__ = ["check_machine", "check_recipe"]

# files that the folder of a run holds beside the model
_TAKEN = re.compile(
    r"last\.ckpt|best\.pt|run\.lock|\w+\.(json|yaml)|csv|tensorboard|autoencoder|round-\d+",
    re.IGNORECASE,  # some file systems take no heed of case
)


def check_recipe(recipe: Recipe) -> None:
    """Check sizes, epochs and arguments of a recipe; networks are built without weights.

    Parameters
    ----------
    recipe
        The validated recipe.

    Raises
    ------
    RecipeError
        If the network cannot be built, a crop does not fit it, no validation would be
        reached, or a range is upside down.
    """
    if recipe.name.startswith("."):
        raise RecipeError(
            f"The name “{recipe.name}” would be that of a hidden folder: begin with a letter."
        )
    if _TAKEN.fullmatch(recipe.name):
        raise RecipeError(
            f"The folder of a run has a “{recipe.name}” beside the model: choose another name."
        )
    for number, earlier in enumerate(earlier_rounds(recipe), 1):
        with in_round(number):
            check_recipe(earlier)
    _check_epochs(recipe)
    _check_network(recipe)
    task = task_of(recipe)
    task.check(recipe)
    if first := task.first_stage(recipe, Path()):
        _check_first_stage(first.recipe)


def _check_first_stage(recipe: Recipe) -> None:
    try:
        check_recipe(recipe)
    except RecipeError as error:
        raise RecipeError(f"In the block autoencoder: {error}") from error


def check_machine(train: TrainRecipe) -> None:
    """Raise RecipeError if this machine lacks the device of the recipe."""
    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    wanted = train.accelerator
    if wanted in there and not there[wanted]():
        raise RecipeError(
            f"train.accelerator is {wanted}, but there is no such device on this machine. "
            "Choose auto, which takes what there is."
        )
    gpus = torch.cuda.device_count()
    if wanted != "cpu" and gpus and train.devices > gpus:
        raise RecipeError(
            f"train.devices is {train.devices}, but this machine has {gpus}. Lower it."
        )


def _check_epochs(recipe: Recipe) -> None:
    train = recipe.train
    last = train.max_epochs // train.validate_every * train.validate_every
    if not last:
        raise RecipeError(
            f"No validation would be reached: {counted(train.max_epochs, 'epoch')}, and a "
            f"validation after every {train.validate_every}. Raise train.max_epochs or lower "
            "train.validate_every."
        )


def _check_network(recipe: Recipe) -> None:
    network = _network(recipe)
    stride = int(getattr(network, "total_stride", getattr(network, "downsampling", 1)))
    size = recipe.data.crop_size
    if size % stride:
        below = size // stride * stride
        nearest = " or ".join(str(each) for each in (below, below + stride) if each)
        raise RecipeError(
            f"data.crop_size is {size}, but must be a multiple of {stride} for this network: "
            f"{nearest}, for example."
        )


def _network(recipe: Recipe) -> torch.nn.Module:
    _check_arguments(recipe)
    architecture = recipe.network.architecture
    try:
        with torch.device("meta"):  # no memory, no random numbers
            network: torch.nn.Module = build_network(architecture, recipe.network_arguments)
    except Exception as error:  # of any kind: arguments may be of any type
        known = isinstance(error, UnknownArchitectureError)
        reason = str(error.__cause__ if known else error).rstrip(".")
        raise RecipeError(
            f"network.arguments of {architecture} do not make a network: {reason}."
        ) from error
    if next(network.parameters(), None) is None:
        raise RecipeError(f"network.architecture: {architecture} has no weights to be trained.")
    return network


def _check_arguments(recipe: Recipe) -> None:
    architecture, given = recipe.network.architecture, recipe.network.arguments
    derived = set(recipe.derived_arguments)
    if doubled := sorted(derived & set(given)):
        raise RecipeError(
            f"network.arguments: leave out “{doubled[0]}”; it follows from the block data."
        )
    if architecture not in ARCHITECTURES:
        raise RecipeError(
            f"There is no network.architecture “{architecture}”; there are "
            f"{', '.join(sorted(ARCHITECTURES))}."
        )
    known = argument_names(architecture) - derived
    if unknown := sorted(set(given) - known):
        close = get_close_matches(unknown[0], known, 1)
        meant = f" Is “{close[0]}” meant?" if close else ""
        raise RecipeError(
            f"network.arguments: {architecture} has no “{unknown[0]}”.{meant} It has "
            f"{', '.join(sorted(known))}."
        )
