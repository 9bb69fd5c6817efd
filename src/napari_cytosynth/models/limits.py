"""Bounds of the arguments of the networks, checked before a layer is built.

The arguments come from a file that anybody may have written: a number of blocks of a thousand
million would keep the machine busy for ever without a single weight being read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["LIMITS", "OTHER_LIMITS", "check_arguments"]

LIMITS: dict[str, tuple[float, float]] = {
    "blocks": (0, 128),
    "channels": (0, 1024),
    "classes": (0, 65536),
    "conditions": (0, 1024),
    "dim_mults": (0, 64),
    "downsamplings": (0, 9),
    "dropout": (0.0, 0.999),
    "dropout_blocks": (0, 256),
    "expansion": (0, 16),
    "global_blocks": (0, 128),
    "graph_bytes": (0, 2**31),
    "groups": (0, 1024),
    "head_kernel": (0, 31),
    "head_width": (0, 1024),
    "heads": (0, 128),
    "in_channels": (0, 1024),
    "kernel": (0, 31),
    "latent": (0, 65536),
    "latent_channels": (0, 1024),
    "latent_scale": (0.0, 1e6),
    "local_blocks": (0, 128),
    "out_channels": (0, 1024),
    "patch": (0, 32),
    "size": (0, 8192),
    "smooth": (0, 16),
    "stem": (0, 32),
    "time_widths": (0, 65536),
    "width": (0, 8192),
    "widths": (0, 8192),
    "window": (0, 8192),
}
"""Smallest and largest value of the arguments of this name, of every architecture."""

OTHER_LIMITS = (-65536.0, 65536.0)
"""Bounds of an argument that is not listed: of a family that was added elsewhere."""

_MOST_ITEMS = {"time_widths": 16, "conditions": 64}
_LEVELS = 10  # items of any other list: one for each halving of the size
_LONGEST_TEXT = 100
_DEEPEST = 2  # a block of arguments for a part of a network, and a list in it


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Check the arguments of a network against :data:`LIMITS`.

    Parameters
    ----------
    arguments
        Keyword arguments of a network class, as a model's card holds them.

    Raises
    ------
    ValueError
        With the argument, its value and what is allowed.
    """
    if len(arguments) > len(LIMITS):
        raise ValueError(f"it has {len(arguments)} arguments, more than any network here")
    for name, value in arguments.items():
        _check(name, value, 0)


def _check(name: str, value: Any, depth: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT or not value.isprintable():
            raise ValueError(f"{_shown(name)} is no text that a network takes")
    elif isinstance(value, (int, float)):
        _check_number(name, value)
    elif isinstance(value, (list, tuple, Mapping)) and depth < _DEEPEST:
        _check_items(name, value, depth)
    else:
        raise ValueError(f"{_shown(name)} is nothing that a network takes")


def _check_number(name: str, value: float) -> None:
    low, high = LIMITS.get(name, OTHER_LIMITS)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{_shown(name)} is {_shown(value)}, but must lie in {low:g} to {high:g}")


def _check_items(
    name: str, value: list[Any] | tuple[Any, ...] | Mapping[Any, Any], depth: int
) -> None:
    if isinstance(value, Mapping):
        if len(value) > len(LIMITS):
            raise ValueError(f"{_shown(name)} has {len(value)} entries, more than any network here")
        pairs = [(str(key), item) for key, item in value.items()]
    else:
        most = _MOST_ITEMS.get(name, _LEVELS)
        if len(value) > most:
            raise ValueError(f"{_shown(name)} has {len(value)} items, but may have {most}")
        pairs = [(name, item) for item in value]
    for key, item in pairs:
        _check(key, item, depth + 1)


def _shown(value: object) -> str:
    """Return the beginning of a text or number that may be of any length."""
    if isinstance(value, int) and abs(value) >= 10**12:
        return "a number of more than 12 digits"
    text = ascii(value)[:60] if isinstance(value, str) else repr(value)
    return text.strip("'\"")
