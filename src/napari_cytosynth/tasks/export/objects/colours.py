"""Colours of classes, and of single objects, as text and numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Colours

    Rgb = tuple[int, int, int]

__all__ = ["as_hex", "class_colours", "from_hex", "from_json"]

# Okabe and Ito 2008: apart for colour-blind eyes; the black one is left out
_PALETTE: tuple[Rgb, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
_HEX = re.compile("#[0-9a-fA-F]{6}")


def class_colours(classes: Iterable[str], given: Colours | None = None) -> Colours:
    """Return a colour for each class: the given ones, else those of a palette in turn."""
    names = sorted({*classes})
    palette = {name: _PALETTE[n % len(_PALETTE)] for n, name in enumerate(names)}
    return palette | {name: rgb for name, rgb in (given or {}).items() if name in palette}


def as_hex(rgb: Rgb) -> str:
    """Return a colour as #rrggbb."""
    return "#" + bytes(rgb).hex()


def from_hex(text: Any) -> Rgb | None:
    """Return the numbers of #rrggbb; None for anything else."""
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        return None
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def from_json(value: Any) -> Rgb | None:
    """Return a colour as QuPath writes it: [red, green, blue], or one packed number of old."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return (value >> 16) & 255, (value >> 8) & 255, value & 255
    if isinstance(value, list) and len(value) >= 3:
        red, green, blue = value[:3]
        if all(isinstance(v, int) and 0 <= v <= 255 for v in (red, green, blue)):
            return red, green, blue
    return None
