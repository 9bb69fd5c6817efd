"""Sizes that image files declare, checked before memory is taken for them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_cytosynth.errors import InputError
from napari_cytosynth.memory import available_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_compression", "check_memory"]


def check_memory(name: str, shape: Sequence[int], bytes_per_value: float) -> None:
    """Check that an image of the declared size fits into the free memory.

    Parameters
    ----------
    name
        Name of the file.
    shape
        The declared shape.
    bytes_per_value
        Bytes that reading takes for each value, with copies.

    Raises
    ------
    InputError
        If the image needs more memory than is free.
    """
    needed, free = math.prod(shape) * bytes_per_value, available_memory()
    if needed > free:
        size = " × ".join(f"{length:,}" for length in shape)
        raise InputError(
            f"“{name}” declares an image of {size} values, for which {needed / 1e9:,.1f} GB of "
            f"memory are needed; {free / 1e9:,.1f} GB are free. Cut out a part, or use a machine "
            "with more memory; if the image should be smaller, the file is damaged."
        )


def check_compression(name: str, declared: float, stored: float, most: float) -> None:
    """Check that the stored bytes can become as many as declared.

    Parameters
    ----------
    name
        Name of the file.
    declared
        Bytes of the declared image.
    stored
        Bytes of the file.
    most
        Largest factor that the compression can reach.

    Raises
    ------
    InputError
        If the file is too small for its image.
    """
    if declared > stored * most:
        raise InputError(
            f"“{name}” declares an image of {declared / 1e6:,.1f} MB, but its {stored / 1e6:,.3f} "
            "MB cannot hold that: the file is cut off or damaged. Copy or export it again."
        )
