"""Fetch, find, remove and publish models on the Hugging Face Hub, with its own client.

The client's variables work as everywhere: ``HF_HOME``, ``HF_HUB_OFFLINE``,
``HF_ENDPOINT``, ``HF_TOKEN`` and the proxies. The network is touched only by `fetch`,
only when no copy is in the cache, by `update` and by `publish`. What forbids the network
(`settings.offline_reason`) forbids it to all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.errors import ModelError, ModelNotFoundError, OutputError
from napari_cytosynth.files import explained_errors
from napari_cytosynth.progress import resolve_progress

from .model_files import CARD_FILE, README_FILE, WEIGHTS_FILE, load_network
from .model_page import render_readme
from .settings import check_online
from .text import one_line
from .transfer.download import Download
from .transfer.errors import explain, explain_upload, no_repository
from .transfer.partial import drop_partials
from .transfer.verified import is_verified

if TYPE_CHECKING:
    import os

    from napari_cytosynth.progress import Progress

__all__ = [
    "Publication",
    "Snapshot",
    "cached",
    "cached_snapshots",
    "fetch",
    "publish",
    "remove",
    "update",
]

_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_REPOSITORY = re.compile(r"models--([^/]+?)--([^/]+)")


@dataclass(frozen=True)
class Snapshot:
    """A commit of a Hub repository in the cache, with weights in it."""

    repository: str
    revision: str
    is_main: bool
    """True if this commit was the newest of its main branch when it was fetched."""
    folder: Path


@dataclass(frozen=True)
class Publication:
    """The result of `publish`: uploaded files, or those of a dry run."""

    repository: str
    files: dict[str, int]
    """File name -> size in bytes."""
    commit: str | None
    """The new commit, which the catalogue may pin; None for a dry run."""


def cached(repository: str, revision: str | None = None) -> Path | None:
    """Return the folder of a cached copy, or None. Never uses the network.

    Parameters
    ----------
    repository
        ``organisation/name``.
    revision
        Commit, branch or tag; None (default) for the main branch.

    Raises
    ------
    ModelNotFoundError
        If `repository` cannot be the name of a repository.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    _check_revision(repository, revision)
    try:
        weights = try_to_load_from_cache(repository, WEIGHTS_FILE, revision=revision)
    except HFValidationError as error:
        raise explain(error, repository) from error
    if not isinstance(weights, str) or not is_verified(Path(weights).parent):
        return None
    return Path(weights).parent


def _check_revision(repository: str, revision: str | None) -> None:
    """Check that a revision can be one: the client makes a file name of it."""
    if revision is None or (_REVISION.fullmatch(revision) and ".." not in revision):
        return
    raise ModelNotFoundError(
        f"“{one_line(revision, 100)}” cannot be a revision of “{one_line(repository, 100)}”: give "
        "a commit, a branch or a tag."
    )


def fetch(repository: str, revision: str | None = None, progress: Progress | None = None) -> Path:
    """Return the folder of a model of the Hub; download it if it is not in the cache.

    Parameters
    ----------
    repository
        ``organisation/name``.
    revision
        Commit, branch or tag; None (default) for the main branch.
    progress
        Called about ten times a second with the bytes received and their total. If it
        raises `Cancelled`, this returns at once; what has arrived of the weights is kept
        aside, and the next call goes on from there.

    Raises
    ------
    ModelNotFoundError
        If there is no such repository or revision, or it holds no safetensors weights.
    GatedRepositoryError
        If the repository is private or gated.
    NetworkError
        If the Hub cannot be reached, or ``HF_HUB_OFFLINE`` is set.
    CorruptWeightsError
        If what arrived is not what the Hub announced.
    OutputError
        If the cache cannot be written: no space or no permission.
    """
    found = cached(repository, revision)
    if found is not None:
        return found
    return _download(repository, revision, progress, "is not on this machine")


def update(repository: str, progress: Progress | None = None) -> Path:
    """Download the newest commit of a repository's main branch, also over a cached one.

    Parameters
    ----------
    repository, progress
        See `fetch`, which never does this by itself; so are the errors.

    Returns
    -------
    Path
        The folder. The older commit stays in the cache until `remove`.
    """
    return _download(repository, None, progress, "cannot be fetched anew")


def _download(
    repository: str, revision: str | None, progress: Progress | None, failure: str
) -> Path:
    check_online(f"“{one_line(repository, 100)}” {failure}")
    return Download(repository, revision).run(resolve_progress(progress))


def cached_snapshots() -> list[Snapshot]:
    """Return every cached commit, of any program, that has a card and weights."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    found = []
    for weights in sorted(cache.glob(f"models--*--*/snapshots/*/{WEIGHTS_FILE}")):
        folder = weights.parent
        name = _REPOSITORY.fullmatch(folder.parent.parent.name)
        if name and weights.is_file() and (folder / CARD_FILE).is_file():
            repository = f"{name[1]}/{name[2]}"
            found.append(Snapshot(repository, folder.name, _is_main(folder), folder))
    return found


def remove(repository: str) -> int:
    """Delete every cached commit of a repository, and what half arrived; return the bytes.

    Raises
    ------
    ModelNotFoundError
        If nothing of it is in the cache.
    OutputError
        If the cache cannot be changed.
    """
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound, HFValidationError

    try:
        with explained_errors(Path(constants.HF_HUB_CACHE)):
            half = drop_partials(repository)
        cache = scan_cache_dir(constants.HF_HUB_CACHE)
    except HFValidationError as error:
        raise explain(error, repository) from error
    except CacheNotFound as error:
        raise _nothing_cached(repository) from error
    repos = [r for r in cache.repos if r.repo_id == repository and r.repo_type == "model"]
    if not repos and half:
        return half
    if not repos:
        raise _nothing_cached(repository)
    strategy = cache.delete_revisions(*(r.commit_hash for repo in repos for r in repo.revisions))
    strategy.execute()  # logs what it cannot delete, and goes on
    if any(repo.repo_path.exists() for repo in repos):
        raise OutputError(f"Not all of “{repository}” could be deleted: no permission.")
    return int(strategy.expected_freed_size) + half


def _nothing_cached(repository: str) -> ModelNotFoundError:
    return ModelNotFoundError(f"There is no downloaded copy of “{repository}” to remove.")


def publish(
    folder: str | os.PathLike[str], repository: str, *, dry_run: bool = False
) -> Publication:
    """Upload a model's three files to the Hub, after checking that they load.

    Parameters
    ----------
    folder
        Model's folder as `save_model` wrote it.
    repository
        ``organisation/name``; made (public) if it does not exist. The README that goes
        there names the model so.
    dry_run
        Only check, and return what would be uploaded. Default: False.

    Raises
    ------
    ModelError
        If the model does not load, or its card names no licence.
    ModelNotFoundError
        If the repository's name is none, or the folder holds no model.
    GatedRepositoryError
        If you may not write there: log in with ``hf auth login``.
    NetworkError
        If the Hub cannot be reached.
    """
    folder = Path(folder)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
        raise ModelNotFoundError(no_repository(repository))
    _, card = load_network(folder)
    names = [CARD_FILE, README_FILE, WEIGHTS_FILE]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing or not card.licence:
        lack = " and ".join([*missing, *([] if card.licence else ["a licence on its card"])])
        raise ModelError(f"The model in “{folder}” cannot be published: it lacks {lack}.")
    page = render_readme(card, repository).encode()  # names the model by its place there
    sizes = {name: (folder / name).stat().st_size for name in names} | {README_FILE: len(page)}
    if dry_run:
        return Publication(repository, sizes, None)
    check_online(f"“{repository}” cannot be uploaded")
    try:
        files: dict[str, Path | bytes] = {name: folder / name for name in names}
        files[README_FILE] = page
        commit = _upload(files, repository, f"{card.name} {card.package_version}".strip())
    except Exception as error:
        raise explain_upload(error, repository) from error
    return Publication(repository, sizes, commit)


def _upload(files: dict[str, Path | bytes], repository: str, message: str) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(library_name="napari-cytosynth")
    api.create_repo(repository, exist_ok=True)
    added = [CommitOperationAdd(name, data) for name, data in files.items()]
    commit = api.create_commit(repository, added, commit_message=message)
    return str(commit.oid)


def _is_main(snapshot: Path) -> bool:
    try:
        return (snapshot.parent.parent / "refs" / "main").read_text().strip() == snapshot.name
    except OSError:
        return False
