"""Devices, processes and loading workers that a recipe trains with on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .base import TrainRecipe

__all__ = ["loading_workers", "on_gpu", "process_count"]

_MOST_WORKERS = 8


def process_count(train: TrainRecipe) -> int:
    """Return how many processes learn together."""
    return train.devices * train.num_nodes


def on_gpu(train: TrainRecipe) -> bool:
    """Whether training runs on a GPU of NVIDIA."""
    return train.accelerator in ("auto", "cuda") and torch.cuda.is_available()


def loading_workers(train: TrainRecipe) -> int:
    """Return how many processes cut and augment crops for each process that learns.

    On a CPU none unless the recipe says so: they would take the time that they save. A GPU
    learns faster than one core can cut, and gets its share of the other cores, eight at most.
    """
    if train.num_workers is not None:
        return train.num_workers
    if not on_gpu(train):
        return 0
    return min(_MOST_WORKERS, max(_cores() // train.devices - 1, 1))


def _cores() -> int:
    """Return how many cores this process may use; a job of a cluster often has a few of many."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
