"""Precision and recall of generated images on the manifold of real ones.

References
----------
Kynkäänniemi et al. 2019, arXiv:1904.06991 (improved precision and recall); Naeem et al.
2020, arXiv:2002.09797 (density and coverage: less moved by outliers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError

from ._samples import same_width

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ManifoldScores", "manifold_scores"]


@dataclass(frozen=True)
class ManifoldScores:
    """Fidelity and coverage of a set of generated images.

    Attributes
    ----------
    precision
        Share of generated images that lie near a real one, in [0, 1].
    recall
        Share of real images that lie near a generated one, in [0, 1].
    density
        How many real neighbourhoods a generated image lies in, over `k`; about 1 for
        real images, may exceed 1.
    coverage
        Share of real images whose neighbourhood holds a generated one, in [0, 1].
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold_scores(real: ArrayLike, generated: ArrayLike, k: int = 5) -> ManifoldScores:
    """Compare two sets of features by the neighbourhoods of their images.

    The neighbourhood of an image reaches to its k-th neighbour in its own set. The scores
    depend on the number of images: compare sets of the same size, and beside them real
    images against real ones.

    Parameters
    ----------
    real, generated
        (N, D) and (M, D), one row for each image.
    k
        Neighbours; 3 in Kynkäänniemi et al., 5 in Naeem et al. Default: 5.

    Raises
    ------
    InputError
        If a set has `k` images or fewer, the widths differ, or a value is not finite.
    """
    from scipy.spatial.distance import cdist

    if k < 1:
        raise InputError(f"A neighbourhood needs at least one neighbour, not {k}.")
    a, b = same_width(real, generated, k + 1)
    radius_a, radius_b = _radii(a, k), _radii(b, k)
    distances = cdist(a, b)
    near_real = distances <= radius_a[:, None]
    near_generated = distances <= radius_b[None]
    return ManifoldScores(
        precision=float(near_real.any(axis=0).mean()),
        recall=float(near_generated.any(axis=1).mean()),
        density=float(near_real.sum(axis=0).mean() / k),
        coverage=float(near_real.any(axis=1).mean()),
    )


def _radii(points: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return the distance of every point to its k-th neighbour."""
    from scipy.spatial.distance import cdist

    distances = cdist(points, points)
    radii: NDArray[np.float64] = np.partition(distances, k, axis=1)[:, k]  # 0 is itself
    return radii
