"""Memorisation: detection of copies of training images among generated ones.

A generated image is suspicious when it lies nearer to a training image than real images do
that the model has never seen. The held-out images must come from other fields or patients
than the training images, and be cut in the same way; else they lie too near themselves.

A nearly empty image lies near every other empty one, a copy of a crowded image may not lie
as near to it. So the score is not the distance, but the distance over that to the
next neighbours.

References
----------
Carlini et al. 2023, arXiv:2301.13188 (distance relative to that of the neighbours).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

from ._samples import same_width, stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Memorisation",
    "memorisation",
    "nearest_distances",
    "nearest_images",
    "usual_distances",
]

_ONE_IN = 100  # held-out images lie nearer than the limit
_USUAL = (0.05, 0.25, 0.5, 0.75, 0.95)
_ROWS = 1024  # images compared at a time
_NEIGHBOURS = 50  # as Carlini et al.; no more than a tenth of the training images
_ROUNDING = 1e-6  # of the training images' standard deviation: less is no distance


def nearest_distances(
    generated: ArrayLike, training: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Find the nearest training image of every generated one, by their features.

    Parameters
    ----------
    generated, training
        (N, D) and (M, D), one row for each image.

    Returns
    -------
    distance
        (N,) Euclidean, in the units of the features.
    index
        (N,) rows of `training`.

    Raises
    ------
    InputError
        If a set is empty, the widths differ, or a value is not finite.
    """
    a, b = same_width(generated, training)
    found = _search([a], b)
    return found.distance, found.index


@dataclass(frozen=True, eq=False)
class _NearestImages:
    """Nearest training images, and their distances relative to the next ones."""

    distance: NDArray[np.float64]
    index: NDArray[np.int64]
    relative: NDArray[np.float64]


def _search(views: Sequence[NDArray[np.float64]], training: NDArray[np.float64]) -> _NearestImages:
    """Find the nearest rows of (M, D), each image as one (N, D) for each of its views."""
    middle = training.mean(axis=0)
    rows = training - middle
    norms = (rows**2).sum(axis=1)
    nothing = _ROUNDING * math.sqrt(norms.mean())
    parts = [
        _search_part([view[start : start + _ROWS] - middle for view in views], rows, norms, nothing)
        for start in range(0, len(views[0]), _ROWS)
    ]
    return _NearestImages(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _search_part(
    views: Sequence[NDArray[np.float64]],
    rows: NDArray[np.float64],
    norms: NDArray[np.float64],
    nothing: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    squares = np.full((len(views[0]), len(rows)), np.inf)
    for view in views:
        here = norms + (view**2).sum(axis=1)[:, None] - 2 * (view @ rows.T)
        np.minimum(squares, here, out=squares)
    index = squares.argmin(axis=1)
    # anew from the difference: the expanded square does not make a copy's distance 0
    exact = [((view - rows[index]) ** 2).sum(axis=1) for view in views]
    distance = np.sqrt(np.min(exact, axis=0))
    if len(rows) == 1:
        return distance, index, distance
    count = min(_NEIGHBOURS, max(len(rows) // 10, 1))
    nearest = np.partition(squares, count, axis=1)[:, : count + 1]
    nearest = np.sqrt(np.sort(nearest, axis=1)[:, 1:].clip(0)).mean(axis=1)
    # among equal training images to be equal too is nothing special
    relative = np.divide(distance, nearest, out=np.ones_like(distance), where=nearest > nothing)
    return distance, index, relative


def nearest_images(
    generated: ArrayLike, training: ArrayLike, side: int = 32
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Find the nearest training image of every generated one, pixel by pixel.

    Each generated image is compared in all its views: mirrored, and turned by quarters (by
    halves, if it is not square).

    Parameters
    ----------
    generated, training
        (N, C, Y, X) and (M, C, Y, X), in the same units.
    side
        Images are averaged down to about as many px on their shorter side, never below.
        Default: 32.

    Returns
    -------
    distance
        (N,) root mean squared difference of the averaged pixels, in the images' units.
    index
        (N,) rows of `training`.

    Raises
    ------
    InputError
        If a set is empty, the channels or sizes differ, or a pixel is not a number.
    """
    found = _search_images(generated, training, side)
    return found.distance, found.index


def _search_images(generated: ArrayLike, training: ArrayLike, side: int) -> _NearestImages:
    images = stack(generated)
    rows = _shrunk(stack(training, images), side)
    found = _search([_shrunk(view, side) for view in _views(images)], rows)
    return replace(found, distance=found.distance / math.sqrt(rows.shape[1]))


def _shrunk(images: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Return the averaged pixels of each image in a row."""
    height, width = images.shape[-2:]
    factor = max(min(height, width) // max(side, 1), 1)
    rows, columns = height // factor, width // factor
    inner = images[..., : rows * factor, : columns * factor]
    blocks = inner.reshape(*images.shape[:2], rows, factor, columns, factor)
    means: NDArray[np.float64] = blocks.mean(axis=(3, 5), dtype=np.float64)
    return means.reshape(len(images), -1)


def _views(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    square = images.shape[-1] == images.shape[-2]
    for turns in range(0, 4, 1 if square else 2):
        turned = np.rot90(images, turns, axes=(-2, -1))
        yield turned
        yield turned[..., ::-1]


def usual_distances(distances: ArrayLike) -> tuple[float, ...]:
    """Return the 5, 25, 50, 75 and 95 % quantiles, as a model's card holds them."""
    return tuple(float(q) for q in np.quantile(np.asarray(distances, np.float64), _USUAL))


@dataclass(frozen=True, eq=False)
class Memorisation:
    """The distances of generated images to training images, beside those of real ones.

    Attributes
    ----------
    distances
        (N,) of each generated image to its nearest training image.
    index
        (N,) that training image.
    real_distances
        (H,) of each held-out real image to its nearest training image.
    relative, real_relative
        The same over the mean distance to the next neighbours among the training images
        (up to 50 of them): near 1 where nothing is special, near 0 for a copy.
    limit
        The 1 % quantile of `real_relative`.
    suspicious
        (N,) bool: `relative` lies below the limit.
    p
        Probability of as many suspicious images, or more, if the generated images lay no
        nearer than the held-out ones.
    """

    distances: NDArray[np.float64]
    index: NDArray[np.int64]
    real_distances: NDArray[np.float64]
    relative: NDArray[np.float64]
    real_relative: NDArray[np.float64]
    limit: float
    suspicious: NDArray[np.bool_]
    p: float

    @property
    def fraction(self) -> float:
        """Fraction of suspicious images, in [0, 1]; about 0.01 without any copying."""
        return float(self.suspicious.mean())

    @property
    def share(self) -> float:
        """The same as `fraction`, by its older name."""
        return self.fraction

    @property
    def usual(self) -> tuple[float, ...]:
        """The 5, 25, 50, 75 and 95 % quantiles of the held-out images' distances, for the card."""
        return usual_distances(self.real_distances)


def memorisation(
    generated: ArrayLike, training: ArrayLike, held_out: ArrayLike, *, side: int = 32
) -> Memorisation:
    """Compare the distances of generated and unseen real images to the training images.

    Parameters
    ----------
    generated, training, held_out
        Either features, (N, D), or images, (N, C, Y, X); see :func:`nearest_distances` and
        :func:`nearest_images`. Features find similar images; pixels find copies, in any
        of the eight views.
    side
        As of :func:`nearest_images`.

    Raises
    ------
    InputError
        If a set is empty, the shapes do not fit each other, or a value is not finite.
    """
    sets = [np.asarray(values) for values in (generated, training, held_out)]
    if {array.ndim for array in sets} == {4}:
        found, real = (_search_images(sets[i], sets[1], side) for i in (0, 2))
    elif {array.ndim for array in sets} == {2}:
        found, real = (_search([a], b) for a, b in (same_width(sets[i], sets[1]) for i in (0, 2)))
    else:
        raise InputError("Give either three tables of features, or three stacks of images.")
    limit = float(np.sort(real.relative)[_rank(len(real.relative)) - 1])
    suspicious = found.relative < limit
    return Memorisation(
        found.distance,
        found.index,
        real.distance,
        found.relative,
        real.relative,
        limit,
        suspicious,
        _chance(int(suspicious.sum()), len(suspicious), len(real.relative)),
    )


def _rank(real: int) -> int:
    """Return the rank of the 1 % quantile among the held-out distances."""
    return -(-real // _ONE_IN)


def _chance(found: int, generated: int, real: int) -> float:
    """Return the probability of `found` or more below the limit, if all are alike.

    The limit is the r-th nearest real image. As many generated ones lie before it exactly
    if they are among the first ``found + r - 1`` of all: a hypergeometric probability.
    """
    from scipy.stats import hypergeom

    first = min(found + _rank(real) - 1, generated + real)
    return float(hypergeom.sf(found - 1, generated + real, generated, first))
