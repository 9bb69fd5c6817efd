"""The connection to a Dask scheduler, and the sentences for when there is none."""

from __future__ import annotations

import contextlib
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import check_text
from napari_cytosynth.errors import CytosynthError, InputError
from napari_cytosynth.files import explained_errors, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_cytosynth.tasks.batch.settings import BatchSettings

__all__ = ["check_scheduler", "connected", "sent_settings", "shared_marker"]

_EXTRA = 'A Dask cluster needs more packages: pip install "napari-cytosynth[distributed]"'
_PATIENCE = 10.0  # s in which a scheduler has to answer


def check_scheduler(scheduler: Any) -> str:
    """Check that a scheduler answers, before anything else is looked at; return its address.

    Raises
    ------
    InputError
        If it is no address.
    CytosynthError
        If it does not answer, or the extra is missing.
    """
    given = os.fspath(scheduler) if isinstance(scheduler, os.PathLike) else scheduler
    address: str = check_text(given, "scheduler", "the address of a Dask scheduler")
    with connected(address):
        return address


@contextlib.contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """Yield a client of a scheduler, given by its address or by its scheduler file.

    Raises
    ------
    CytosynthError
        If it does not answer, or the extra is missing.
    """
    try:
        import distributed
    except ImportError as error:
        raise CytosynthError(f"{_EXTRA} ({error}).") from error
    make: Any = distributed.Client
    by_file = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {}
    try:
        with warnings.catch_warnings():
            # versions of ours are compared by the workers, with a sentence
            warnings.filterwarnings("ignore", message="(?s).*Mismatched versions")
            client = make(
                None if by_file else scheduler, timeout=_PATIENCE, set_as_default=False, **by_file
            )
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise CytosynthError(
            f"No Dask scheduler answers at “{scheduler}” ({reason}). Is it running, may this "
            "machine reach it, and is the address complete, such as tcp://10.0.0.1:8786?"
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(OSError):
            client.close(timeout=_PATIENCE)


def sent_settings(settings: BatchSettings) -> BatchSettings:
    """Return settings whose model a worker can load: by its name, or by its whole path.

    Raises
    ------
    InputError
        If the model was never on disk.
    """
    model = settings.model
    if model is None:
        return settings
    if hasattr(model, "network"):
        model = model.source if model.origin != "path" else model.path
        if model is None:
            raise InputError(
                "The workers of a cluster load the model themselves: give its name or its folder."
            )
    place = Path(model).expanduser()
    return replace(settings, model=str(place.absolute() if place.exists() else model))


@contextlib.contextmanager
def shared_marker(folder: Path) -> Iterator[Path]:
    """Make a hidden folder of a unique name, by which workers know that a disk is shared.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """
    with contextlib.ExitStack() as stack:
        with explained_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            marker = stack.enter_context(scratch_folder(folder))
        yield marker
