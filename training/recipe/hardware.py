"""Devices, processes and loading workers of a training on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .base import TrainRecipe

__all__ = ["loading_workers", "on_gpu", "process_count"]

_MOST_WORKERS = 8


def process_count(train: TrainRecipe) -> int:
    """Return the number of processes that train together."""
    return train.devices * train.num_nodes


def on_gpu(train: TrainRecipe) -> bool:
    """Return whether training runs on an NVIDIA GPU."""
    return train.accelerator in ("auto", "cuda") and torch.cuda.is_available()


def loading_workers(train: TrainRecipe) -> int:
    """Return the number of data-loading workers for each training process.

    On a CPU none by default: they would take the time that they save. A GPU trains faster than
    one core can cut, and gets its part of the other cores, eight at most.
    """
    if train.num_workers is not None:
        return train.num_workers
    if not on_gpu(train):
        return 0
    return min(_MOST_WORKERS, max(_cores() // train.devices - 1, 1))


def _cores() -> int:
    """Return the number of cores that this process may use; cluster jobs often have few."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
