"""Numbers of virtual cells with an interval: what the real stain would probably have given.

The error of a cell's area or brightness is not the sum of independent errors of its pixels. So
the intervals come from cells of left-out fields, of which virtual and real number are known: a
line through both on a scale on which they scatter evenly, and the width of the scatter, which
may grow with the doubt of a cell. Errors have long tails: a Student t distribution. The cells of
a field share a part of their error (the whole field is brighter than predicted), which another
field will not have: what the means of the fields differ by widens the interval, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from .features import DARK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int32]
    Values = NDArray[np.float64]

__all__ = ["FREEDOM", "NumberFit", "fit_number", "measured_numbers", "scale_of"]

FREEDOM = 4.0
"""Degrees of freedom of the t distribution of the errors."""
_FEW = 10
"""A field of fewer cells weighs less than the others."""
Scale = Literal["log", "shape"]


def measured_numbers(
    labels: Labels, stains: Mapping[str, NDArray[np.floating]]
) -> dict[str, Values]:
    """Return area, eccentricity and the mean and sum of every stain, of each object by label.

    Parameters
    ----------
    labels
        (Y, X), numbered from 1 without gaps.
    stains
        Name -> (Y, X) intensities; the background (their percentile 20) is subtracted.
    """
    from napari_cytosynth.tasks.measure.regions import Regions

    regions = Regions(labels)
    major, minor, _ = regions.ellipse((1.0, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(major > 0, minor / major, 1.0)
    found = {
        "area_px": regions.area.astype(np.float64),
        "eccentricity": np.sqrt(np.clip(1 - ratio**2, 0, 1)),
    }
    ids = np.arange(1, len(regions.area) + 1)
    for name, plane in stains.items():
        above = plane - np.percentile(plane, DARK)
        mean = np.asarray(ndimage.mean(above, labels, ids), np.float64) if ids.size else np.empty(0)
        found[f"mean {name}"] = mean
        found[f"sum {name}"] = mean * regions.area
    return found


def scale_of(name: str) -> Scale:
    """Return the scale on which a number scatters evenly."""
    return "shape" if name == "eccentricity" else "log"


@dataclass(frozen=True)
class NumberFit:
    """Distribution of the real number of a cell, given the virtual one and the doubt.

    On the scale, the real number is ``offset + slope * virtual`` plus a t-distributed error, whose
    width is the root of the sum of the squares of ``exp(log_width + doubt_weight * doubt)`` (of
    cells within a field) and ``field_width`` (of whole fields).

    Attributes
    ----------
    scale
        ``log``, or ``shape``: log(1 - eccentricity²).
    least
        Smaller numbers count as this one, in the number's own units; of a shape, those of
        1 - eccentricity².
    offset, slope, log_width, doubt_weight, field_width
        See above. Default of the last: 0.
    """

    scale: Scale
    least: float
    offset: float
    slope: float
    log_width: float
    doubt_weight: float
    field_width: float = 0.0

    def scaled(self, values: ArrayLike) -> Values:
        """Return numbers on the scale."""
        found = np.asarray(values, np.float64)
        shape = self.scale == "shape"
        result: Values = np.log(np.maximum(1 - found**2 if shape else found, self.least))
        return result

    def unscaled(self, values: ArrayLike) -> Values:
        """Undo :meth:`scaled`."""
        found = np.exp(np.asarray(values, np.float64))
        result: Values = np.sqrt(np.clip(1 - found, 0, 1)) if self.scale == "shape" else found
        return result

    def distribution(self, virtual: ArrayLike, doubt: ArrayLike) -> tuple[Values, Values]:
        """Return centre and width of the distribution of the real number, on the scale."""
        centre = self.offset + self.slope * self.scaled(virtual)
        within = np.exp(self.log_width + self.doubt_weight * np.nan_to_num(np.asarray(doubt)))
        return centre, np.hypot(within, self.field_width)

    def interval(
        self, virtual: ArrayLike, doubt: ArrayLike, fraction: float = 0.6827
    ) -> tuple[Values, Values, Values]:
        """Return low end, middle and high end of the interval that holds this fraction.

        Parameters
        ----------
        virtual
            The number in the virtual stain, of each cell, in its own units.
        doubt
            In [0, 1].
        fraction
            Default: 0.6827.
        """
        from scipy.stats import t

        centre, width = self.distribution(virtual, doubt)
        reach = float(t.ppf(0.5 + fraction / 2, FREEDOM)) * width
        ends = [self.unscaled(centre - reach), self.unscaled(centre), self.unscaled(centre + reach)]
        low, middle, high = ends if self.scale == "log" else ends[::-1]
        return low, middle, high

    def log_density(self, virtual: ArrayLike, doubt: ArrayLike, real: ArrayLike) -> Values:
        """Return the natural logarithm of the density of the real numbers, on the scale."""
        from scipy.stats import t

        centre, width = self.distribution(virtual, doubt)
        found: Values = t.logpdf(self.scaled(real), FREEDOM, centre, width)
        return found


def fit_number(
    name: str,
    virtual: ArrayLike,
    doubt: ArrayLike,
    real: ArrayLike,
    fields: ArrayLike | None = None,
) -> NumberFit:
    """Fit the distribution of a number, for cells of a field that is not among these.

    Slope and width are fitted within the fields by maximum likelihood, every field weighing the
    same. The offset is the mean over the fields, shrunk towards that of no correction the more,
    the larger its standard error is (James and Stein 1961): fields may scatter around none. That
    scatter, less what it owes to the scatter of their cells, widens the interval as a t
    distribution of so few fields asks for.

    Parameters
    ----------
    name
        Of the number; it decides on the scale.
    virtual, real
        Of each cell, in the number's own units.
    doubt
        Of each cell, in [0, 1].
    fields
        What names the field of each cell. None (default): all are of one field, and nothing is
        known of how fields differ.
    """
    truth = np.asarray(real, np.float64)
    shape = scale_of(name) == "shape"
    least = 1e-3 if shape else max(0.02 * float(np.median(np.abs(truth))), 1e-9)
    start = NumberFit(scale_of(name), least, 0.0, 1.0, 0.0, 0.0)
    x, y = start.scaled(virtual), start.scaled(truth)
    groups = np.zeros(len(x)) if fields is None else np.asarray(fields)
    cells = _Fields(np.unique(groups, return_inverse=True)[1])
    middle = cells.mean(x)
    slope, log_width, doubt_weight = _fit_within(x, y, doubt, cells)
    shift, field_width = _between(y - middle - slope * (x - middle), cells)
    return replace(
        start,
        offset=middle + shift - slope * middle,
        slope=slope,
        log_width=log_width,
        doubt_weight=doubt_weight,
        field_width=field_width,
    )


class _Fields:
    """Fields of cells, each of the same weight.

    Parameters
    ----------
    number
        (N,) number of the field of each cell, from 0 without gaps.
    """

    def __init__(self, number: NDArray[np.intp]) -> None:
        self.number, self.sizes = number, np.bincount(number)
        weight = 1 / np.maximum(self.sizes, _FEW)[number]
        self.weight: Values = weight / weight.sum()

    def mean(self, values: Values) -> float:
        """Return the mean over all cells."""
        return float(self.weight @ values)

    def means(self, values: Values) -> Values:
        """Return the mean of each field."""
        found: Values = np.bincount(self.number, values) / self.sizes
        return found

    def centred(self, values: Values) -> Values:
        """Return the values less the mean of their field."""
        found: Values = values - self.means(values)[self.number]
        return found


def _fit_within(
    x: Values, y: Values, doubt: ArrayLike, cells: _Fields
) -> tuple[float, float, float]:
    """Return slope, logarithm of the width and its weight of the doubt, of cells of one field."""
    from scipy.optimize import minimize
    from scipy.stats import t

    x, y = cells.centred(x), cells.centred(y)
    d = np.nan_to_num(np.asarray(doubt, np.float64))

    def cost(p: Values) -> float:
        width = np.exp(np.clip(p[2] + p[3] * d, -12, 12))
        likelihood = t.logpdf((y - p[0] - p[1] * x) / width, FREEDOM) - np.log(width)
        # a width that falls with the doubt, or a steep one, needs reason
        return float(-cells.weight @ likelihood + 1e-3 * p[3] ** 2)

    first = np.array([0.0, 1.0, np.log(np.std(y - x) + 1e-3), 0.0])
    found = minimize(cost, first, method="BFGS").x
    return float(found[1]), float(found[2]), float(found[3])


def _between(error: Values, cells: _Fields) -> tuple[float, float]:
    """Return the mean error of all fields, shrunk, and the width of the next field's."""
    from scipy.stats import t

    means, count = cells.means(error), len(cells.sizes)
    shift = float(means.mean())
    if count < 2:
        return shift, 0.0
    scatter = float(means.var(ddof=1))
    kept = max(0.0, 1 - scatter / count / max(shift**2, 1e-12))
    within = float(np.sum(cells.centred(error) ** 2)) / max(len(error) - count, 1)
    between = max(scatter - within * float(np.mean(1 / cells.sizes)), 0.0)
    # the mean over so few fields is uncertain itself, and so is their scatter
    one_sigma = 0.5 + 0.6827 / 2
    few = float(t.ppf(one_sigma, count - 1) / t.ppf(one_sigma, FREEDOM))
    return kept * shift, few * float(np.sqrt(between * (1 + kept / count)))
