"""Whether a recipe can be trained at all, found out before any image is read."""

from __future__ import annotations

import inspect
import re
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from napari_cytosynth.errors import RecipeError, UnknownArchitectureError
from napari_cytosynth.models import ARCHITECTURES, build_network
from napari_cytosynth.models.decoder import check_size
from napari_cytosynth.models.discriminator import MultiScaleDiscriminator

from .augment import blur_reach, window_of
from .check_report import counted
from .generate_recipe import GanObjective, GenerateRecipe
from .latent_stage import autoencoder_recipe
from .module import network_arguments
from .rounds import earlier_rounds, in_round
from .stain_recipe import StainRecipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from .recipe import AugmentRecipe, Recipe, TrainRecipe

    AnyRecipe = Recipe | StainRecipe | GenerateRecipe

__all__ = ["check_machine", "check_recipe"]

_LARGEST_WINDOW = 8  # times the crop that is made from it
# what the folder of a run holds beside the model
_TAKEN = re.compile(
    r"last\.ckpt|best\.pt|run\.lock|\w+\.(json|yaml)|csv|tensorboard|autoencoder|round-\d+",
    re.IGNORECASE,  # some file systems take no heed of case
)


def check_recipe(recipe: AnyRecipe) -> None:
    """Build the networks without weights and see whether sizes and epochs work out.

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
    if set(recipe.name) & set('/\\:*?"<>|') or recipe.name.startswith("."):
        raise RecipeError(
            f"The name “{recipe.name}” cannot be that of a folder: use letters, digits, - and _."
        )
    if _TAKEN.fullmatch(recipe.name):
        raise RecipeError(
            f"The folder of a run has a “{recipe.name}” beside the model: choose another name."
        )
    for number, earlier in enumerate(earlier_rounds(recipe), 1):
        with in_round(number):
            check_recipe(earlier)
    _check_epochs(recipe)
    _check_ranges(recipe)
    _check_network(recipe)
    if isinstance(recipe, StainRecipe) and recipe.adversarial:
        _check_discriminator(recipe)
    if isinstance(recipe, GenerateRecipe):
        if isinstance(recipe.objective, GanObjective):
            _check_critic(recipe, recipe.objective)
        if recipe.autoencoder:
            _check_first_stage(recipe)


def _check_first_stage(recipe: GenerateRecipe) -> None:
    try:
        check_recipe(autoencoder_recipe(recipe))
    except RecipeError as error:
        raise RecipeError(f"In the block autoencoder: {error}") from error


def check_machine(train: TrainRecipe) -> None:
    """Raise RecipeError if this machine lacks the device that the recipe asks for."""
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


def _check_epochs(recipe: AnyRecipe) -> None:
    train = recipe.train
    last = train.max_epochs // train.validate_every * train.validate_every
    if not last:
        raise RecipeError(
            f"No validation would be reached: {counted(train.max_epochs, 'epoch')}, and a "
            f"validation after every {train.validate_every}. Raise train.max_epochs or lower "
            "train.validate_every."
        )
    plan = recipe.adversarial if isinstance(recipe, StainRecipe) else None
    if plan and (last - 1) / train.max_epochs < plan.coarse_share:
        raise RecipeError(
            "The coarse half would train alone until the last validation (coarse_share is "
            f"{plan.coarse_share:g} of {counted(train.max_epochs, 'epoch')}), so that there would "
            "be no model to choose. Raise train.max_epochs, or lower train.validate_every or "
            "adversarial.coarse_share."
        )


def _check_ranges(recipe: AnyRecipe) -> None:
    if isinstance(recipe, GenerateRecipe):
        return
    scaling = recipe.data.normalisation
    if scaling.kind == "percentile" and not scaling.low < scaling.high:
        raise RecipeError("data.normalisation: low must lie below high.")
    augment: AugmentRecipe | None = recipe.data.augment
    if augment and not 0 < augment.scale[0] <= augment.scale[1]:
        raise RecipeError(
            "data.augment.scale should be the smallest and the largest magnification, both above "
            "0, for example [0.8, 1.25]."
        )
    if augment:
        _check_augmentation(augment, recipe.data.crop_size)


def _check_augmentation(augment: AugmentRecipe, size: int) -> None:
    if blur_reach(augment.blur) >= size:
        raise RecipeError(
            f"data.augment.blur is {augment.blur:g} px, too much for a crop of {size} px: a third "
            "of the crop is the most."
        )
    window = window_of(size, augment)
    if window > _LARGEST_WINDOW * size:
        raise RecipeError(
            f"data.augment: a crop of {size} px would be made from {window:,} px. Raise the "
            "smallest scale or lower elastic."
        )


def _check_network(recipe: AnyRecipe) -> None:
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


def _network(recipe: AnyRecipe) -> torch.nn.Module:
    _check_arguments(recipe)
    architecture = recipe.network.architecture
    try:
        with torch.device("meta"):  # no memory, no random numbers
            network: torch.nn.Module = build_network(architecture, network_arguments(recipe))
    except Exception as error:  # of any kind: arguments may be of any type
        known = isinstance(error, UnknownArchitectureError)
        reason = str(error.__cause__ if known else error).rstrip(".")
        raise RecipeError(
            f"network.arguments of {architecture} do not make a network: {reason}."
        ) from error
    return network


def _told(recipe: AnyRecipe) -> set[str]:
    if isinstance(recipe, GenerateRecipe):
        return set(recipe.told)
    return {"in_channels", "out_channels"}


def _check_arguments(recipe: AnyRecipe) -> None:
    architecture, asked = recipe.network.architecture, recipe.network.arguments
    told = _told(recipe)
    if doubled := sorted(told & set(asked)):
        raise RecipeError(
            f"network.arguments: leave out “{doubled[0]}”; it follows from the block data."
        )
    if architecture not in ARCHITECTURES:
        raise RecipeError(
            f"There is no network.architecture “{architecture}”; there are "
            f"{', '.join(sorted(ARCHITECTURES))}."
        )
    known = _arguments_of(architecture) - told
    if unknown := sorted(set(asked) - known):
        close = get_close_matches(unknown[0], known, 1)
        meant = f" Is “{close[0]}” meant?" if close else ""
        raise RecipeError(
            f"network.arguments: {architecture} has no “{unknown[0]}”.{meant} It has "
            f"{', '.join(sorted(known))}."
        )


def _arguments_of(architecture: str) -> set[str]:
    module, _, name = ARCHITECTURES[architecture].partition(":")
    build: Any = getattr(import_module(module), name)
    return set(inspect.signature(build).parameters)


def _check_critic(recipe: GenerateRecipe, plan: GanObjective) -> None:
    try:
        check_size(recipe.data.crop_size, plan.critic_widths)
    except ValueError as error:
        raise RecipeError(f"objective.critic_widths: {error}.") from error


def _check_discriminator(recipe: StainRecipe) -> None:
    plan = recipe.adversarial
    assert plan is not None
    # the coarse half is judged first, at half the resolution
    size = recipe.data.crop_size // (2 if plan.coarse_share else 1)
    try:
        with torch.device("meta"):
            judge = MultiScaleDiscriminator(1 + 1, plan.scales, 2, plan.layers, plan.spectral)
            judge(torch.empty(2, 1, size, size), torch.empty(2, 1, size, size))
    except (RuntimeError, ValueError) as error:
        raise RecipeError(
            f"adversarial: {plan.scales} scales of {plan.layers} layers are too many for a crop "
            f"of {recipe.data.crop_size} px. Lower them, or raise data.crop_size."
        ) from error
