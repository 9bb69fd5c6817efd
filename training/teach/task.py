"""``cytosynth.fine_tune``: a model taught by a few annotated images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import check_flag, check_number, check_whole
from napari_cytosynth.errors import CytosynthError, RecipeError
from napari_cytosynth.files import explained_errors, user_path
from napari_cytosynth.outcome import TRAIN_EXTRA, explain
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.zoo.fit import without_triton
from napari_cytosynth.zoo.loading import load_model

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.recipe.base import Recipe
    from napari_cytosynth.zoo.loading import Model

    from .segment.synthetic import SyntheticImages

__all__ = [
    "PreparedTuning",
    "begin_folder",
    "fine_tune",
    "prepare",
    "prepare_folder",
    "prepare_planes",
]

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

    recipe: Recipe
    recipe_file: Path
    data_dir: Path
    out: Path


def fine_tune(
    model: str | os.PathLike[str] | Model,
    pairs: Sequence[tuple[Any, ...]],
    out: str | os.PathLike[str],
    *,
    sparse: bool = True,
    synthetic: Any = None,
    synthetic_share: float = 0.5,
    rare_boost: float = 1.0,
    from_scratch: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Teach a model your images: strokes or objects, measured stains, or images alone.

    Parameters
    ----------
    model
        Model to start from, as in :func:`~napari_cytosynth.load_model`.
    pairs
        What is learned, of arrays or layers, copied when the training begins.

        For a model that segments: (image, labels), both (Y, X) or stacks of planes (…, Y, X); or
        (image, labels, annotated), with the labels and the mask ``annotated`` that Segment saves:
        1 where all is known, 2 where only the class of the pixel is, 0 elsewhere. Of stacks,
        planes without annotation are left out.

        For a virtual stainer: (image, stains). The image is (…, Y, X), of several channels or
        focal planes (…, K, Y, X), or a list of K. Stains are a dictionary: name, as of the model,
        -> image; those that are left out, the new model does not make. Layers count where they
        lie in the world: they are cut to the overlap, and resampled to the image.

        For a generator: images (…, Y, X) or (…, C, Y, X); with classes, (image, class) each.
    out
        Folder of the run. If the same training was interrupted there, it goes on.
    sparse
        For a model that segments: in labels of pairs of two, 0 is unpainted, 1 background, and 2
        and up are objects. An object with paint all around teaches its outline, another one only
        where it is painted.
        False: 0 is background, and everything is known. Default: True.
    synthetic
        For a model that segments: images with masks of :func:`~napari_cytosynth.generate` that are
        learned beside the pairs; with no pairs, alone. None (default): none.
    synthetic_share
        Part of the crops that is of synthetic images, from 0 to 0.9. Default: 0.5.
    rare_boost
        How many times as often the third of the synthetic images with the least covered is drawn,
        from 1 to 10. Default: 1, all alike.
    from_scratch
        Begin with random weights instead of the model's, of which only the form is taken: network,
        channels, scaling of the image, pixel size. It needs far more images and time.
        Default: False.
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
    One in five objects and strokes is held out of training, or one in five images (of fewer than
    five, a fifth of each); before and after are measured on these: a loss, and IoU, AP or, of
    stains, PCC. Where there is too little to hold any out, the card says “not validated”.

    What a stainer's card says of its errors and doubts was measured on the weights of before, and
    is left out; so is what a generator's card says of its images.
    """
    report = resolve_progress(progress)
    try:
        made = None if synthetic is None else _synthetic(synthetic, synthetic_share, rare_boost)
        prepared = prepare(
            model,
            pairs,
            out,
            sparse=sparse,
            synthetic=made,
            from_scratch=from_scratch,
            minutes=minutes,
            steps=steps,
            seed=seed,
        )
        with without_triton(), explained_errors(prepared.out):  # called beside napari's window
            from napari_cytosynth.training.run.fit import train

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
    synthetic: SyntheticImages | None = None,
    from_scratch: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> PreparedTuning:
    """Write the material and the recipe of :func:`fine_tune`; nothing is trained.

    Parameters
    ----------
    model, pairs, out, sparse, from_scratch, minutes, steps, seed
        See :func:`fine_tune`.
    synthetic
        Images with masks beside the pairs. Default: none.

    Raises
    ------
    CytosynthError
        As :func:`fine_tune` does.
    """
    from .kinds import kind_of

    source = load_model(model, "cpu")
    kind = kind_of(source.card)
    sparse = check_flag(sparse, "sparse")
    alone = synthetic is not None and not len(pairs)
    planes = [] if alone else kind.read(pairs, source.card, sparse)
    return prepare_planes(
        source,
        planes,
        out,
        synthetic=synthetic,
        from_scratch=from_scratch,
        minutes=minutes,
        steps=steps,
        seed=seed,
    )


def _synthetic(generation: Any, share: float, boost: float) -> SyntheticImages:
    from .segment.synthetic import SyntheticImages

    return SyntheticImages.of(generation, share, boost)


def prepare_planes(
    model: str | os.PathLike[str] | Model,
    planes: Sequence[Any],
    out: str | os.PathLike[str],
    *,
    synthetic: SyntheticImages | None = None,
    from_scratch: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> PreparedTuning:
    """Write the material and the recipe of a fine-tuning on planes that were read already.

    Parameters
    ----------
    planes
        Of :attr:`.kinds.TuningKind.read`.
    synthetic
        See :func:`prepare`.
    model, out, from_scratch, minutes, steps, seed
        See :func:`fine_tune`.

    Raises
    ------
    CytosynthError
        As :func:`fine_tune` does.
    """
    from .kinds import kind_of
    from .material import write_material
    from .plan import STEPS, TuningPlan, plain_name
    from .recipe import tuning_recipe

    seed = check_whole(seed, "seed", 0, 2**31)
    if steps is not None:
        steps = check_whole(steps, "steps", 1, _MOST_STEPS)
    if minutes is not None:
        minutes = check_number(minutes, "minutes", 0.01, _MOST_MINUTES)
    folder, source = user_path(out).absolute(), _start(model, from_scratch, seed)
    kind = kind_of(source.card)
    plan = TuningPlan(
        "",
        plain_name(folder.name),
        steps=steps or STEPS,
        minutes=minutes,
        seed=seed,
        fresh=from_scratch,
    )
    if synthetic is None:
        source = kind.narrowed(source, planes)
        plan, files = kind.lesson(source.card, planes, plan)
    else:
        plan, files = kind.with_synthetic(source.card, planes, plan, synthetic)
    recipe = tuning_recipe(source.card, replace(plan, start=_place(source, folder)))
    data_dir = write_material(folder, files)
    return PreparedTuning(recipe, begin_folder(recipe, folder), data_dir, folder)


def prepare_folder(
    model: str | os.PathLike[str] | Model,
    data_dir: Path,
    out: Path,
    *,
    from_scratch: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> PreparedTuning:
    """Write the recipe of a fine-tuning on a folder of images and truth, which stays as it is.

    Parameters
    ----------
    data_dir
        As ``cytosynth train --from`` takes it.
    model, out, from_scratch, minutes, steps, seed
        See :func:`fine_tune`.

    Raises
    ------
    CytosynthError
        If the model cannot be fine-tuned, or a folder is missing.
    """
    from .plan import STEPS
    from .recipe import folder_plan, tuning_recipe

    source = _start(model, from_scratch, seed)
    plan = replace(
        folder_plan(source.card, "", data_dir),
        name=out.name,
        minutes=minutes,
        steps=steps or STEPS,
        seed=seed,
        fresh=from_scratch,
        datasets=(f"{data_dir.name} (own images)",),
    )
    recipe = tuning_recipe(source.card, replace(plan, start=_place(source, out)))
    return PreparedTuning(recipe, begin_folder(recipe, out), data_dir, out)


def _start(model: str | os.PathLike[str] | Model, from_scratch: bool, seed: int) -> Model:
    """Return the model that a training begins with."""
    from .scratch import untrained

    source = load_model(model, "cpu")
    return untrained(source, seed) if check_flag(from_scratch, "from_scratch") else source


def _place(model: Model, out: Path) -> str:
    """Return where a training finds the model that it starts from."""
    if model.path is None:
        from napari_cytosynth.zoo.model_files import save_model

        return str(save_model(out / "start", model.network, model.card))
    return str(model.path.absolute()) if model.origin == "path" else model.source


def begin_folder(recipe: Recipe, out: Path) -> Path:
    """Write the recipe, unless a run has begun there, which keeps its own to be compared."""
    from napari_cytosynth.training.reports.run_folder import holds_run, write_recipe

    if not holds_run(out):
        with explained_errors(out):
            write_recipe(recipe, out)
    return out / "recipe.yaml"
