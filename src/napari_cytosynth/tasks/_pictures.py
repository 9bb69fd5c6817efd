"""The words on pictures of synthetic images: what they say, and how they are set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cytosynth.tasks.generation import Generation

__all__ = ["about", "font", "plain", "seeds_in_words", "wrapped"]

_NOT_IN_FONT = str.maketrans({"µ": "u", "–": "-", "×": "x", "β": "beta", "…": "..."})


def about(result: Generation) -> str:
    """Return the sentence that goes with every picture and file of a result."""
    by = f" by {result.model}" if result.model else ""
    return f"SYNTHETIC images generated{by}, not measured"


def seeds_in_words(result: Generation, count: int | None = None) -> str:
    """Return ``seeds 3 to 18``, or all of them where they are not consecutive.

    With `count`, only of so many images.
    """
    seeds = result.seeds[:count]
    if not seeds:
        return "no seeds"
    if result.ends is not None:
        return f"latent walk from seed {result.ends[0]} to seed {result.ends[1]}"
    first, last = seeds[0], seeds[-1]
    if seeds == tuple(range(first, first + len(seeds))):
        return f"seed {first}" if len(seeds) == 1 else f"seeds {first} to {last}"
    return f"seeds {', '.join(map(str, seeds))}"


def wrapped(text: str, width: int) -> list[str]:
    """Break a text at spaces so that no line is wider than `width` px."""
    letters, lines = font(13), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and letters.getlength(plain(longer)) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def plain(text: str) -> str:
    """Replace the signs that the font, Pillow's own, does not have."""
    return text.translate(_NOT_IN_FONT)


def font(size: int) -> Any:
    """Return Pillow's own font: it is there on every computer."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
