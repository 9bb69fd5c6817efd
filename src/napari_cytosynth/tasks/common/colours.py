"""Usual display colours of stains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["is_colour_picture", "rgb_of", "usual_colour"]

_COLOURS = {  # the first that fits: nucleoli before nuclei
    "yellow": ("rna", "syto", "nucleoli"),
    "blue": ("dna", "dapi", "hoechst", "nucle"),
    "green": ("er", "map2", "gfp", "fitc", "tubulin"),
    "red": ("agp", "actin", "membrane", "cellmask", "rfp", "mcherry"),
    "magenta": ("mito", "nfh", "cy5", "tmrm"),
}
_RGB = {
    "yellow": (1, 1, 0),
    "blue": (0, 0, 1),
    "green": (0, 1, 0),
    "red": (1, 0, 0),
    "magenta": (1, 0, 1),
    "gray": (1, 1, 1),
}


def usual_colour(channel: str) -> str:
    """Return the name of the usual colormap of a stain, or gray.

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


def rgb_of(colour: str) -> npt.NDArray[np.float32]:
    """Return red, green and blue, in [0, 1], of the bright end of a colormap."""
    return np.array(_RGB[colour], np.float32)


def is_colour_picture(channels: tuple[str, ...]) -> bool:
    """Return whether channels are the red, green and blue of one colour picture."""
    return tuple(channel.lower() for channel in channels) == ("red", "green", "blue")
