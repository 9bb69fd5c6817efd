"""``cytosynth.fine_tune``: a model taught by a few annotated images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import check_flag, check_number, check_whole
from napari_cytosynth.errors import CytosynthError, RecipeError
from napari_cytosynth.files import explained_errors, user_path
from napari_cytosynth.outcome import TRAIN_EXTRA, explain
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.zoo.loading import load_model

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.segment.recipe import SegmentRecipe
    from napari_cytosynth.zoo.loading import Model

    from .pairs import AnnotatedPlane
    from .strokes import HeldOut

__all__ = ["PreparedTuning", "begin_folder", "fine_tune", "prepare", "prepare_planes"]

_MOST_STEPS, _MOST_MINUTES = 1_000_000, 7 * 24 * 60.0


@dataclass(frozen=True)
class PreparedTuning:
    """A fine-tuning that is ready to run.

    Attributes
    ----------
    recipe
        Its recipe, which also lies in the run folder.
    recipe_file, data_dir, out
        What ``cytosynth train RECIPE --data-dir DATA --out OUT --auto-resume`` takes.
    """

    recipe: SegmentRecipe
    recipe_file: Path
    data_dir: Path
    out: Path


def fine_tune(
    model: str | os.PathLike[str] | Model,
    pairs: Sequence[tuple[Any, ...]],
    out: str | os.PathLike[str],
    *,
    sparse: bool = True,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Teach a segmentation model your images, from a few strokes or corrected objects.

    Parameters
    ----------
    model
        Model to start from, as in :func:`~napari_cytosynth.load_model`.
    pairs
        (image, labels) of arrays or layers, both (Y, X) or stacks of planes (…, Y, X), copied
        when the training begins; or (image, labels, annotated), with the labels and the mask
        ``annotated`` that Segment saves: 1 where all is known, 2 where only the class of the
        pixel is, 0 elsewhere. Of stacks, planes without annotation are left out.
    out
        Folder of the run. If the same training was interrupted there, it goes on.
    sparse
        In labels of pairs of two, 0 is unpainted, 1 background, and 2 and up are objects. An
        object with paint all around teaches its outline, another one only where it is painted.
        False: 0 is background, and everything is known. Default: True.
    minutes
        Time of training and validation, to which the schedule is fitted. None (default): `steps`
        decide.
    steps
        Optimiser steps, rounded up to whole epochs of 30. None (default): 270, or as many as
        `minutes` allow.
    seed
        Of all draws, the held out strokes too. Default: 0.
    progress
        Called after every batch; raising `Cancelled` from it stops the run, which goes on when
        it is called again with the same arguments. None (default): a bar in a console.

    Returns
    -------
    Path
        The new model's folder, for :func:`~napari_cytosynth.load_model`. If nothing of the
        training was better on held out strokes than the start model, these are its weights; the
        card, and ``validation.json`` beside it (``best_epoch`` -1), say so.

    Raises
    ------
    InputError
        If an image, its labels or an argument cannot be used, or too little is annotated.
    ModelError
        If the model cannot be loaded, or models of its kind cannot be fine-tuned.
    RecipeError
        If `out` holds another training, one is running there, or the training diverges.
    OutputError
        If `out` cannot be written.
    CytosynthError
        If the packages of the extra ``train`` are missing.

    Notes
    -----
    One in five objects and strokes is held out of training; before and after are measured on
    these. Of fewer than five objects none is held out, and the card says “not validated”.
    """
    report = resolve_progress(progress)
    try:
        prepared = prepare(
            model, pairs, out, sparse=sparse, minutes=minutes, steps=steps, seed=seed
        )
        from napari_cytosynth.training.run.fit import train

        with explained_errors(prepared.out):
            return train(
                prepared.recipe, prepared.data_dir, prepared.out, resume="auto", progress=report
            )
    except ImportError as error:
        raise CytosynthError(explain(error, TRAIN_EXTRA)) from error
    except RecipeError as error:
        raise RecipeError(str(error).replace("another --out", "another folder")) from error


def prepare(
    model: str | os.PathLike[str] | Model,
    pairs: Sequence[tuple[Any, ...]],
    out: str | os.PathLike[str],
    *,
    sparse: bool = True,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> PreparedTuning:
    """Write the material and the recipe of :func:`fine_tune`; nothing is trained.

    Parameters
    ----------
    model, pairs, out, sparse, minutes, steps, seed
        See :func:`fine_tune`.

    Raises
    ------
    CytosynthError
        As :func:`fine_tune` does.
    """
    from .pairs import read_pairs

    planes = read_pairs(pairs, sparse=check_flag(sparse, "sparse"))
    return prepare_planes(model, planes, out, minutes=minutes, steps=steps, seed=seed)


def prepare_planes(
    model: str | os.PathLike[str] | Model,
    planes: Sequence[AnnotatedPlane],
    out: str | os.PathLike[str],
    *,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> PreparedTuning:
    """Write the material and the recipe of a fine-tuning on planes that were read already.

    Parameters
    ----------
    planes
        Of :func:`~.pairs.read_pairs`.
    model, out, minutes, steps, seed
        See :func:`fine_tune`.

    Raises
    ------
    CytosynthError
        As :func:`fine_tune` does.
    """
    from .material import write_material
    from .recipe import (
        STEPS,
        TuningPlan,
        expected_prevalence,
        plain_name,
        truth_folder,
        tuning_recipe,
    )
    from .strokes import hold_out

    seed = check_whole(seed, "seed", 0, 2**31)
    if steps is not None:
        steps = check_whole(steps, "steps", 1, _MOST_STEPS)
    if minutes is not None:
        minutes = check_number(minutes, "minutes", 0.01, _MOST_MINUTES)
    folder, source = user_path(out).absolute(), load_model(model, "cpu")
    card = source.card
    held_out = hold_out(planes, seed, instances=card.inference.separates_objects)
    plan = TuningPlan(
        start=_place(source, folder),
        name=plain_name(folder.name),
        truth=truth_folder(card),
        annotated=True,
        held_out=bool(held_out.masks),
        prevalence=expected_prevalence(card),
        steps=steps or STEPS,
        minutes=minutes,
        seed=seed,
        datasets=tuple(dict.fromkeys(f"{plane.source} (own annotation)" for plane in planes)),
        remarks=_remarks(held_out, len(planes)),
    )
    recipe = tuning_recipe(card, plan)
    data_dir = write_material(folder, planes, held_out, plan.truth)
    return PreparedTuning(recipe, begin_folder(recipe, folder), data_dir, folder)


def _place(model: Model, out: Path) -> str:
    """Return where a training finds the model that it starts from."""
    if model.path is None:
        from napari_cytosynth.zoo.model_files import save_model

        return str(save_model(out / "start", model.network, model.card))
    return str(model.path.absolute()) if model.origin == "path" else model.source


def _remarks(held_out: HeldOut, planes: int) -> str:
    from napari_cytosynth.training.data.wording import counted

    learned = (
        f"Taught {counted(held_out.objects, 'object')} or strokes of objects in "
        f"{counted(planes, 'image')}."
    )
    if held_out.masks:
        return f"{learned} {held_out.held_objects} of them were held out to validate on."
    return f"{learned} Not validated: too few of them to hold any out."


def begin_folder(recipe: SegmentRecipe, out: Path) -> Path:
    """Write the recipe, unless a run has begun there, which keeps its own to be compared."""
    from napari_cytosynth.training.reports.run_folder import holds_run, write_recipe

    if not holds_run(out):
        with explained_errors(out):
            write_recipe(recipe, out)
    return out / "recipe.yaml"
