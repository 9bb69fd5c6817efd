"""What the job of the Train widget does: material, training in another process, comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import Cancelled, CytosynthError
from napari_cytosynth.outcome import TRAIN_EXTRA, explain

from .inputs.shift import ShiftOffer, find_shift
from .material import annotated_planes
from .order import TrainOrder, TrainResult
from .preview import preview_window
from .result.both import compare_models

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.teach.process.messages import Event, Tuned
    from napari_cytosynth.training.teach.runs import OwnRun
    from napari_cytosynth.zoo.card import ModelCard

    from .preview import PreviewWindow

__all__ = ["TrainOrder", "TrainResult", "check_folder", "train"]

_BY_COMMAND = "Lower train.learning_rate, and look for broken images with --check."
_BY_FORM = "Look for broken pixels in the images, paint more, or start from another model."


def train(
    order: TrainOrder,
    tune: Callable[..., Tuned],
    on_begin: Callable[[tuple[OwnRun, PreviewWindow | None]], None],
    on_event: Callable[[Event], None],
    enough: threading.Event,
    progress: Progress,
) -> TrainResult | ShiftOffer:
    """Train as ordered, or return a shift that the user ought to know of first.

    Parameters
    ----------
    order
        The order.
    tune
        Does the training: :func:`~napari_cytosynth.training.teach.process.run.tune_in_process`.
    on_begin
        Called with the training once it has its folder, and the window of its preview.
    on_event
        Called with losses and scores.
    enough
        Ends the training early once it is set.
    progress
        May raise `Cancelled`.

    Raises
    ------
    CytosynthError
        If something is missing, or the training could not go on.
    """
    try:
        from napari_cytosynth.training.teach.process.messages import TuningRequest
        from napari_cytosynth.training.teach.runs import begin_run, check_alone, lock_file

        check_alone()
        progress(0, 0, "Looking at what is learned")
        planes = () if order.resume else _planes(order)
        if order.offer_shift and planes and (offer := find_shift(planes)):
            return offer
    except ImportError as error:
        raise CytosynthError(explain(error, TRAIN_EXTRA)) from error
    run = order.resume or begin_run(order.name, order.model, order.data_dir)
    window = preview_window(order.pairs)
    on_begin((run, window))
    request = TuningRequest(
        run.model,
        run.folder,
        lock_file(),
        planes,
        run.data_dir,
        order.minutes,
        order.steps,
        order.seed,
        None if window is None else window.pixels,
        order.synthetic,
        order.from_scratch,
    )
    try:
        tuned = tune(request, on_event, progress, enough)
    except Cancelled:
        raise
    except CytosynthError as error:
        raise CytosynthError(str(error).replace(_BY_COMMAND, _BY_FORM)) from error
    # the start model under another name needs no comparison
    return _compared(order, run, tuned, progress) if tuned.better else TrainResult(run, tuned)


def _planes(order: TrainOrder) -> tuple[Any, ...]:
    """Return copies of what is learned; none of a folder."""
    from napari_cytosynth.training.teach.kinds import kind_of

    card = order.card
    if card is None and order.taught:
        from napari_cytosynth.zoo.loading import load_model

        card = load_model(order.model, "cpu").card
    if card is not None:
        kind = kind_of(card)
        if order.taught:
            return tuple(kind.read(order.taught, card, False))
    if order.data_dir is not None:
        return ()
    if order.synthetic is not None and not order.pairs:
        return ()
    return tuple(annotated_planes(order.pairs, sparse=order.sparse))


def _compared(order: TrainOrder, run: OwnRun, tuned: Tuned, progress: Progress) -> TrainResult:
    """Let both models work on the plane with the most annotation, or from the same noise."""
    try:
        before, after = compare_models(order, run, tuned, progress)
    except Cancelled:
        raise
    except (CytosynthError, OSError) as error:  # the model is none the worse for it
        return TrainResult(run, tuned, messages=[f"They could not be compared: {error}"])
    return TrainResult(run, tuned, before, after)


def check_folder(card: ModelCard, model: str, folder: Path) -> list[tuple[str, str]]:
    """Look at a folder as ``cytosynth train --from MODEL --check`` does.

    Parameters
    ----------
    card, model
        The model to start from.
    folder
        The folder.

    Returns
    -------
    list of (str, str)
        ``error``, ``warning`` or ``fact``, and a sentence; errors first.

    Raises
    ------
    CytosynthError
        If the model cannot be fine-tuned, or the folder holds no truth.
    """
    try:
        from napari_cytosynth.training.check.check import check_data
        from napari_cytosynth.training.teach.recipe import folder_plan, tuning_recipe

        recipe = tuning_recipe(card, folder_plan(card, model, folder))
        found = check_data(recipe, folder)
    except ImportError as error:
        raise CytosynthError(explain(error, TRAIN_EXTRA)) from error
    kinds = (("error", found.errors), ("warning", found.warnings), ("fact", found.facts))
    return [(kind, sentence) for kind, sentences in kinds for sentence in sentences]
