"""The catalogue of models known by name, and the models on this machine."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from napari_cytosynth.arguments import check_choice
from napari_cytosynth.errors import ChecksumError, ModelError, ModelNotFoundError

from .bundled import bundled_folder, read_index, write_index
from .hub import Snapshot, cached_snapshots
from .model_files import WEIGHTS_FILE, file_sha256, read_card
from .own import own_folders
from .settings import TASKS
from .text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from .card import Metric, ModelCard

__all__ = [
    "CATALOGUE",
    "CatalogueEntry",
    "ModelInfo",
    "bundled_folder",
    "check_pin",
    "find_entry",
    "list_models",
    "pin",
    "read_catalogue",
    "unknown_name",
]

_LOG = logging.getLogger(__name__)
_warned: set[str] = set()


@dataclass(frozen=True)
class CatalogueEntry:
    """A model of the catalogue: its Hub repository, and the hash of its weights."""

    name: str
    """Name that `load_model` takes, also of the bundled folder."""
    repository: str
    """Hub repository, ``organisation/name``."""
    revision: str | None
    """Commit of the repository (40 hexadecimal digits); None until it is published."""
    sha256: str | None
    """SHA-256 of the weights file; None until it is pinned."""
    task: str
    """The verb it serves: segment, stain, generate or encode."""


@dataclass(frozen=True)
class ModelInfo:
    """Summary of a model on this machine."""

    name: str
    """Short name."""
    task: str
    """The verb it serves: segment, stain, generate or encode."""
    title: str
    """One line: what it does to which images."""
    source: str
    """What to pass to `load_model`."""
    cached: bool
    """True if it can be loaded without a network."""
    size_bytes: int
    """Size of the weights file."""
    licence: str
    """Licence of the weights."""
    metrics: tuple[Metric, ...]
    """Measured figures, each with its data set and command."""
    pixel_size_um: float | None
    """Pixel size of the training images in µm; None if unknown."""
    path: Path
    """Folder on this machine."""
    origin: Literal["bundled", "own", "hub"] = "bundled"
    """Where it comes from: this package, a folder that was added, or the Hub."""
    revision: str | None = None
    """Commit of the Hub repository, for one that was downloaded."""
    data_licence: str = ""
    """Licence or terms of the training data."""
    remarks: str = ""
    """What a user should know about the limits."""


def read_catalogue() -> tuple[CatalogueEntry, ...]:
    """Return the entries of ``weights/index.json`` in the order of their names."""
    index = read_index()
    return tuple(CatalogueEntry(name=name, **index[name]) for name in sorted(index))


def find_entry(name: str) -> CatalogueEntry | None:
    """Return the entry of a short name or of its Hub repository, or None."""
    for entry in read_catalogue():
        if name in (entry.name, entry.repository):
            return entry
    return None


def unknown_name(name: str) -> ModelNotFoundError:
    """Return the error for an unknown model name, with the closest known one."""
    known = [entry.name for entry in read_catalogue()]
    close = get_close_matches(name[:100], known, n=1)
    hint = f" Did you mean “{close[0]}”?" if close else ""
    return ModelNotFoundError(
        f"There is no model called “{one_line(name, 100)}”.{hint} Give one of {', '.join(known)}; "
        "a Hub repository as “organisation/name”; or the path of a model's folder."
    )


def check_pin(entry: CatalogueEntry, sha256: str, path: Path) -> None:
    """Check the hash of a weights file against the catalogue.

    Raises
    ------
    ChecksumError
        If the catalogue pins other bytes; the message names both hashes.
    """
    if entry.sha256 is not None and entry.sha256 != sha256:
        raise ChecksumError(
            f"The weights of “{entry.name}” in “{path}” are not the published ones: their "
            f"SHA-256 is {sha256}, but it should be {entry.sha256}. Install the package again, "
            f"or remove a downloaded copy with: cytosynth models remove {entry.repository}"
        )


def pin(name: str, *, revision: str | None = None) -> CatalogueEntry:
    """Pin the SHA-256 of a bundled model in the catalogue, before publishing.

    Parameters
    ----------
    name
        Name of a bundled model; a new one is added to the catalogue.
    revision
        Commit of the Hub repository that holds the same file; None (default) keeps what is there.

    Raises
    ------
    ModelNotFoundError
        If no bundled folder of that name holds weights.
    """
    folder = bundled_folder(name)
    if folder is None:
        raise ModelNotFoundError(f"No bundled model is called “{name}”; nothing to pin.")
    index = read_index()
    old = index.get(name, {"repository": f"napari-cytosynth/{name}", "revision": None})
    index[name] = {
        "repository": old["repository"],
        "revision": revision or old["revision"],
        "sha256": file_sha256(folder / WEIGHTS_FILE),
        "task": read_card(folder).inference.task,
    }
    write_index(index)
    return CatalogueEntry(name=name, **index[name])


def list_models(task: str | None = None) -> list[ModelInfo]:
    """List the models on this machine: the bundled, the added, then the downloaded ones.

    Parameters
    ----------
    task
        "segment", "stain", "generate" or "encode" to list only these; None (default) for all.

    Returns
    -------
    list of ModelInfo
        Each of the three kinds sorted by name. Neither torch nor the network is used.

    Raises
    ------
    InputError
        If `task` is none of the four.
    """
    if task is not None:
        check_choice(task, "task", TASKS)
    models = _bundled_models() + _own_models() + _cached_models()
    return [model for model in models if task in (None, model.task)]


def _bundled_models() -> list[ModelInfo]:
    found = []
    for entry in read_catalogue():
        folder = bundled_folder(entry.name)
        if folder is None:
            continue
        try:
            card = read_card(folder)
        except ModelError as error:  # the other models are none the worse for it
            _warn_once(entry.name, error)
            continue
        found.append(_info(card, entry.name, entry.name, folder))
    return found


def _own_models() -> list[ModelInfo]:
    """Return the models that were added from a folder."""
    found = []
    for folder in own_folders():
        try:
            card = read_card(folder)
        except ModelError as error:
            _warn_once(folder.name, error)
            continue
        # its name alone would be taken for the bundled model
        source = str(folder) if bundled_folder(folder.name) else folder.name
        found.append(_info(card, folder.name, source, folder, "own"))
    return found


def _warn_once(name: str, error: ModelError) -> None:
    if name not in _warned:
        _warned.add(name)
        _LOG.warning("The model “%s” is left out of the list: %s", name, error)


def _cached_models() -> list[ModelInfo]:
    """Return the models of this package in the Hub's cache, which other programs fill too."""
    found = []
    for snapshot in cached_snapshots():
        entry = find_entry(snapshot.repository)
        if entry is not None and bundled_folder(entry.name) is not None:
            continue
        try:
            card = read_card(snapshot.folder)
        except ModelError:  # another program's model
            continue
        name = entry.name if entry else card.name
        source = _cached_source(snapshot, entry)
        found.append(_info(card, name, source, snapshot.folder, "hub", snapshot.revision))
    return sorted(found, key=lambda model: (model.name, model.source))


def _cached_source(snapshot: Snapshot, entry: CatalogueEntry | None) -> str:
    if entry is not None and snapshot.revision == entry.revision:
        return entry.name
    if snapshot.is_main:
        return snapshot.repository
    return f"{snapshot.repository}@{snapshot.revision}"


def _info(
    card: ModelCard,
    name: str,
    source: str,
    folder: Path,
    origin: Literal["bundled", "own", "hub"] = "bundled",
    revision: str | None = None,
) -> ModelInfo:
    return ModelInfo(
        name=name,
        task=card.inference.task,
        title=card.title,
        source=source,
        cached=True,
        size_bytes=(folder / WEIGHTS_FILE).stat().st_size,
        licence=card.licence,
        metrics=tuple(card.metrics),
        pixel_size_um=card.inference.pixel_size_um,
        path=folder,
        origin=origin,
        revision=revision,
        data_licence=card.training.data_licence,
        remarks=card.training.remarks,
    )


CATALOGUE: tuple[CatalogueEntry, ...] = read_catalogue()
"""The models known by name, as they were when this module was imported."""
