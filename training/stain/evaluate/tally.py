"""Pixel-wise scores of one virtual stain, accumulated over the fields of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.metrics import (
    COVERAGE_GOALS,
    Reliability,
    Sparsification,
    coverage,
    grid_peak,
    grid_power,
    grid_power_ratio,
    mae,
    ms_ssim,
    nrmse,
    pcc,
    psnr,
    reliability,
    sparsification,
    spearman,
    ssim,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = [
    "GRID_PEAK",
    "GRID_RATIO",
    "MAX_POOLED",
    "ChannelTally",
    "PixelSums",
    "Prediction",
    "structure",
    "thinned",
]

MAX_POOLED = 1_000_000
"""Approximate number of evenly spaced pixels of a stain for order statistics over all fields."""

GRID_RATIO = "power at the Nyquist frequency, virtual / real"
GRID_PEAK = "peak at the Nyquist frequency"
_LEAST_SIDE = 32  # px of a field that shows traces of the upsampling

_LEAST_INSIDE = 1000
COVERAGE_NAMES = ("coverage of 68 %", "coverage of 95 %")


@dataclass(frozen=True, eq=False)
class Prediction:
    """One virtual stain of one field; all planes (Y, X), in the units of the real stain.

    Attributes
    ----------
    mean
        The virtual stain.
    std
        Standard deviation of the samples; None without samples.
    sigma
        The uncertainty as the calibration of the model's card computes it; None without one.
    view_std
        Standard deviation of the views; None of a single one.
    typical
        Typical error at this brightness alone, of a card with such curves; else None.
    """

    mean: Floats
    std: Floats | None = None
    sigma: Floats | None = None
    view_std: Floats | None = None
    typical: Floats | None = None

    @property
    def uncertainty(self) -> Floats | None:
        """The calibrated sigma, or else the uncalibrated standard deviation."""
        return self.std if self.sigma is None else self.sigma


@dataclass
class PixelSums:
    """Running sums over all pixels of all fields, in float64."""

    count: int = 0
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(6))

    def add(self, pred: NDArray[Any], true: NDArray[Any]) -> None:
        """Add one plane."""
        p, t = (x.astype(np.float64).ravel() for x in (pred, true))
        self.count += p.size
        self.sums += [p.sum(), t.sum(), p @ p, t @ t, p @ t, np.abs(p - t).sum()]

    @property
    def pcc(self) -> float:
        """Pearson's correlation over all pixels; 0 if one side is constant."""
        p, t, pp, tt, pt, _ = self.sums / max(self.count, 1)
        norm = (pp - p * p) * (tt - t * t)
        return float((pt - p * t) / np.sqrt(norm)) if norm > 0 else 0.0

    @property
    def mae(self) -> float:
        """Mean absolute difference, in the units of the planes."""
        return float(self.sums[5]) / max(self.count, 1)

    @property
    def rmse(self) -> float:
        """Root mean squared difference, in the units of the planes."""
        _, _, pp, tt, pt, _ = self.sums / max(self.count, 1)
        return float(np.sqrt(max(pp + tt - 2 * pt, 0.0)))


def thinned(plane: NDArray[Any], limit: int) -> Floats:
    """Return at most `limit` evenly spaced values of a plane (Y, X), from all of its columns."""
    step = max(1, -(-plane.size // max(limit, 1)))
    # a step that shares a factor with the width would see a few columns only: in a montage
    # of single cells always the same edge of each
    while gcd(step, plane.shape[-1]) > 1:
        step += 1
    return np.ravel(plane)[::step].astype(np.float32)


class ChannelTally:
    """Scores of one stain of one model, per field and pooled.

    Parameters
    ----------
    data_range
        Range of the intensities that SSIM, PSNR and NRMSE refer to, in the stain's units.
    fields
        Number of fields to come: each contributes an equal part of :data:`MAX_POOLED` pixels.
    """

    def __init__(self, data_range: float, fields: int) -> None:
        self.data_range = data_range
        self.rows: list[dict[str, float]] = []
        self._kept_per_field = MAX_POOLED // max(fields, 1)
        self._sums = PixelSums()
        self._pixels: list[dict[str, Floats]] = []
        self._sizes: list[int] = []
        self._grid = np.zeros((2, 2, 15))  # virtual and real, by :func:`grid_power`
        self.calibrated = False

    def add(self, real: NDArray[Any], prediction: Prediction) -> dict[str, float]:
        """Add one field and return its own scores."""
        mean, data_range = prediction.mean, self.data_range
        self._sums.add(mean, real)
        self._sizes.append(mean.size)
        if min(mean.shape) >= _LEAST_SIDE:
            self._grid += mean.size * grid_power(np.stack([mean, real])[None])
        row = {
            "PCC": pcc(mean, real),
            "SSIM": ssim(mean, real, data_range),
            "MS-SSIM": ms_ssim(mean, real, data_range),
            "PSNR": psnr(mean, real, data_range),
            "NRMSE": nrmse(mean, real, data_range),
            "MAE": mae(mean, real),
        }
        error = mean - real.astype(np.float32)
        inside = structure(real, mean)
        kept = {"error": error, "mean": mean, "inside": inside.astype(np.float32)}
        if prediction.uncertainty is not None:
            self.calibrated = prediction.sigma is not None
            row |= _coverages(error, prediction.uncertainty)
            if inside.any():
                covered = _coverages(error[inside], prediction.uncertainty[inside])
                row |= {f"{name}, inside": value for name, value in covered.items()}
            kept["sigma"] = prediction.uncertainty
        for name in ("std", "typical"):
            plane = getattr(prediction, name)
            if plane is not None and "sigma" in kept:
                kept[name] = plane
        limit = self._kept_per_field
        self._pixels.append({name: thinned(plane, limit) for name, plane in kept.items()})
        self.rows.append(row)
        return row

    def metrics(self) -> dict[str, float]:
        """Return the scores over all fields, by name."""
        sums, data_range = self._sums, self.data_range
        relative = sums.rmse / data_range
        result = {
            "PCC": sums.pcc,
            "PCC, mean per image": self._mean("PCC"),
            "SSIM, mean per image": self._mean("SSIM"),
            "MS-SSIM, mean per image": self._mean("MS-SSIM"),
            "PSNR": -20 * float(np.log10(relative)) if relative else float("inf"),
            "NRMSE": relative,
            "MAE": sums.mae,
        }
        return result | self._traces() | self._uncertainty()

    def _traces(self) -> dict[str, float]:
        """Return the power on the grid of the upsampling; nothing if all fields were tiny."""
        if not self._grid.any():
            return {}
        virtual, real = self._grid[:, None] / sum(self._sizes)
        ratio = grid_power_ratio(virtual, real, self.data_range)
        return {
            GRID_RATIO: float(ratio[0]),
            GRID_PEAK: float(grid_peak(virtual, self.data_range)[0]),
        }

    def _mean(self, name: str) -> float:
        return float(np.mean([row[name] for row in self.rows]))

    def pooled(self) -> dict[str, Floats]:
        """Return what is known of the kept pixels, by name.

        ``error``, ``mean``, ``inside`` (1 in a structure, else 0) and, with an uncertainty,
        ``sigma``; perhaps ``std`` of the samples and the ``typical`` error at that brightness.
        """
        names = self._pixels[0]
        return {name: np.concatenate([one[name] for one in self._pixels]) for name in names}

    def _uncertainty(self) -> dict[str, float]:
        pixels = self.pooled()
        error, sigma, std = pixels["error"], pixels.get("sigma"), pixels.get("std")
        found: dict[str, float] = {}
        if sigma is not None:
            covered = (name for name in self.rows[0] if name.startswith(COVERAGE_NAMES))
            found |= {name: self._weighted(name) for name in covered}
            if self.calibrated and std is not None:
                bare = _coverages(error, std)
                found |= {f"{name} before calibration": bare[name] for name in COVERAGE_NAMES}
            found["ENCE"] = reliability(error, sigma).ence
        found |= _ranking(pixels, "")
        inside = pixels["inside"] > 0
        if np.count_nonzero(inside) >= _LEAST_INSIDE:
            found |= _ranking({name: one[inside] for name, one in pixels.items()}, ", inside")
        return found

    def _weighted(self, name: str) -> float:
        """Return the mean of a figure over the fields, weighted by their size."""
        known = [
            (row[name], size)
            for row, size in zip(self.rows, self._sizes, strict=True)
            if name in row
        ]
        values, sizes = zip(*known, strict=True)
        return float(np.average(values, weights=sizes))

    def curves(self) -> dict[str, Sparsification | Reliability]:
        """Return the reliability, and sparsification curves of sigma and predicted intensity."""
        pixels = self.pooled()
        error = pixels["error"]
        found: dict[str, Sparsification | Reliability] = {
            "predicted intensity": sparsification(error, pixels["mean"])
        }
        if "sigma" in pixels:
            found["sigma"] = sparsification(error, pixels["sigma"])
            found["reliability"] = reliability(error, pixels["sigma"])
        return found


def structure(real: NDArray[Any], mean: Floats) -> NDArray[np.bool_]:
    """Return where a structure is, real or predicted: 15 % of the way from dark to bright.

    Most of an image is background, of which any uncertainty that grows with brightness is
    right; whether it tells anything more shows inside only.
    """
    dark, bright = np.percentile(real, [20, 99.5])
    limit = dark + 0.15 * (bright - dark)
    found: NDArray[np.bool_] = (real > limit) | (mean > limit)
    return found


_SCORES = {
    "sigma": "sigma",
    "mean": "predicted intensity",
    "typical": "typical error at that brightness",
}


def _ranking(pixels: dict[str, Floats], where: str) -> dict[str, float]:
    """Return how well sigma and its rivals rank the errors."""
    error, found = pixels["error"], {}
    known = {key: name for key, name in _SCORES.items() if key in pixels}
    for key, name in known.items():
        found[f"Spearman of error and {name}{where}"] = spearman(error, pixels[key])
    for key, name in known.items():
        found[f"AUSE of {name}{where}"] = sparsification(error, pixels[key]).ause
    return found


def _coverages(error: Floats, sigma: Floats) -> dict[str, float]:
    return {
        name: coverage(error, sigma, factor)
        for name, (factor, _) in zip(COVERAGE_NAMES, COVERAGE_GOALS, strict=True)
    }
