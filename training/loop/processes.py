"""Training by several processes, on one machine or many: start, locks and single writing.

Every process learns from its own part of the crops, and gradients are averaged over all of them
(DDP of torch, https://docs.pytorch.org/docs/stable/notes/ddp.html). Every process validates on
everything, so that all take the same decisions. Only the first one writes files.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock, Timeout
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only

from napari_cytosynth.errors import OutputError, RecipeError
from napari_cytosynth.training.recipe.hardware import on_gpu, process_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_cytosynth.training.recipe.base import TrainRecipe

__all__ = [
    "FirstWrites",
    "check_processes",
    "check_started",
    "hold_lock",
    "interruptible",
    "is_first",
    "lost_another",
    "run_on_first",
    "strategy",
]


def is_first() -> bool:
    """Return whether this process is the one that writes; known once training has begun."""
    return not getattr(rank_zero_only, "rank", 0)


def run_on_first(work: Callable[[], None]) -> None:
    """Run a function on the first process only, while the others wait.

    Raises
    ------
    OutputError
        In the others, if it fails; the first one raises the error itself.
    """
    failed: BaseException | None = None
    if is_first():
        try:
            work()
        except BaseException as error:  # of any kind: the others must be informed
            failed = error
    succeeded = [failed is None]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(succeeded, src=0)
    if failed is not None:
        raise failed
    if not succeeded[0]:
        raise OutputError("The first process could not end the round; it says why.")


def lost_another(error: RuntimeError) -> bool:
    """Return whether an error says that another process of the training has ended."""
    if not (torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()):
        return False
    return isinstance(error, torch.distributed.DistError) or "gloo/transport" in str(error)


def check_started(train: TrainRecipe) -> None:
    """Compare the recipe with the processes that torchrun has started.

    Raises
    ------
    RecipeError
        If the numbers differ.
    """
    wanted = process_count(train)
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        started = int(os.environ["WORLD_SIZE"])
        if started != wanted:
            raise RecipeError(
                f"torchrun has started {started} processes, but the recipe is for {wanted} "
                f"({train.num_nodes} machines with {train.devices} each): "
                "set train.num_nodes and train.devices to what torchrun starts."
            )


def check_processes(train: TrainRecipe, crops: int) -> None:
    """Check that an epoch has crops for every process.

    Parameters
    ----------
    train
        Training block of the recipe.
    crops
        Training crops in one epoch.

    Raises
    ------
    RecipeError
        If there are not enough crops for all.
    """
    wanted = process_count(train)
    if crops < wanted:
        raise RecipeError(
            f"An epoch of {crops} crops is too short for {wanted} processes: "
            "each needs one crop or more."
        )


def strategy(train: TrainRecipe, *, manual: bool) -> dict[str, Any]:
    """Return the arguments of Lightning's trainer for several processes.

    Parameters
    ----------
    train
        Training block of the recipe.
    manual
        Whether the module steps its optimisers itself, and some steps leave out parts of the
        networks.
    """
    if process_count(train) == 1:
        return {}
    return {
        "strategy": "ddp_find_unused_parameters_true" if manual else "ddp",
        # statistics over the whole batch; torch has this for GPUs only
        "sync_batchnorm": on_gpu(train),
        "use_distributed_sampler": False,
    }


@contextmanager
def hold_lock(lock: Path, sentence: str) -> Iterator[None]:
    """Hold a file lock, which the operating system releases when the process ends.

    Parameters
    ----------
    lock
        The file of the lock, in a folder that exists.
    sentence
        Error message if another process holds it.

    Raises
    ------
    RecipeError
        If another process holds it.
    """
    held = FileLock(lock)
    with suppress(NotImplementedError, OSError):  # a disk that knows no locks goes without
        try:
            held.acquire(blocking=False)
        except Timeout as error:
            raise RecipeError(sentence) from error
    try:
        yield
    finally:
        held.release()
        if [*lock.parent.iterdir()] == [lock]:  # nothing came of it
            with suppress(OSError):
                lock.unlink()
                lock.parent.rmdir()


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C; Lightning would end the process and ignore the next one.

    Raises
    ------
    KeyboardInterrupt
        If it was pressed.
    """
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as stopped:
        raise KeyboardInterrupt from stopped
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


class FirstWrites(Callback):
    """Start of the run folder: the first process writes once all have read what was there.

    Parameters
    ----------
    write
        Called by the first process only.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self.write = write

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write; Lightning synchronises all processes before this."""
        if trainer.is_global_zero:
            self.write()
