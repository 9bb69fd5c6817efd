"""Which strokes and objects are held out of training, to validate on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy import ndimage
from skimage.measure import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .pairs import AnnotatedPlane

T = TypeVar("T")

__all__ = ["FEWEST", "HeldOut", "hold_out"]

FEWEST = 5
"""Objects below which none is held out."""
_PART = 5  # one in so many
_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What of the annotated pixels validates.

    Attributes
    ----------
    masks
        (Y, X) of each plane, true where it does; empty if nothing is held out.
    objects, background
        Number of objects or strokes, and of background strokes that are not around one of them.
    held_objects
        Number of the objects that are held out.
    """

    masks: list[NDArray[np.bool_]]
    objects: int
    background: int
    held_objects: int = 0


@dataclass(frozen=True, eq=False)
class _Strokes:
    """Strokes of one plane: the number of each pixel's, 0 for none."""

    of_pixel: NDArray[np.int64]
    objects: list[int]
    background: list[int]


def hold_out(planes: Sequence[AnnotatedPlane], seed: int, *, instances: bool) -> HeldOut:
    """Hold out whole strokes and objects, or whole images where there are enough.

    Parameters
    ----------
    planes
        The annotated planes.
    seed
        Seed of the choice.
    instances
        Whether an object is what has a number of its own, not what is connected.

    Returns
    -------
    HeldOut
        Nothing is held out of fewer than :data:`FEWEST` objects.
    """
    units = [_units(plane, instances=instances) for plane in planes]
    objects = [(n, unit) for n, each in enumerate(units) for unit in each.objects]
    background = [(n, unit) for n, each in enumerate(units) for unit in each.background]
    counts = len(objects), len(background)
    rng = np.random.default_rng(seed)
    if len(planes) >= FEWEST and all(plane.whole for plane in planes):
        chosen = set(_drawn(list(range(len(planes))), rng))
        masks = [np.full(plane.image.shape, n in chosen) for n, plane in enumerate(planes)]
        held = sum(n in chosen for n, _ in objects)
        return HeldOut(masks, *counts, held)
    if len(objects) < FEWEST:
        return HeldOut([], *counts)
    held_objects = _drawn(objects, rng)
    chosen_units = {*held_objects, *_drawn(background, rng)}
    masks = [
        np.isin(each.of_pixel, [unit for number, unit in chosen_units if number == n])
        for n, each in enumerate(units)
    ]
    if not _both_classes(planes, masks):
        return HeldOut([], *counts)
    return HeldOut(masks, *counts, len(held_objects))


def _drawn(units: list[T], rng: np.random.Generator) -> list[T]:
    count = max(1, round(len(units) / _PART)) if units else 0
    return [units[place] for place in rng.permutation(len(units))[:count]]


def _units(plane: AnnotatedPlane, *, instances: bool) -> _Strokes:
    objects = plane.objects.astype(np.int64)
    if not instances:
        objects = label(objects, connectivity=2).astype(np.int64)  # type: ignore[no-untyped-call]
    names = np.unique(objects[objects > 0]).tolist()
    strokes, count = ndimage.label((plane.annotated > 0) & (objects == 0), _NEIGHBOURS)
    lonely = _lonely(strokes, count, objects)
    if not names:
        return _Strokes(strokes, [], list(range(1, count + 1)))
    if len(lonely) < FEWEST:  # shared out among the objects
        lonely = []
    first = int(objects.max()) + 1
    nearest = ndimage.distance_transform_edt(
        objects == 0, return_distances=False, return_indices=True
    )
    of_pixel = np.where(strokes > 0, objects[tuple(nearest)], objects)
    alone = np.isin(strokes, lonely)
    of_pixel = np.where(alone, first + strokes, of_pixel)
    return _Strokes(of_pixel, names, [first + stroke for stroke in lonely])


def _lonely(strokes: NDArray[np.int32], count: int, objects: NDArray[np.int64]) -> list[int]:
    """Return the background strokes that touch no object."""
    beside = set(np.unique(strokes[ndimage.binary_dilation(objects > 0, _NEIGHBOURS)]).tolist())
    return [stroke for stroke in range(1, count + 1) if stroke not in beside]


def _both_classes(planes: Sequence[AnnotatedPlane], masks: list[NDArray[np.bool_]]) -> bool:
    """Return whether both what trains and what validates has objects and background."""
    for held in (True, False):
        known = [
            plane.objects[(plane.annotated > 0) & (mask == held)] > 0
            for plane, mask in zip(planes, masks, strict=True)
        ]
        values = np.concatenate(known)
        if values.all() or not values.any():
            return False
    return True
