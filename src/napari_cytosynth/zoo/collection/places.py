"""Where a model lies on this machine, and its removal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.arguments import check_path
from napari_cytosynth.errors import InputError, ModelNotFoundError
from napari_cytosynth.files import explained_errors, scratch_folder
from napari_cytosynth.zoo import hub
from napari_cytosynth.zoo.catalogue import bundled_folder, find_entry
from napari_cytosynth.zoo.opening import existing_path
from napari_cytosynth.zoo.own import holds_model, models_folder, own_folder
from napari_cytosynth.zoo.settings import user_settings
from napari_cytosynth.zoo.text import one_line

from .stars import unstar

if TYPE_CHECKING:
    import os

__all__ = ["folder_of", "remove_model", "split_source"]


def split_source(source: str) -> tuple[str, str | None]:
    """Return repository and revision of a catalogue name or ``org/name[@revision]``.

    Raises
    ------
    ModelNotFoundError
        If it is neither.
    """
    name, _, revision = source.partition("@")
    entry = find_entry(name)
    if entry is not None:
        return entry.repository, revision or entry.revision
    if name.count("/") != 1:
        raise ModelNotFoundError(
            f"“{one_line(source, 100)}” is neither a model of the catalogue nor org/name of the "
            "Hub; “cytosynth models list” shows the models on this machine."
        )
    return name, revision or None


def folder_of(source: str | os.PathLike[str]) -> Path:
    """Return where a model lies, as `load_model` finds it; never uses the network.

    Raises
    ------
    ModelNotFoundError
        If it is not on this machine.
    """
    text = check_path(source, "model")
    path, folder = existing_path(text), bundled_folder(text) or own_folder(text)
    if path is not None and (folder is None or holds_model(path)):
        folder = path
    if folder is None:
        folder = hub.cached(*split_source(text))
    if folder is None:
        shown = one_line(text, 100)
        raise ModelNotFoundError(
            f"“{shown}” is not on this machine; “cytosynth models fetch {shown}” downloads it."
        )
    return folder


def remove_model(source: str) -> int:
    """Delete a model that was downloaded or added; return the bytes that became free.

    A verb that it was the default of has none any more.

    Parameters
    ----------
    source
        Name of an own model, or its path as `list_models` gives it, or ``organisation/name``
        of the Hub, of which every downloaded revision goes.

    Raises
    ------
    InputError
        If it comes with the package.
    ModelNotFoundError
        If there is no such copy.
    OutputError
        If it cannot be deleted.
    """
    source = check_path(source, "model")
    if bundled_folder(source) is not None:
        raise InputError(f"“{source}” comes with the package and cannot be removed.")
    own = own_folder(source) or _own_at(source)
    freed = hub.remove(split_source(source)[0]) if own is None else _delete(own)
    gone = source.partition("@")[0]
    for verb, model in user_settings().models.items():
        if model == source or (own is None and model.partition("@")[0] == gone):
            unstar(verb)
    return freed


def _own_at(source: str) -> Path | None:
    """Return the folder of an own model that is known by its path; None for another path."""
    path = Path(source)
    return own_folder(path.name) if path.parent == models_folder() else None


def _delete(folder: Path) -> int:
    if folder.is_symlink():  # what it points to is not ours
        with explained_errors(folder):
            folder.unlink()
        return 0
    with explained_errors(folder), scratch_folder(folder.parent) as scratch:
        gone = scratch / folder.name
        try:
            folder.rename(gone)  # at once: no half model is left
        except FileNotFoundError as error:
            shown = one_line(folder.name, 100)
            raise ModelNotFoundError(f"“{shown}” has been removed already.") from error
        size = sum(path.stat().st_size for path in gone.rglob("*") if path.is_file())
        shutil.rmtree(gone)
    return size
