"""Distances between two populations of measured objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Difference", "compare_populations", "ks_distance", "wasserstein"]


def _sorted(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64).ravel()
    array = np.sort(array[np.isfinite(array)])
    if not array.size:
        raise InputError("A population needs at least one object with a number.")
    return array


def ks_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Return the largest distance of two cumulative distributions (Kolmogorov, Smirnov).

    Parameters
    ----------
    first, second
        One number for each object; what is not finite is left out.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        If a population is empty.
    """
    a, b = _sorted(first), _sorted(second)
    everything = np.concatenate([a, b])
    fractions = [np.searchsorted(x, everything, side="right") / x.size for x in (a, b)]
    return float(np.abs(fractions[0] - fractions[1]).max())


def wasserstein(first: ArrayLike, second: ArrayLike) -> float:
    """Return the Wasserstein-1 distance of two distributions, in their own units.

    Parameters and errors as for :func:`ks_distance`.
    """
    from scipy.stats import wasserstein_distance

    a, b = _sorted(first), _sorted(second)
    if a.size == b.size:  # the same, and much faster for the pixels of many images
        return float(np.abs(a - b).mean())
    return float(wasserstein_distance(a, b))


@dataclass(frozen=True)
class Difference:
    """One feature of the real and the virtual objects.

    Attributes
    ----------
    feature
        Its name.
    real_mean, virtual_mean
        In the feature's own units.
    ks, ks_halves
        Kolmogorov–Smirnov distance of real and virtual objects, and of two halves of the
        real ones.
    wasserstein, wasserstein_halves
        Wasserstein distance in standard deviations of the real objects, for both.
    """

    feature: str
    real_mean: float
    virtual_mean: float
    ks: float
    ks_halves: float
    wasserstein: float
    wasserstein_halves: float


def compare_populations(
    real: Mapping[str, ArrayLike],
    virtual: Mapping[str, ArrayLike],
    *,
    splits: int = 20,
    seed: int = 0,
) -> list[Difference]:
    """Compare the distributions of every feature, with the distances due to chance.

    Two halves of the real objects differ too; a distance near theirs is as good as it
    gets. Halves are smaller than the populations, so theirs is a little too large.

    Parameters
    ----------
    real, virtual
        For each feature one number for each object; features in only one are left out, and
        those with fewer than two real or no virtual objects.
    splits
        Number of random halvings; their mean distance is reported. Default: 20.
    seed
        Of the halvings. Default: 0.
    """
    rng = np.random.default_rng(seed)
    found = []
    for name in real:
        if name not in virtual:
            continue
        a, b = (np.asarray(group[name], np.float64).ravel() for group in (real, virtual))
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        if a.size >= 2 and b.size:
            found.append(_difference(name, a, b, splits, rng))
    return found


def _difference(
    name: str,
    real: NDArray[np.float64],
    virtual: NDArray[np.float64],
    splits: int,
    rng: np.random.Generator,
) -> Difference:
    halves = []
    for _ in range(splits):
        mixed = rng.permutation(real)
        one, other = mixed[: real.size // 2], mixed[real.size // 2 :]
        halves.append((ks_distance(one, other), wasserstein(one, other)))
    ks_halves, shift_halves = np.mean(halves, axis=0)
    unit = float(real.std()) or 1.0
    return Difference(
        name,
        float(real.mean()),
        float(virtual.mean()),
        ks_distance(real, virtual),
        float(ks_halves),
        wasserstein(real, virtual) / unit,
        float(shift_halves) / unit,
    )
