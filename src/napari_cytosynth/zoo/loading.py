"""Loading of a model from a path, the bundled weights, the cache or the Hub, in this order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_cytosynth.arguments import check_callable, check_path, check_text
from napari_cytosynth.errors import ModelNotFoundError

from . import hub
from .catalogue import CatalogueEntry, bundled_folder, check_pin, find_entry, unknown_name
from .model_files import CARD_FILE, WEIGHTS_FILE, file_sha256, load_network, weights_file
from .opening import existing_path
from .own import own_folder
from .text import one_line
from .transfer.verified import check_verified

if TYPE_CHECKING:
    import os

    from torch import nn

    from napari_cytosynth.progress import Progress

    from .card import ModelCard

__all__ = ["KeptModel", "Model", "load_model"]

Origin = Literal["bundled", "path", "hub"]


@dataclass(frozen=True, eq=False)
class Model:
    """A network, its card, and their origin."""

    card: ModelCard
    """The typed card."""
    network: nn.Module
    """The plain torch module: float32, on the CPU, in evaluation mode."""
    source: str
    """Name or path passed to `load_model`."""
    origin: Origin
    """Where the weights were found."""
    sha256: str
    """SHA-256 of the weights file."""
    revision: str | None
    """Commit of the Hub repository, where the weights came from one."""
    device: str = "auto"
    """Device that tasks run it on by default."""
    path: Path | None = None
    """Folder, or weights file, that it was read from; None if it never was on disk."""


def load_model(
    source: str | os.PathLike[str] | Model,
    device: str = "auto",
    *,
    progress: Progress | None = None,
) -> Model:
    """Load a model by name, from the Hub or from a path.

    Parameters
    ----------
    source
        A name of `list_models` ("em-mitochondria-unet", or a model of yours); a Hub repository
        ("organisation/name" or "organisation/name@revision"); a path of a model's folder
        or of a lone ``model.safetensors`` file; or a `Model`, which is returned as it is.
    device
        Device that tasks run it on: "auto", "cpu", "cuda", "mps". Default: ``"auto"``.
    progress
        Called during a download with the bytes received and their total; raising
        `Cancelled` from it stops the download. None (default): a bar in a console.

    Returns
    -------
    Model
        The network stays on the CPU in float32; tasks move a copy to the device.

    Raises
    ------
    ModelNotFoundError
        If there is no model of that name or at that path, here or on the Hub.
    ChecksumError
        If the weights are not those that the catalogue pins.
    ModelError
        If the model cannot be read; the subclasses in `napari_cytosynth.errors`
        distinguish damage, pickles, newer cards, unknown networks, gates and missing networks.

    Notes
    -----
    A path is tried first, then the bundled and the cached copies, and the network only
    if there is none: nothing is ever downloaded twice or updated behind your back.
    """
    check_text(device, "device", "auto, cpu, cuda or mps")
    check_callable(progress, "progress")
    if isinstance(source, Model):
        return source
    given = check_path(source, "model")
    return _load(given, _locate(given, progress), device)


class KeptModel:
    """The model that was loaded last: it is read again only where its files have changed."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._known: tuple[object, ...] = ()

    def load(self, source: str, device: str = "auto", *, progress: Progress | None = None) -> Model:
        """Load a model as :func:`load_model` does, or return the one that is kept.

        Parameters
        ----------
        source, device, progress
            See :func:`load_model`. Only a name or a path.
        """
        place = _locate(source, progress)
        known = (source, place, _state(place.path))
        if self._model is None or known != self._known:
            self._model = None  # not two of them in memory
            self._model, self._known = _load(source, place, device), known
        return replace(self._model, device=device)

    def forget(self) -> None:
        """Release the model."""
        self._model, self._known = None, ()


def _state(path: Path) -> list[tuple[object, ...]]:
    """Return what changes when a model's files are written, replaced or removed."""
    found: list[tuple[object, ...]] = []
    for file in (path / WEIGHTS_FILE, path / CARD_FILE) if path.is_dir() else (path,):
        try:
            facts = file.stat()
        except OSError:
            found.append(())
        else:
            found.append((facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino))
    return found


def _load(given: str, place: _Place, device: str) -> Model:
    network, card = load_network(place.path)
    digest = file_sha256(weights_file(place.path))
    if place.entry is not None:
        check_pin(place.entry, digest, place.path)
    if place.origin == "hub":
        check_verified(place.path, digest)
    return Model(
        card=card,
        network=network,
        source=given,
        origin=place.origin,
        sha256=digest,
        revision=place.revision,
        device=device,
        path=place.path,
    )


@dataclass(frozen=True)
class _Place:
    path: Path
    origin: Origin
    revision: str | None = None
    entry: CatalogueEntry | None = None
    """The entry whose pinned hash these bytes must have; None for any bytes."""


def _locate(source: str, progress: Progress | None) -> _Place:
    if not source.strip():
        raise ModelNotFoundError("No model was named: give a name, a path or a Hub repository.")
    path = existing_path(source)
    name, _, revision = source.partition("@")
    entry = find_entry(name)
    if path is not None and (_holds_model(path) or entry is None):
        return _Place(path, "path")
    if _looks_like_path(source):
        raise ModelNotFoundError(f"There is no model at “{one_line(path or source, 300)}”.")
    if entry is not None:
        return _known(entry, revision or entry.revision, progress)
    own = own_folder(source)
    if own is not None:
        return _Place(own, "path")
    if name.count("/") != 1:
        raise unknown_name(source)
    return _on_hub(name, revision or None, None, progress)


def _holds_model(path: Path) -> bool:
    """Return whether a path is a model, not just a folder of the same name."""
    inside = (path / WEIGHTS_FILE, path / CARD_FILE)
    return not path.is_dir() or any(existing_path(file) is not None for file in inside)


def _looks_like_path(source: str) -> bool:
    return (
        source.startswith((".", "~", "/"))
        or Path(source).is_absolute()
        or "\\" in source
        or source.lower().endswith((".safetensors", ".pt", ".pth", ".ckpt", ".bin"))
    )


def _known(entry: CatalogueEntry, revision: str | None, progress: Progress | None) -> _Place:
    pinned = entry if revision == entry.revision else None
    folder = bundled_folder(entry.name)
    if pinned is not None and folder is not None:
        return _Place(folder, "bundled", entry.revision, entry)
    return _on_hub(entry.repository, revision, pinned, progress)


def _on_hub(
    repository: str,
    revision: str | None,
    entry: CatalogueEntry | None,
    progress: Progress | None,
) -> _Place:
    folder = hub.fetch(repository, revision, progress)
    return _Place(folder, "hub", folder.name, entry)
