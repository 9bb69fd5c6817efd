"""Copies of a model: to a folder for another computer, and from a folder to the own models."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cytosynth.errors import CorruptWeightsError, InputError, OutputError
from napari_cytosynth.files import check_space, explained_errors, scratch_folder, user_path
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.zoo.card.record import is_name
from napari_cytosynth.zoo.catalogue import bundled_folder, find_entry
from napari_cytosynth.zoo.model_files import (
    CARD_FILE,
    README_FILE,
    WEIGHTS_FILE,
    file_sha256,
    load_network,
    read_card,
    weights_file,
)
from napari_cytosynth.zoo.model_page import render_readme
from napari_cytosynth.zoo.opening import open_regular, read_limited
from napari_cytosynth.zoo.own import models_folder, own_folder
from napari_cytosynth.zoo.text import one_line

from .places import folder_of

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from napari_cytosynth.progress import Progress

__all__ = ["Added", "add_model", "copy_model"]

_BLOCK = 1 << 20
_MOST_NAMES = 1000


@dataclass(frozen=True)
class Added:
    """Result of `add_model`."""

    name: str
    """By which `load_model` and the widgets know it."""
    message: str
    """What is to be known about it, as a sentence."""


def copy_model(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
) -> Path:
    """Copy a model of this machine into a folder, for example on a stick.

    Parameters
    ----------
    source
        As `load_model` takes it. Nothing is downloaded.
    folder
        Where to put it; a folder of the model's name is made there.
    progress
        Called with the bytes and their total. If it raises `Cancelled`, nothing is left.

    Returns
    -------
    Path
        The new folder, which `add_model` takes on the other computer.

    Raises
    ------
    ModelNotFoundError
        If the model is not on this machine.
    CorruptWeightsError
        If what was written is not what was read.
    OutputError
        If it cannot be written, or there is something of that name already.
    """
    path = folder_of(source)
    target = user_path(folder) / read_card(path).name
    if target.exists():
        raise OutputError(
            f"There is a “{target}” already. Remove it first, or choose another folder."
        )
    return _copy(path, target, progress)


def add_model(
    source: str | os.PathLike[str], progress: Progress | None = None, *, name: str | None = None
) -> Added:
    """Add a model from a folder, for example of a stick, to the own models of this machine.

    Its files are copied, so that the folder may go.

    Parameters
    ----------
    source
        Folder of a model, or a lone ``model.safetensors`` that carries its card.
    progress
        Called with the bytes and their total. If it raises `Cancelled`, nothing is left.
    name
        Name to know it by. None (default): that on its card, with a number where the
        name is taken.

    Raises
    ------
    ModelError
        If there is no model, or it cannot be used.
    InputError
        If the given name is taken, or cannot be one.
    OutputError
        If it cannot be written.
    """
    path = user_path(source)
    _, card = load_network(path)  # whatever is wrong with it is said now
    wanted = card.name if name is None else name
    same = own_folder(wanted) or bundled_folder(wanted)
    if same is not None and _are_alike(same, path):
        return Added(wanted, f"“{wanted}” is here already.")
    free = _free_name(wanted, name is not None)
    _copy(path, models_folder() / free, progress)
    if free != wanted:
        return Added(free, f"Added as “{free}”, since there is another “{wanted}”.")
    return Added(free, f"Added “{free}”.")


def _are_alike(one: Path, other: Path) -> bool:
    """Return whether weights and cards are the same; a card may have been corrected."""
    weights = [file_sha256(weights_file(path)) for path in (one, other)]
    return weights[0] == weights[1] and read_card(one) == read_card(other)


def _free_name(wanted: str, strict: bool) -> str:
    if not is_name(wanted) or wanted[0] in "-.":  # an option, a hidden folder
        raise InputError(
            f"“{one_line(wanted, 100)}” cannot be the name of a model: use letters, digits, . _ - "
            "and begin with none of . and -"
        )
    if _is_free(wanted):
        return wanted
    if strict:
        raise InputError(f"There is another model called “{wanted}”. Give a name of its own.")
    names = (f"{wanted[:90]}-{number}" for number in range(2, _MOST_NAMES))
    return next(filter(_is_free, names))


def _is_free(name: str) -> bool:
    return find_entry(name) is None and not (models_folder() / name).exists()


def _copy(source: Path, target: Path, progress: Progress | None) -> Path:
    report = resolve_progress(progress)
    weights = weights_file(source)
    size = weights.stat().st_size
    check_space(target, size)
    with explained_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(target.parent) as scratch:
            copy = scratch / target.name
            copy.mkdir()
            sha256 = _copy_weights(weights, copy / WEIGHTS_FILE, size, report)
            (copy / CARD_FILE).write_bytes(_card_of(source))
            page = render_readme(read_card(source))
            (copy / README_FILE).write_text(page, "utf-8")
            if file_sha256(copy / WEIGHTS_FILE) != sha256:
                raise CorruptWeightsError(
                    f"What was written to “{target}” is not what was read: the disk or the stick "
                    "may be damaged. Try another one."
                )
            copy.rename(target)
    report(size, size, f"Copying {target.name}")
    return target


def _copy_weights(source: Path, target: Path, size: int, progress: Progress) -> str:
    """Copy a file; return the SHA-256 of what was read."""
    digest = hashlib.sha256()
    with open_regular(source) as (file, _), target.open("xb") as copy:
        while block := file.read(_BLOCK):
            progress(min(copy.tell(), max(size - 1, 0)), max(size, 1), f"Copying {source.name}")
            copy.write(block)
            digest.update(block)
    return digest.hexdigest()


def _card_of(source: Path) -> bytes:
    config = source / CARD_FILE
    if source.is_dir() and config.is_file():
        return read_limited(config)
    return read_card(source).model_dump_json(indent=2).encode() + b"\n"
