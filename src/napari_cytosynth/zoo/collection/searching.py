"""What the Hub has: models for this package by its tag, and newer revisions of downloaded ones."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari_cytosynth.arguments import check_choice, check_text
from napari_cytosynth.errors import Cancelled, CytosynthError, ModelError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.zoo.hub import cached_snapshots
from napari_cytosynth.zoo.model_files import CARD_FILE, WEIGHTS_FILE, read_card
from napari_cytosynth.zoo.model_page import HUB_TAG
from napari_cytosynth.zoo.opening import LARGEST_CARD
from napari_cytosynth.zoo.settings import TASKS, check_online
from napari_cytosynth.zoo.transfer.answers import check_answer, checked_answers
from napari_cytosynth.zoo.transfer.errors import explain, explain_search
from napari_cytosynth.zoo.transfer.watching import watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["HubListing", "HubModel", "search_hub"]

T = TypeVar("T")

MOST = 200
"""Most models of one search."""
_PATIENCE = 10.0  # s
_MESSAGE = "Asking the Hub"


@dataclass(frozen=True)
class HubModel:
    """A model that the Hub has for this package."""

    source: str
    """``organisation/name``, as `load_model` takes it."""
    revision: str
    """Newest commit."""
    size_bytes: int
    """Size of the weights file; 0 if unknown."""
    card: ModelCard | None
    """What it is; None if that could not be read."""
    problem: str = ""
    """Why not, as a sentence."""


@dataclass(frozen=True)
class HubListing:
    """Result of `search_hub`."""

    models: tuple[HubModel, ...]
    """Those with the tag, the most used first."""
    newest: dict[str, str]
    """Repository of a downloaded model -> newest commit on the Hub, where that is known."""


def search_hub(
    text: str = "", *, task: str | None = None, progress: Progress | None = None
) -> HubListing:
    """Ask the Hub for models with the tag ``napari-cytosynth``; nothing of them is kept.

    Parameters
    ----------
    text
        Text that their names hold. Default: any.
    task
        "segment", "stain", "generate" or "encode" for these alone. None (default): all.
    progress
        Called with the number of models that were looked at. If it raises `Cancelled`,
        this returns at once.

    Raises
    ------
    NetworkError
        If the Hub cannot be reached, or the network is not to be used.
    InputError
        If `task` is none of the four.
    """
    check_text(text, "text", "a part of a model's name")
    if task is not None:
        check_choice(task, "task", TASKS)
    check_online("The Hub cannot be searched")
    search = _HubSearch(text, task)
    return search.run(resolve_progress(progress))


class _HubSearch:
    """A search in a thread of its own, so that Cancel never waits for the network."""

    def __init__(self, text: str, task: str | None) -> None:
        self._text, self._task = text.strip(), task
        self._done, self._total = 0, 0
        self._stop = threading.Event()

    def run(self, progress: Progress) -> HubListing:
        found = watch(self._work, lambda: (self._done, self._total), self._stop, progress, _MESSAGE)
        progress(1, 1, _MESSAGE)
        return found

    def _work(self) -> HubListing:
        try:
            return self._ask()
        except CytosynthError:
            raise
        except BaseException as error:
            raise explain_search(error) from error

    def _ask(self) -> HubListing:
        from huggingface_hub import HfApi, constants, get_session

        # Asked first, without the client's many retries: no network is known within seconds.
        get_session().head(constants.ENDPOINT, timeout=_PATIENCE)
        api = HfApi(library_name="napari-cytosynth")
        tags = [HUB_TAG, *([self._task] if self._task else [])]
        listed = list(
            api.list_models(
                filter=tags, search=self._text or None, full=True, limit=MOST, sort="downloads"
            )
        )
        here = sorted({s.repository for s in cached_snapshots() if _is_ours(s.folder)})
        newest = {model.id: model.sha for model in listed if model.sha}
        others = [repository for repository in here if repository not in newest]
        self._total = len(listed) + len(others)
        asked = [partial(_look_at, str(model.id), str(model.sha or "main")) for model in listed]
        models = [self._step(ask) for ask in asked]
        for repository in others:
            newest[repository] = self._step(partial(_newest, api, repository)) or ""
        return HubListing(tuple(models), {name: newest[name] for name in here if newest[name]})

    def _step(self, ask: Callable[[], T]) -> T:
        if self._stop.is_set():
            raise Cancelled("Stopped.")
        self._done += 1
        return ask()


def _is_ours(folder: Path) -> bool:
    try:
        read_card(folder)
    except ModelError:  # another program's model
        return False
    return True


def _newest(api: Any, repository: str) -> str | None:
    """Return the newest commit of a repository; None where it is not told."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return str(api.model_info(repository).sha)
    except HfHubHTTPError:  # gone, or no longer open
        return None


def _look_at(repository: str, revision: str) -> HubModel:
    """Read the card and the size of a model, without keeping anything."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    try:
        weights = get_hf_file_metadata(hf_hub_url(repository, WEIGHTS_FILE, revision=revision))
        check_answer(weights)
        about = get_hf_file_metadata(hf_hub_url(repository, CARD_FILE, revision=revision))
        check_answer(about)
        if (about.size or 0) > LARGEST_CARD:
            raise ModelError(f"The card of “{repository}” is larger than a card may be.")
        with tempfile.TemporaryDirectory() as folder, checked_answers:
            path = hf_hub_download(repository, CARD_FILE, revision=revision, cache_dir=folder)
            card = read_card(Path(path).parent)
    except Exception as error:
        return HubModel(repository, revision, 0, None, str(explain(error, repository)))
    return HubModel(repository, revision, weights.size or 0, card)
