"""What files and pictures of synthetic images say of them, and how the words are set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.common.colours import is_colour_picture

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["SyntheticArrays", "SyntheticFacts", "font", "plain", "wrapped"]

_NOT_IN_FONT = str.maketrans({"µ": "u", "–": "-", "×": "x", "β": "beta", "…": "..."})


@dataclass(frozen=True, eq=False)
class SyntheticArrays:
    """The pixels of synthetic images.

    Attributes
    ----------
    images
        (N, C, Y, X) in [0, 1].
    masks, labels
        (N, Y, X) of yes and no, and of ids; None of images without masks.
    trajectory
        (N, S, C, Y, X) in [0, 1], the states from noise to image, or None.
    """

    images: npt.NDArray[np.floating]
    masks: npt.NDArray[np.bool_] | None = None
    labels: npt.NDArray[np.int32] | None = None
    trajectory: npt.NDArray[np.floating] | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)


@dataclass(frozen=True)
class SyntheticFacts:
    """Plain facts of synthetic images that stand in their files and captions.

    Attributes
    ----------
    channels, seeds, model, objects, label, conditions, walk, ends, pixel_size_um
        As those of a :class:`~napari_cytosynth.tasks.generation.Generation`.
    limits
        Of each channel, the intensities to show as black and as bright.
    suspicious
        Of each image, whether it is unusually near to a training image; empty if unknown.
    """

    channels: tuple[str, ...]
    limits: tuple[tuple[float, float], ...]
    seeds: tuple[int, ...]
    model: str = ""
    objects: str = "objects"
    label: str | None = None
    conditions: dict[str, float] = field(default_factory=dict)
    walk: tuple[float, ...] | None = None
    ends: tuple[int, int] | None = None
    pixel_size_um: float | None = None
    suspicious: tuple[bool, ...] = ()

    @property
    def title(self) -> str:
        """The sentence that goes with every picture and file of these images."""
        by = f" by {self.model}" if self.model else ""
        return f"SYNTHETIC images generated{by}, not measured"

    @property
    def is_rgb(self) -> bool:
        """Whether the channels are the red, green and blue of colour pictures."""
        return is_colour_picture(self.channels)

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Along Y and X in µm, or None if unknown."""
        size = self.pixel_size_um
        return (size, size) if size else None

    def seeds_in_words(self, count: int | None = None) -> str:
        """Return ``seeds 3 to 18``, or all of them where they are not consecutive.

        With `count`, only of so many images.
        """
        seeds = self.seeds[:count]
        if not seeds:
            return "no seeds"
        if self.ends is not None:
            return f"latent walk from seed {self.ends[0]} to seed {self.ends[1]}"
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
