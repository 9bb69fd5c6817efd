"""Checks of the sampling options that need no model card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_cytosynth.arguments import LARGEST_SEED, check_number, check_whole, shown
from napari_cytosynth.errors import InputError

__all__ = ["check_count", "check_guidance", "check_seed", "check_size", "is_sequence"]


def check_count(value: Any, least: int = 1) -> int:
    """Validate a number of images, by default at least 1."""
    return check_whole(value, "The count or number of images", least)


def check_seed(value: Any, name: str = "seed") -> int:
    """Validate a seed."""
    return check_whole(value, f"The {name}", 0, LARGEST_SEED)


def check_guidance(value: Any) -> float:
    """Validate a guidance strength."""
    return check_number(value, "The guidance", 0)


def check_size(value: Any) -> tuple[int, int]:
    """Validate a size; return it as (Y, X)."""
    sizes = value if is_sequence(value) else [value, value]
    if len(sizes) != 2:
        raise InputError(
            f"The size is one number of pixels, or two (Y, X), not {len(sizes)}: {shown(value)}."
        )
    height, width = (check_whole(size, "The size", 1, unit=" pixel") for size in sizes)
    return height, width


def is_sequence(value: Any) -> bool:
    """Return whether a value is a sequence of values, and no text."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
