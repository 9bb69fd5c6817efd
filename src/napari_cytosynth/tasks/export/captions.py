"""Facts and captions of synthetic images, for their files and pictures."""

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
        (N, Y, X) bool, and int32 ids; None (default) for images without masks.
    trajectory
        (N, S, C, Y, X) in [0, 1], the states from noise to image. Default: None.
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
    """Plain facts of synthetic images for their files and captions.

    Attributes
    ----------
    channels, seeds, model, objects, label, conditions, walk, ends, pixel_size_um
        As those of a :class:`~napari_cytosynth.tasks.generation.Generation`.
    limits
        Intensities of each channel to show as black and as bright.
    suspicious
        Whether each image is unusually near to a training image; empty (default) if unknown.
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
        """Caption of every picture and file of these images."""
        by = f" by {self.model}" if self.model else ""
        return f"SYNTHETIC images generated{by}, not measured"

    @property
    def is_rgb(self) -> bool:
        """Whether the channels are the red, green and blue of colour pictures."""
        return is_colour_picture(self.channels)

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Pixel size along Y and X in µm, or None if unknown."""
        size = self.pixel_size_um
        return (size, size) if size else None

    def seeds_in_words(self, count: int | None = None) -> str:
        """Return the seeds as text: ``seeds 3 to 18``, or a list if not consecutive.

        With `count`, only those of the first images. Default: None, all.
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
    """Wrap a text at spaces into lines of at most `width` px."""
    letters, lines = font(13), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and letters.getlength(plain(longer)) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def plain(text: str) -> str:
    """Replace the characters that Pillow's own font lacks."""
    return text.translate(_NOT_IN_FONT)


def font(size: int) -> Any:
    """Return Pillow's own font, which every computer has."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
