"""Checks before a training begins, or goes on, and the folders of its parts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from napari_cytosynth.errors import OutputError, RecipeError
from napari_cytosynth.training.loop.processes import check_started
from napari_cytosynth.training.reports.run_folder import check_settings, holds_run
from napari_cytosynth.training.tasks import task_of

from .lineage import source_record
from .recipe_check import check_machine, check_recipe
from .rounds import earlier_rounds, round_folder

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.recipe.base import Recipe

__all__ = ["begun_last", "check_begin", "folders_before", "parts"]


def check_begin(recipe: Recipe, out: Path, *, resume: bool | Literal["auto"]) -> None:
    """Check that a recipe can be trained into a folder, or resumed there.

    Parameters
    ----------
    recipe
        Recipe of the whole run.
    out
        Its folder, which need not exist.
    resume
        Go on from the last checkpoint; ``auto``: if there is one.

    Raises
    ------
    RecipeError
        If a setting is impossible or not that of the run in the folder, or if there is one
        although it should begin, or none although it should go on.
    OutputError
        If the folder cannot be made.
    ModelError
        If the model that it starts from cannot be loaded.
    """
    _check_resume(recipe, out, resume)
    for part, folder in parts(recipe, out):
        check_settings(part, folder)
    check_recipe(recipe)
    check_machine(recipe.train)
    check_started(recipe.train)
    _check_place(out)
    if not holds_run(out):
        source_record(recipe)


def _check_resume(recipe: Recipe, out: Path, resume: bool | Literal["auto"]) -> None:
    # of latent diffusion, the first stage goes on by itself
    begun = any(holds_run(folder) for _, folder in parts(recipe, out, first_stage=False))
    if resume is True and not any(holds_run(folder) for _, folder in parts(recipe, out)):
        raise RecipeError(f"There is no run to resume in {out}.")
    if not resume and begun:
        raise RecipeError(f"{out} holds a run already: add --resume, or choose another --out.")


def _check_place(out: Path) -> None:
    place = next((each for each in (out, *out.parents) if each.exists()), out)
    if not (place.is_dir() and os.access(place, os.W_OK)):
        raise OutputError(f"The results cannot be written to “{out}”: choose another --out.")


def parts(recipe: Recipe, out: Path, *, first_stage: bool = True) -> list[tuple[Recipe, Path]]:
    """List the recipes and folders of a run.

    Parameters
    ----------
    recipe
        Recipe of the whole run.
    out
        Its folder.
    first_stage
        Whether the autoencoder of latent diffusion is among them. Default: True.

    Returns
    -------
    list of (recipe, Path)
        The last round first, then the earlier ones, then the first stage.
    """
    earlier = enumerate(earlier_rounds(recipe), 1)
    found: list[tuple[Recipe, Path]] = [
        (recipe, out),
        *((each, round_folder(out, number)) for number, each in earlier),
    ]
    if first_stage and (first := task_of(recipe).first_stage(recipe, out)):
        found.append((first.recipe, first.folder))
    return found


def begun_last(recipe: Recipe, out: Path) -> int:
    """Return the number of the round that was begun last; earlier ones are not needed any more."""
    last = len(recipe.rounds) + 1
    folders = {**{n: round_folder(out, n) for n in range(1, last)}, last: out}
    return max((number for number, folder in folders.items() if holds_run(folder)), default=1)


def folders_before(recipe: Recipe, out: Path, number: int) -> list[Path]:
    """Return the folders of the parts that are trained before a round, the latest first.

    Parameters
    ----------
    recipe
        Recipe of the whole run, or of one of its rounds.
    out
        Folder of the whole run.
    number
        Number of the round, from 1.
    """
    rounds = [round_folder(out, earlier) for earlier in range(number - 1, 0, -1)]
    first = task_of(recipe).first_stage(recipe, out)
    return [*rounds, *([first.folder] if first else [])]
