"""Display colours of stains, told apart by colour-blind eyes too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["PALETTE", "is_colour_picture", "rgb_of", "stain_colours", "usual_colour"]

_ORANGE, _RED, _LILAC = "#ff9933", "#ff3366", "#9999cc"
PALETTE = ("cyan", "magenta", "yellow", _ORANGE, _RED, _LILAC)
"""Colormaps from black to a bright colour, as napari names them.

The first five stay at least 30 CIELAB units apart to eyes without red, green or blue cones
(simulated after Machado et al. 2009), all six at least 20; no pure red, green and blue.
"""

_COLOURS = {  # the first that fits: nucleoli before nuclei
    _ORANGE: ("rna", "syto", "nucleoli", "pi", "propidium"),
    "cyan": ("dna", "dapi", "hoechst", "nucle"),
    "yellow": ("er", "map2", "gfp", "fitc", "tubulin"),
    "magenta": ("agp", "actin", "membrane", "cellmask", "nfh"),
    _RED: ("mito", "cy5", "tmrm", "rfp", "mcherry"),
}
_RGB = {"cyan": (0, 1, 1), "magenta": (1, 0, 1), "yellow": (1, 1, 0), "gray": (1, 1, 1)}


def usual_colour(channel: str) -> str:
    """Return the colormap of a known stain, or gray.

    Parameters
    ----------
    channel
        Name of the stain or channel.
    """
    name = channel.lower()
    for colour, words in _COLOURS.items():
        if any(name == word or (len(word) > 2 and word in name) for word in words):
            return colour
    return "gray"


def stain_colours(channels: Sequence[str]) -> list[str]:
    """Return a colormap for each stain, all different as far as :data:`PALETTE` goes.

    Parameters
    ----------
    channels
        Names of the stains. Known ones have their usual colour; unknown ones, and a second one of
        the same kind, get the colours that are left, in order.
    """
    wanted = [usual_colour(channel) for channel in channels]
    first = {colour: wanted.index(colour) for colour in wanted if colour in PALETTE}
    left = [colour for colour in PALETTE if colour not in first]
    found, others = [], 0
    for number, colour in enumerate(wanted):
        if first.get(colour) == number:
            found.append(colour)
            continue
        free = left or list(PALETTE)
        found.append(free[others % len(free)])
        others += 1
    return found


def rgb_of(colour: str) -> npt.NDArray[np.float32]:
    """Return red, green and blue, in [0, 1], of the bright end of a colormap."""
    if colour.startswith("#"):
        return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)
    return np.array(_RGB[colour], np.float32)


def is_colour_picture(channels: tuple[str, ...]) -> bool:
    """Return whether channels are the red, green and blue of one colour picture."""
    return tuple(channel.lower() for channel in channels) == ("red", "green", "blue")
