"""What numbers of real cells are in general: the density that a prediction has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.tasks.stain.objects.numbers import FREEDOM
from napari_cytosynth.zoo.card import NumberPopulation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Values = NDArray[np.float64]

__all__ = ["Population", "population_of"]

QUANTILES = 41
_TAILS = 0.05
"""Weight of a wide density, without which a number far from all others would have none."""


@dataclass(frozen=True, eq=False)
class Population:
    """Density of one number over the cells of many fields, on the number's scale.

    That of a kernel estimate (Scott 1992), from quantiles, so that a card can hold it.

    Attributes
    ----------
    quantiles
        (K,) at evenly spaced probabilities from 0 to 1.
    smoothing
        Standard deviation of the kernel.
    """

    quantiles: Values
    smoothing: float

    @classmethod
    def from_card(cls, record: NumberPopulation) -> Population:
        """Return the density that a card holds."""
        return cls(np.array(record.quantiles, np.float64), record.smoothing)

    def as_card(self) -> NumberPopulation:
        """Return the record for a card, rounded."""
        return NumberPopulation(
            quantiles=[float(f"{value:.5g}") for value in self.quantiles],
            smoothing=float(f"{self.smoothing:.4g}"),
        )

    def log_density(self, asked: ArrayLike) -> Values:
        """Return the natural logarithm of the density at numbers on the scale."""
        from scipy.stats import norm, t

        x = np.asarray(asked, np.float64)
        low, high = self.quantiles[:-1], self.quantiles[1:]
        # many cells of the same number leave no room between two quantiles
        middle, width = (low + high) / 2, np.maximum(high - low, 1e-3 * self.smoothing)
        ends = (middle - width / 2, middle + width / 2)
        below, above = (norm.cdf((x[:, None] - end) / self.smoothing) for end in ends)
        density = ((below - above) / width).mean(axis=1)
        spread = float(np.sqrt(np.mean((middle - middle.mean()) ** 2 + width**2 / 12)))
        wide = t.pdf(x, FREEDOM, float(np.median(self.quantiles)), spread + 1e-9)
        found: Values = np.log((1 - _TAILS) * density + _TAILS * wide)
        return found


def population_of(values: ArrayLike) -> Population:
    """Return the density of numbers on their scale.

    Parameters
    ----------
    values
        (N,), at least two.
    """
    known = np.asarray(values, np.float64)
    smoothing = float(known.std(ddof=1)) * len(known) ** -0.2
    return Population(np.quantile(known, np.linspace(0, 1, QUANTILES)), max(smoothing, 1e-6))
