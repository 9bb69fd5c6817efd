"""Alignment of an image with its mask or stain: estimated offsets, and their report."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from napari_cytosynth.training.data.wording import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.findings import Findings

__all__ = ["Offset", "estimate_offset", "finite_plane", "in_words", "report_offsets", "structure"]

_register: Any = phase_cross_correlation  # it has no types

_SIDE = 768  # px of the side that is compared, from the middle
_WINDOW = 256
_LEAST = 3.0  # px; less is within what such an estimate is worth
_AGREE = 0.6  # fraction of the windows that must agree
_LIKE = 0.15  # correlation from which two windows show the same
_HUGE = 1e15  # so that squares of it are numbers, too
_GAIN = 1.15  # factor by which a shift must raise the correlation

Structure = tuple["NDArray[np.float32]", "NDArray[np.float32]"]


@dataclass(frozen=True)
class Offset:
    """Offset of a mask or stain from its image in px: positive is lower and further right."""

    name: str
    down: int
    right: int


def structure(planes: NDArray[Any]) -> Structure:
    """Return the fine structure of an image, and its local energy, for registration.

    The energy is the same for dark and bright objects, and for relief.

    Parameters
    ----------
    planes
        (C, Y, X); of large images the middle is taken.

    Returns
    -------
    tuple of ndarray
        Two (Y, X) float32 with mean 0 and standard deviation 1, extremes clipped.
    """
    total = np.zeros((), np.float32)
    for plane in planes:
        total = total + _clipped(_band(finite_plane(_middle(plane))))
    fine = _clipped(total)
    return fine, _clipped(_band(np.sqrt(ndimage.gaussian_filter(fine**2, 2)), 0.0, 16.0))


def finite_plane(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return a plane as float32, with 0 in place of numbers that are not finite."""
    numbers = np.asarray(plane, np.float32)
    return np.where(np.abs(numbers) < _HUGE, numbers, 0)  # NaN compares as false


def _middle(plane: NDArray[Any]) -> NDArray[Any]:
    top, left = (max(0, (length - _SIDE) // 2) for length in plane.shape)
    return plane[top : top + _SIDE, left : left + _SIDE]


def _band(plane: NDArray[np.float32], low: float = 1.0, high: float = 10.0) -> Any:
    return ndimage.gaussian_filter(plane, low) - ndimage.gaussian_filter(plane, high, truncate=3)


def _clipped(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    for _ in range(2):  # debris and dead cells would decide alone
        plane = plane - plane.mean()
        std = float(plane.std())
        plane = (plane / std).clip(-3, 3) if std > 1e-9 else plane * 0
    return plane


def _likeness(image: NDArray[Any], other: NDArray[Any], down: int, right: int) -> float:
    """Return the absolute correlation of an image with another one that lies lower and right."""
    height, width = image.shape
    fixed = image[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    moving = other[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
    norm = float(fixed.std() * moving.std())
    return abs(float(((fixed - fixed.mean()) * (moving - moving.mean())).mean())) / max(norm, 1e-9)


def _windows(shape: tuple[int, ...]) -> tuple[int, list[tuple[int, int]]]:
    side = min(_WINDOW, *(length * 2 // 3 for length in shape))
    places = [
        sorted({int(p) for p in np.linspace(0, n - side, max(2, min(3, n // side)))}) for n in shape
    ]
    return side, list(product(places[0], places[1]))


def _refined(
    image: NDArray[Any], other: NDArray[Any], down: int, right: int
) -> tuple[float, int, int]:
    """Climb to the best shift nearby; the taper of the windows biases estimates towards 0."""
    best = (_likeness(image, other, down, right), down, right)
    for _ in range(4):
        _, down, right = best
        near = [(down + y, right + x) for y, x in product((-1, 0, 1), repeat=2) if y or x]
        top = max((_likeness(image, other, y, x), y, x) for y, x in near)
        if top <= best:
            break
        best = top
    return best


def _consensus(image: NDArray[Any], other: NDArray[Any]) -> tuple[float, int, int] | None:
    """Return (correlation, down, right) if most windows agree on a shift, else None."""
    side, places = _windows(image.shape)
    taper = np.hanning(side + 2)[1:-1, None] * np.hanning(side + 2)[1:-1]
    shifts = []
    for y, x in places:
        fixed, moving = (a[y : y + side, x : x + side] for a in (image, other))
        if fixed.std() < 0.1 or moving.std() < 0.1:
            continue
        shift = -_register(fixed * taper, moving * taper, normalization=None)[0]
        down, right = (round(float(value)) for value in shift)
        far = max(abs(down), abs(right)) > side // 4
        # a window that shows nothing in common still votes, with a shift that none agrees with
        like = 0.0 if far else _likeness(fixed, moving, down, right)
        shifts.append((down, right) if like > _LIKE else (10**6, 10**6))
    conclusive = np.array([shift for shift in shifts if shift[0] < 10**6])
    if len(conclusive) < 2:
        return None
    middle = np.median(conclusive, axis=0)
    agree = int((np.abs(conclusive - middle).max(1) <= 2).sum())
    if agree < 2 or agree < _AGREE * len(shifts):
        return None
    down, right = (round(float(value)) for value in middle)
    return _refined(image, other, down, right)


def estimate_offset(image: Structure, other: Structure) -> tuple[int, int] | None:
    """Estimate by how many px the second lies lower and further right than the first.

    Windows of both are registered by cross-correlation
    (:func:`skimage.registration.phase_cross_correlation`), and must agree.

    Parameters
    ----------
    image, other
        :func:`structure` of an image and of its mask or stain, of equal shape.

    Returns
    -------
    tuple of int or None
        (down, right); (0, 0) if they lie upon each other, None if inconclusive.
    """
    if min(image[0].shape) < 48:
        return None
    found = [
        result
        for fixed, moving in product(image, other)
        if (result := _consensus(fixed, moving)) is not None
    ]
    if not found:
        return None
    best, down, right = max(found)
    if np.hypot(down, right) < _LEAST:
        return 0, 0
    # relief and shading displace edges: accepted only if no other view finds them in place
    if any(np.hypot(y, x) < _LEAST and like > best / 2 for like, y, x in found):
        return 0, 0
    now = max(_likeness(fixed, moving, 0, 0) for fixed, moving in product(image, other))
    return (down, right) if best > _GAIN * now and best > _LIKE else None


def in_words(down: int, right: int) -> str:
    """Return a shift in words: ``3 px lower and 5 px further left``."""
    parts = []
    if down:
        parts.append(f"{abs(down)} px {'lower' if down > 0 else 'higher'}")
    if right:
        parts.append(f"{abs(right)} px further {'right' if right > 0 else 'left'}")
    return " and ".join(parts)


def report_offsets(
    offsets: Sequence[Offset], inconclusive: Sequence[str], what: str, report: Findings
) -> None:
    """Report which masks or stains do not lie upon their images.

    Parameters
    ----------
    offsets
        Estimated offsets, of the pairs where the estimate was conclusive.
    inconclusive
        Names of the pairs where it was not.
    what
        ``mask`` or ``stain``.
    report
        Gets the sentences.
    """
    shifted = [item for item in offsets if item.down or item.right]
    total = len(offsets) + len(inconclusive)
    advice = "Align them: what is learned would be displaced or blurred."
    middle = np.median([(item.down, item.right) for item in shifted] or [(0, 0)], axis=0)
    far = [max(abs(item.down - middle[0]), abs(item.right - middle[1])) for item in shifted]
    if len(shifted) > 2 and max(far) <= 2:
        down, right = (round(float(value)) for value in middle)
        report.warnings.append(
            f"The {what} lies about {in_words(down, right)} than the image in {len(shifted)} of "
            f"{total} pairs looked at: {named([item.name for item in shifted])}. {advice}"
        )
    else:
        report.warnings.extend(
            f"The {what} of “{item.name}” lies {in_words(item.down, item.right)} than its image. "
            f"{advice}"
            for item in shifted
        )
    if offsets and not shifted:
        checked = f"{len(offsets)} of {total}" if inconclusive else f"all {total}"
        report.facts.append(
            f"Alignment of image and {what}: within {_LEAST:.0f} px in {checked} pairs looked at"
            + ("; in the others it cannot be told from the images." if inconclusive else ".")
        )
    elif total and not offsets:
        report.facts.append(
            f"Alignment of image and {what}: cannot be told from the {total} pairs looked at; "
            "lay some upon each other in napari."
        )
