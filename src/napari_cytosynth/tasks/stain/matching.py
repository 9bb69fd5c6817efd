"""Which virtual stain a real image is of, by its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["channel_names", "match_channel", "match_stain"]

_SAME = (
    ("dna", "dapi", "hoechst", "draq5", "nuclei", "nucleus"),
    ("rna", "syto", "syto14", "nucleoli"),
    ("agp", "actin", "phalloidin", "wga"),
    ("er", "endoplasmic", "concanavalin"),
    ("mito", "mitochondria", "mitotracker", "tmrm"),
)
"""Words for stains of the same structure."""


def match_stain(name: str, stains: Sequence[str]) -> str | None:
    """Return the stain that a name speaks of; None if it names none.

    Parameters
    ----------
    name
        Of a layer or a channel, such as “plate 3 AGP” or “Hoechst”.
    stains
        Names to choose from; of several that fit, the longest is meant.
    """
    fitting = [stain for stain in stains if _speaks_of(name, stain)]
    if fitting:
        return max(fitting, key=len)
    for group in _SAME:
        if any(_speaks_of(name, word) for word in group):
            return next((stain for stain in stains if stain.lower() in group), None)
    return None


def _speaks_of(name: str, word: str) -> bool:
    """Return whether a name holds a word as a whole; case does not matter."""
    return re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", name, re.IGNORECASE) is not None


def channel_names(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the channels that a reader left in a layer's metadata; () if none."""
    omero = metadata.get("omero")
    places = [metadata.get(key) for key in ("channel_names", "channels", "Channels")]
    places += [omero.get("channels")] if isinstance(omero, dict) else []
    for found in places:
        if isinstance(found, list | tuple) and found:
            return tuple(_name_of(channel) for channel in found)
    return ()


def _name_of(channel: Any) -> str:
    if isinstance(channel, dict):
        keys = ("label", "name", "Name")
        return next((str(channel[key]) for key in keys if channel.get(key)), "")
    return str(channel)


def match_channel(names: Sequence[str], stain: str) -> int | None:
    """Return the index of the channel of that stain; None if none is named so."""
    for number, name in enumerate(names):
        if match_stain(name, [stain]):
            return number
    return None
