"""Training in rounds: each starts from the weights of the one before, with a new schedule."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.recipe.base import HARDWARE
from napari_cytosynth.training.recipe.files import in_words
from napari_cytosynth.training.recipe.settings import dotted, put
from napari_cytosynth.training.reports.records import read_record
from napari_cytosynth.training.reports.run_folder import CHOSEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_cytosynth.training.recipe.base import Recipe

# blocks that a round may change: not targets, files or machine
_OWN = ("train", "objective", "loss", "adversarial")
_OWN_DATA = (
    "augment",
    "crop_size",
    "crops_per_epoch",
    "foreground_level",
    "foreground_share",
    "sampling",
    "split",
    "validation_crops",
)
_SEEDS = 1000  # between rounds, so that repeats with the next seeds draw other crops too

__all__ = [
    "earlier_rounds",
    "in_round",
    "is_done",
    "is_of_a_round",
    "round_folder",
    "spent",
    "starting_from",
]


def earlier_rounds(recipe: Recipe) -> list[Recipe]:
    """Return the recipes of all rounds but the last, which is the recipe itself.

    Each draws other crops, by a seed of its own, as does the last (see :func:`starting_from`).

    Raises
    ------
    RecipeError
        If a round changes an unknown setting, or one that is the same in all rounds.
    """
    found = []
    for number, settings in enumerate(recipe.rounds, 1):
        seed = {"train.seed": recipe.train.seed + _SEEDS * (number - 1)}
        with in_round(number):
            own = dotted(settings)
            _check_keys(own)
            found.append(_changed(recipe, {"rounds": [], **seed, **own}))
    return found


@contextmanager
def in_round(number: int) -> Iterator[None]:
    """Prefix a RecipeError with the number of the earlier round that it concerns."""
    try:
        yield
    except RecipeError as error:
        raise RecipeError(f"In round {number} of the block rounds: {error}") from error


def _check_keys(settings: Iterable[str]) -> None:
    for key in settings:
        block, _, rest = key.partition(".")
        name = rest.partition(".")[0]
        if block == "data" and name in _OWN_DATA:
            continue
        if not rest or block not in _OWN or (block == "train" and name in HARDWARE):
            raise RecipeError(f"“{key}” is the same in all rounds; set it for the whole recipe.")


def starting_from(recipe: Recipe, number: int, out: Path) -> Recipe:
    """Return the recipe of a round, set to start from the model of the round before.

    Parameters
    ----------
    recipe
        Recipe of the round: that of the run, or one of its :func:`earlier_rounds`.
    number
        Number of the round, from 1.
    out
        Folder of the whole run.
    """
    if number == 1:
        return recipe
    settings: dict[str, Any] = {
        "network.start_from": str(round_folder(out, number - 1) / recipe.name)
    }
    if recipe.rounds:  # the last one; the others have theirs
        settings["train.seed"] = recipe.train.seed + _SEEDS * (number - 1)
    return _changed(recipe, settings)


def round_folder(out: Path, number: int) -> Path:
    """Return the run folder of a round other than the last."""
    return out / f"round-{number}"


def is_of_a_round(model: str) -> bool:
    """Return whether a path is that of the model of an earlier round."""
    return Path(model).parent.name.startswith("round-")


def is_done(recipe: Recipe, folder: Path) -> bool:
    """Return whether a round has written its model."""
    written = (CHOSEN, f"{recipe.name}/README.md")
    return all((folder / name).is_file() for name in written)


def spent(out: Path, number: int) -> dict[str, float]:
    """Return the optimiser steps and seconds of all rounds before one.

    Parameters
    ----------
    out
        Folder of the whole run.
    number
        Number of the round; the one before it has counted those before that.

    Raises
    ------
    RecipeError
        If the folder of the round before it is gone.
    """
    if number == 1:
        return {"steps": 0, "seconds": 0.0}
    folder = round_folder(out, number - 1)
    record = read_record(folder / CHOSEN)
    if not record:
        raise RecipeError(
            f"{folder} is gone, which tells how long the training took: choose another --out."
        )
    return {key: record[key] for key in ("steps", "seconds")}


def _changed(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """Return a recipe with some settings changed: dotted key -> value."""
    tree = recipe.model_dump(mode="json")
    for key, value in settings.items():
        put(tree, key, value)
    try:
        return type(recipe).model_validate(tree)
    except ValidationError as error:
        raise RecipeError(f"\n{in_words(error)}") from error
