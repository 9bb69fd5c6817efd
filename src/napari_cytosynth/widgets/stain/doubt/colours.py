"""Colours of outlines, from calm to loud."""

from __future__ import annotations

__all__ = ["CALM_TO_LOUD", "DOUBT_COLOURS", "UNKNOWN_COLOURS", "legend_style"]

CALM_TO_LOUD = ("#774400", "#ff7766", "#ffee33")
"""Brown, coral, yellow: of a doubt of 0, 0.5 and 1.

To eyes without red, green or blue cones, too, each is at least 20 CIELAB units from every shade
between black and the cyan of nuclei, and the ends are 45 apart (see the tests).
"""
UNKNOWN = "#cc9966"
"""Of nuclei whose doubt is not known: neither calm nor loud."""


def _colormap(name: str, colours: tuple[str, ...]) -> dict[str, object]:
    rgb = [[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours]
    return {"name": name, "colors": [[*one, 1.0] for one in rgb]}


DOUBT_COLOURS = _colormap("calm to loud", CALM_TO_LOUD)
UNKNOWN_COLOURS = _colormap("doubt unknown", (UNKNOWN, UNKNOWN))


def legend_style() -> str:
    """Return the style sheet of a bar that shows the colours from left to right."""
    last = len(CALM_TO_LOUD) - 1
    stops = ", ".join(f"stop:{n / last:g} {colour}" for n, colour in enumerate(CALM_TO_LOUD))
    gradient = f"qlineargradient(x1:0, y1:0, x2:1, y2:0, {stops})"
    return f"background: {gradient}; border: 1px solid black;"
