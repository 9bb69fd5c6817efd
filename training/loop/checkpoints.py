"""Atomic writing of checkpoints, safe against a kill, a full disk or an eviction."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from napari_cytosynth.errors import OutputError

__all__ = ["AtomicCheckpoints", "save_atomically"]


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint atomically: beside the old one, then moved over it.

    Parameters
    ----------
    state
        Anything that :func:`torch.save` takes.
    path
        The file to write or replace.

    Raises
    ------
    OutputError
        If it cannot be written; the old one stays.
    """
    # always the same name, so that the next start writes over what a kill has left
    unfinished = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except (OSError, RuntimeError) as error:  # torch raises the latter when a disk is full
        if unfinished.is_file():
            unfinished.unlink()
        raise OutputError(
            f"“{path}” cannot be written ({error}). What was saved before is kept: "
            "once there is space, go on with --resume."
        ) from error


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoint IO that writes beside the target, not by the system's temporary folder.

    From there, where Lightning writes, a file is copied over the good one if that lies on another
    disk, as checkpoints of clusters do: a process that is killed meanwhile leaves none.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint to a path."""
        save_atomically(checkpoint, Path(path))
