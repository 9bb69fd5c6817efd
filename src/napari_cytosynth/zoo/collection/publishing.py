"""Publishing of all bundled models, and the pins that the catalogue gets by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cytosynth.errors import ModelNotFoundError
from napari_cytosynth.zoo.bundled import bundled_folder
from napari_cytosynth.zoo.catalogue import pin, read_catalogue
from napari_cytosynth.zoo.hub import publish
from napari_cytosynth.zoo.model_files import WEIGHTS_FILE, file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Published", "publish_bundled"]


@dataclass(frozen=True)
class Published:
    """What was done with one model."""

    name: str
    repository: str
    size_bytes: int
    """Size of all files; 0 where nothing was to be done."""
    revision: str | None
    """The commit that the catalogue pins; None in a dry run of one that was never published."""


def publish_bundled(names: Sequence[str] = (), *, push: bool = False) -> Iterator[Published]:
    """Upload the bundled models, one by one, and pin each in the catalogue once it is there.

    A model that is pinned already, with the weights that are here, is passed over: after an
    interruption the next call goes on with the rest.

    Parameters
    ----------
    names
        Of the models. Default: all of the catalogue that come with the package.
    push
        Whether to upload. False (default): only check that each could be.

    Yields
    ------
    Published
        After each model.

    Raises
    ------
    ModelError
        If a model cannot be published; those before it are there and pinned.
    """
    known = {entry.name: entry for entry in read_catalogue() if bundled_folder(entry.name)}
    missing = sorted(set(names) - set(known))
    if missing:
        raise ModelNotFoundError(f"No bundled model is called “{missing[0]}”.")
    for name in names or known:
        entry, folder = known[name], bundled_folder(name)
        assert folder is not None
        if entry.revision and entry.sha256 == file_sha256(folder / WEIGHTS_FILE):
            yield Published(name, entry.repository, 0, entry.revision)
            continue
        done = publish(folder, entry.repository, dry_run=not push)
        if done.commit is not None:
            pin(name, revision=done.commit)
        yield Published(name, entry.repository, sum(done.files.values()), done.commit)
