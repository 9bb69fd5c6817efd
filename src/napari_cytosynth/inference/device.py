"""The device that a network runs on, and detection of its running out of memory."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from napari_cytosynth.arguments import check_text, shown
from napari_cytosynth.errors import InputError
from napari_cytosynth.memory import available_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = [
    "available_devices",
    "choose_device",
    "exact_float32",
    "free_memory",
    "is_out_of_memory",
    "unless_out_of_memory",
]

T = TypeVar("T")

_MEMORY_MESSAGES = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "unable to allocate",
    "cannot allocate memory",
    "bad_alloc",
)


def available_devices() -> list[str]:
    """Return the usable devices, the one that ``auto`` picks first: cuda, mps, cpu."""
    found = ["cuda"] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(name: str) -> torch.device:
    """Return the device called ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises
    ------
    InputError
        If this computer has no such device.
    """
    usable = available_devices()
    check_text(name, "device", f"one of auto, {', '.join(usable)}")
    if name == "auto":
        return torch.device(usable[0])
    kind, _, number = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in usable or (number and not (number.isdecimal() and int(number) < count)):
        raise InputError(
            f"There is no device “{shown(name)}” on this computer (or PyTorch cannot use it). "
            f"Choose one of: auto, {', '.join(usable)}."
        )
    return torch.device(name)


def free_memory(device: torch.device) -> int:
    """Return the free memory of a device in bytes, approximately."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_memory()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means a failed allocation, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _MEMORY_MESSAGES)


def unless_out_of_memory(task: Callable[[], T]) -> T | None:
    """Return what `task` returns, or None if it runs out of memory."""
    try:
        return task()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    return None  # outside of the except block: the error's frames hold the tensors


def exact_float32(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context without TF32, whose 10 bits would show as seams between tiles."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
