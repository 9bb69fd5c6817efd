"""Duplicate images: identical, rotated, mirrored or slightly changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.training.data.wording import counted

from .alignment import finite_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.findings import Findings
    from napari_cytosynth.training.data.layout import Item

__all__ = ["Copy", "find_copies", "report_copies", "thumbnail"]

SIDE = 64
SAME, ALIKE = 0.85, 0.55
"""Least correlations of the thumbnails of duplicates, and of images that overlap."""

_ROWS = 512


def thumbnail(image: NDArray[Any], planes: int = 1) -> NDArray[np.float32] | None:
    """Return a thumbnail of an image's fine structure, or None if the image (a plane) is empty.

    Shading that is common to a microscope's images is filtered away: it would make all
    of them alike. Brightness and contrast do not matter.

    Parameters
    ----------
    image
        (C, Y, X).
    planes
        Number of focal planes that lie behind each other in the channels. Default: 1.

    Returns
    -------
    ndarray or None
        (planes, 64, 64) float32, each plane with mean 0 and norm 1.
    """
    thumbs = [_thumb(plane) for plane in np.array_split(image, planes)]
    there = [thumb for thumb in thumbs if thumb is not None]
    return np.stack(there) if len(there) == planes else None


def _thumb(image: NDArray[Any]) -> NDArray[np.float32] | None:
    planes = [_shrunk(finite_plane(plane)) for plane in image]
    fine = [plane - ndimage.gaussian_filter(plane, 3, mode="reflect") for plane in planes]
    stds = [float(plane.std()) for plane in fine]
    kept = [plane / std for plane, std in zip(fine, stds, strict=True) if std > 0]
    if not kept:
        return None
    grey = np.sum(kept, axis=0) - np.mean(kept)
    # a few very bright pixels would decide alone
    limit = 3 * float(grey.std())
    grey = grey.clip(-limit, limit)
    grey -= grey.mean()
    norm = float(np.linalg.norm(grey))
    return np.asarray(grey / norm, np.float32) if norm > 1e-6 else None


def _shrunk(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    for axis in (0, 1):
        edges = np.linspace(0, plane.shape[axis], SIDE + 1).astype(int)
        counts = np.maximum(np.diff(edges), 1)
        sums = np.add.reduceat(plane, np.minimum(edges[:-1], plane.shape[axis] - 1), axis=axis)
        plane = sums / np.expand_dims(counts, 1 - axis)
    return plane


@dataclass(frozen=True)
class Copy:
    """Two images that show the same, with the correlation of their thumbnails."""

    first: Item
    second: Item
    likeness: float


def find_copies(
    first: Sequence[tuple[Item, NDArray[np.float32]]],
    second: Sequence[tuple[Item, NDArray[np.float32]]],
    *,
    same: bool = False,
) -> list[Copy]:
    """Find for each image of the first set the most similar one of the second, in any view.

    Parameters
    ----------
    first, second
        Images with their thumbnails.
    same
        Both are one set: an image is not compared with itself, and a pair is found once.
        Default: False.

    Returns
    -------
    list of Copy
        At most one for each of `first`, by decreasing correlation.
    """
    if not first or not second:
        return []
    others = np.stack([thumb.reshape(len(thumb), -1) for _, thumb in second], axis=-1)
    found = []
    for start in range(0, len(first), _ROWS):
        thumbs = np.stack([thumb for _, thumb in first[start : start + _ROWS]])
        best = np.full((len(thumbs), len(second)), -1.0, np.float32)
        for view in range(8):
            turned = np.rot90(thumbs, view % 4, (-2, -1))
            turned = turned[..., ::-1] if view >= 4 else turned
            # by the plane that is least alike: near focus, all show the dirt of the microscope
            planes = turned.reshape(*turned.shape[:2], -1).swapaxes(0, 1)
            np.maximum(best, (planes @ others).min(0), out=best)
        if same:
            best[np.arange(len(second)) <= start + np.arange(len(thumbs))[:, None]] = -1
        for row, column in enumerate(best.argmax(1)):
            likeness = float(best[row, column])
            if likeness >= ALIKE:
                found.append(Copy(first[start + row][0], second[column][0], likeness))
    return sorted(found, key=lambda pair: -pair.likeness)


def report_copies(thumbs: Sequence[tuple[Item, NDArray[np.float32]]], report: Findings) -> None:
    """Report validation and test images that resemble training images."""
    of = [pair for pair in thumbs if pair[0].part == "train"]
    crossed = 0
    for part in ("validation", "test"):
        held_out = [pair for pair in thumbs if pair[0].part == part]
        found = find_copies(held_out, of)
        crossed += len(found)
        _report_crossed(found, len(held_out), part, report)
    if not crossed and of and len(of) < len(thumbs):
        report.facts.append(
            "No image of the validation or the test was found again in the training images, in "
            "any of its eight views."
        )
    inside = [pair for pair in find_copies(of, of, same=True) if pair.likeness >= SAME]
    if inside:
        report.warnings.append(
            f"{counted(len(inside), 'image')} of {len(of):,} to train on seen again among the "
            f"others, perhaps turned or mirrored: {_examples(inside)}. They count double, and "
            "there are fewer different images than files."
        )


def _examples(found: Sequence[Copy], most: int = 3) -> str:
    shown = ", ".join(f"“{pair.first.name}” and “{pair.second.name}”" for pair in found[:most])
    return shown + (", …" if len(found) > most else "")


def _report_crossed(found: Sequence[Copy], total: int, part: str, report: Findings) -> None:
    same = [pair for pair in found if pair.likeness >= SAME]
    alike = [pair for pair in found if pair.likeness < SAME]
    if same:
        report.warnings.append(
            f"{counted(len(same), f'{part} image')} of {total:,} also among those to train on, "
            f"perhaps turned or mirrored: {_examples(same)}. Scores would look better than they "
            "are: keep all copies on one side of the split."
        )
    if alike:
        report.warnings.append(
            f"{counted(len(alike), f'{part} image')} of {total:,} much like one to train on: "
            f"{_examples(alike)}. If these are neighbouring slices, frames of a film or fields "
            "that overlap, keep them on one side of the split."
        )
