"""Trainings of the Train widget, in the user's folder of data: begun, waiting, kept, discarded."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.errors import InputError, OutputError, RecipeError
from napari_cytosynth.files import explained_errors, replace_file
from napari_cytosynth.training.reports.records import CHOSEN, LAST, LOCK, RECIPE
from napari_cytosynth.zoo.card.record import LONGEST_NAME
from napari_cytosynth.zoo.own import models_folder
from napari_cytosynth.zoo.settings import home

from .plan import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "BUSY",
    "OwnRun",
    "begin_run",
    "check_alone",
    "free_name",
    "keep_model",
    "lock_file",
    "waiting_runs",
]

BUSY = (
    "Another training is under way on this machine, and a second one would make both slow: wait "
    "for it, or stop it."
)
"""Sentence for a second training."""
_SESSION = "session.json"
_LONGEST = LONGEST_NAME - 4  # with a number behind it


@dataclass(frozen=True)
class OwnRun:
    """A training in the user's folder.

    Attributes
    ----------
    folder
        Its folder, whose name is that of the new model.
    model
        The model that it starts from, as `load_model` takes it.
    data_dir
        Folder of its images and truth. None: they were copied into `folder`.
    """

    folder: Path
    model: str
    data_dir: Path | None

    @property
    def name(self) -> str:
        """Name of the new model."""
        return self.folder.name

    @property
    def begun(self) -> bool:
        """Whether there is something to go on with."""
        return any((self.folder / name).is_file() for name in (LAST, CHOSEN))

    @property
    def finished(self) -> bool:
        """Whether its model is there."""
        return (self.folder / CHOSEN).is_file()

    def discard(self) -> None:
        """Delete all of it.

        Raises
        ------
        OutputError
            If it cannot be deleted, or is being trained in another window.
        """
        self._check_idle()
        with explained_errors(self.folder):
            shutil.rmtree(self.folder)

    def _check_idle(self) -> None:
        if _is_held(self.folder / LOCK):
            raise OutputError(
                f"“{self.name}” is being trained by another process: stop it there first."
            )


def _is_held(lock: Path) -> bool:
    """Return whether a process holds a file lock."""
    if not lock.exists():
        return False
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def check_alone() -> None:
    """Check that no training of the widget is under way, in any window.

    Raises
    ------
    RecipeError
        If one is.
    """
    if _is_held(lock_file()):
        raise RecipeError(BUSY)


def _runs_folder() -> Path:
    return home() / "training"


def lock_file() -> Path:
    """Return the file of which one training at a time has the lock."""
    return _runs_folder() / ".lock"


def free_name(wanted: str) -> str:
    """Return a name for a model that no other one has, as like the wanted one as possible."""
    plain = plain_name(wanted)[:_LONGEST]
    name, number = plain, 1
    while any((place / name).exists() for place in (models_folder(), _runs_folder())):
        number += 1
        name = f"{plain}-{number}"
    return name


def begin_run(name: str, model: str, data_dir: Path | None) -> OwnRun:
    """Make the folder of a new training.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    run = OwnRun(_runs_folder() / free_name(name), model, data_dir)
    session = {"model": model, "data_dir": None if data_dir is None else str(data_dir)}
    with explained_errors(run.folder):
        run.folder.mkdir(parents=True)
        replace_file(run.folder / _SESSION, json.dumps(session).encode())
    return run


def waiting_runs() -> list[OwnRun]:
    """Return trainings that were paused, or whose model was neither kept nor discarded.

    The newest first.
    """
    found = [run for run in _read_runs() if run.begun]
    return sorted(found, key=lambda run: run.folder.stat().st_mtime, reverse=True)


def _read_runs() -> Iterator[OwnRun]:
    try:
        folders = [each for each in _runs_folder().iterdir() if (each / RECIPE).is_file()]
    except OSError:  # there are none, or none that can be read
        return
    for folder in folders:
        try:
            session = json.loads((folder / _SESSION).read_text("utf-8"))
            place = session["data_dir"]
            run = OwnRun(folder, str(session["model"]), None if place is None else Path(place))
        except (OSError, ValueError, KeyError, TypeError):  # not of the widget
            continue
        yield run


def keep_model(run: OwnRun, model: Path) -> Path:
    """Move the model of a training to the user's own models, and delete the rest.

    Parameters
    ----------
    run
        The training.
    model
        Folder of its model.

    Returns
    -------
    Path
        Where the model is now.

    Raises
    ------
    InputError
        If the model is gone.
    OutputError
        If it cannot be moved.
    """
    if not model.is_dir():
        raise InputError(f"The model is no longer in “{model}”.")
    place = models_folder() / run.name
    if place.exists():
        raise OutputError(f"There is a model in “{place}” already: move it away first.")
    with explained_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        model.rename(place)
    run.discard()
    return place
