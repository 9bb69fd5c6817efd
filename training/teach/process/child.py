"""The process of a fine-tuning: ``python -P -m`` of this module is how it is started."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from napari_cytosynth.outcome import TRAIN_EXTRA
from napari_cytosynth.tasks.common.process.child import Sender, serve

from .messages import Tuned

if TYPE_CHECKING:
    from pathlib import Path

    from lightning import Callback

    from napari_cytosynth.training.teach.task import PreparedTuning

    from .messages import TuningRequest

__all__ = ["main", "tune"]


def _prepared(request: TuningRequest) -> PreparedTuning:
    """Return a run that goes on, or one that begins."""
    from napari_cytosynth.training.reports.records import RECIPE
    from napari_cytosynth.training.tasks import load_recipe
    from napari_cytosynth.training.teach.material import FOLDER
    from napari_cytosynth.training.teach.task import (
        PreparedTuning,
        prepare_folder,
        prepare_planes,
    )

    recipe_file, own = request.out / RECIPE, request.out / FOLDER
    data_dir = request.data_dir or own
    if recipe_file.is_file():
        recipe = load_recipe(str(recipe_file))
        return PreparedTuning(recipe, recipe_file, data_dir, request.out)
    options: dict[str, Any] = {
        name: getattr(request, name) for name in ("from_scratch", "minutes", "steps", "seed")
    }
    if request.data_dir is not None:
        return prepare_folder(request.model, request.data_dir, request.out, **options)
    synthetic = request.synthetic
    return prepare_planes(
        request.model, request.planes, request.out, synthetic=synthetic, **options
    )


def tune(request: TuningRequest, sender: Sender) -> None:
    """Do a fine-tuning, or go on with it, and send what happens.

    Raises
    ------
    CytosynthError
        As :func:`~napari_cytosynth.fine_tune` does, and if another training is under way.
    """
    from napari_cytosynth.files import explained_errors
    from napari_cytosynth.training.loop.limits import EndEarly
    from napari_cytosynth.training.loop.processes import hold_lock
    from napari_cytosynth.training.run.fit import train
    from napari_cytosynth.training.teach.runs import BUSY

    def progress(done: int, total: int, text: str, /) -> None:
        sender.progress(done, total, text)
        if sender.enough.is_set():
            raise EndEarly

    with explained_errors(request.lock.parent):
        request.lock.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(request.lock, BUSY), explained_errors(request.out):
        run = _prepared(request)
        model = train(
            run.recipe,
            run.data_dir,
            run.out,
            resume="auto",
            progress=progress,
            callbacks=_callbacks(request, sender),
        )
    sender.send(_tuned(run.out, model))


def _callbacks(request: TuningRequest, sender: Sender) -> list[Callback]:
    from napari_cytosynth.zoo.loading import load_model

    from .curves import Curves
    from .preview import Preview

    curves = Curves(sender.send)
    if request.window is None:
        return [curves]
    return [Preview(load_model(request.model, "cpu"), request.window, sender.send), curves]


def _tuned(out: Path, model: Path) -> Tuned:
    from napari_cytosynth.training.reports.records import CHOSEN, read_record
    from napari_cytosynth.zoo.model_files import read_card

    record, card = read_record(out / CHOSEN), read_card(model)
    return Tuned(
        model,
        int(record.get("best_epoch", 0)),
        dict(record.get("start_scores") or {}),
        dict(record.get("best_scores") or {}),
        card.training.remarks,
        card.inference.task,
    )


def main() -> int:
    """Do the fine-tuning that is on the standard input; return its status."""
    return serve(tune, Sender, TRAIN_EXTRA)


if __name__ == "__main__":
    sys.exit(main())
