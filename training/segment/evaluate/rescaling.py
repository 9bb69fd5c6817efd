"""The same fields at other magnifications: how much of a model's AP is left, and what helps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics.instance import Matching, matching
from napari_cytosynth.tasks.common.resample import (
    LARGEST_FACTOR,
    at_magnification,
    resampled_shape,
)
from napari_cytosynth.tasks.segment.instances import drop_labels
from napari_cytosynth.tasks.segment.object_size import DIFFERENT
from napari_cytosynth.training.segment.targets import diameters_by_label, equivalent_diameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.tasks.segment.result import Segmentation

    Labels = NDArray[np.integer[Any]]
    Segmenter = Callable[[NDArray[Any], bool], Segmentation]

__all__ = ["WIDEST_ERROR", "WIDTH", "RescaledScores", "RescalingTally", "check_factors"]

WIDTH = 12.0
"""Least diameter in px (of the circle of the area), after resampling, of objects that count."""
WIDEST_ERROR = 1.35
"""An offered diameter within this factor of the true median is right."""
_IOU = 0.5
_OUTCOMES = ("right", "wrong", "not offered", "not offered, but needed")


@dataclass(frozen=True)
class RescaledScores:
    """AP@0.5 at one magnification, of true objects that are at least 12 px wide there.

    Attributes
    ----------
    factor
        That the images and their truth were resampled by.
    objects
        Number of these true objects.
    unscaled
        AP of the same objects in the images as they are.
    plain
        AP without any help.
    auto
        AP with ``diameter="auto"``; None where the model knows no diameter.
    sizes
        For how many images the offered diameter was ``right`` (within a factor of 1.35 of the true
        median), ``wrong``, or ``not offered``, and of the last, how many differ by more than 1.5.
    """

    factor: float
    objects: int
    unscaled: float
    plain: float
    auto: float | None
    sizes: dict[str, int]

    def record(self) -> dict[str, Any]:
        """Return the scores, and their ratios to the unscaled ones, as plain values."""
        return {
            **vars(self),
            "plain / unscaled": self._ratio(self.plain),
            "auto / unscaled": self._ratio(self.auto),
        }

    def _ratio(self, value: float | None) -> float | None:
        return value / self.unscaled if value is not None and self.unscaled else None

    def summary(self) -> str:
        """Return the scores as a line of text."""
        if not self.objects:
            return f"  × {self.factor:g}: no true object is {WIDTH:g} px wide"
        parts = [
            f"  × {self.factor:g}: {self.objects} objects, AP@0.5 {self.unscaled:.3f} at × 1",
            f"as it is {self._shown(self.plain)}",
        ]
        if self.auto is not None:
            sizes = ", ".join(f"{count} {name}" for name, count in self.sizes.items() if count)
            parts.append(f"measured size {self._shown(self.auto)}; sizes: {sizes}")
        return ", ".join(parts)

    def _shown(self, value: float) -> str:
        ratio = self._ratio(value)
        return f"{value:.3f}" + ("" if ratio is None else f" ({100 * ratio:.0f} %)")


@dataclass(eq=False)
class _Counts:
    """Matches of all images at one factor."""

    objects: int = 0
    unscaled: Matching = field(default_factory=lambda: Matching(_IOU))
    plain: Matching = field(default_factory=lambda: Matching(_IOU))
    auto: Matching = field(default_factory=lambda: Matching(_IOU))
    sizes: Counter[str] = field(default_factory=Counter)


class RescalingTally:
    """Counts of objects at several magnifications, accumulated over images.

    Parameters
    ----------
    factors
        To resample by, from 1/8 to 8.
    run
        Segments an image (Y, X), with ``diameter="auto"`` if the second argument is True.
    knows_size
        Whether the model's card has a diameter.
    smallest
        Found objects of fewer pixels, at × 1, do not count.

    Raises
    ------
    InputError
        If a factor is out of range.
    """

    def __init__(
        self, factors: Sequence[float], run: Segmenter, *, knows_size: bool, smallest: int = 0
    ) -> None:
        self._run, self._knows_size, self._smallest = run, knows_size, smallest
        self._counts = {factor: _Counts() for factor in check_factors(factors)}

    def add(self, image: NDArray[Any], truth: Labels, found: Labels) -> None:
        """Add one image.

        Parameters
        ----------
        image
            (Y, X) as it was read.
        truth
            Labels of its true objects.
        found
            Labels that the model finds in the image as it is.
        """
        for factor, counts in self._counts.items():
            wide = diameters_by_label(truth) * factor >= WIDTH
            counts.objects += int(np.count_nonzero(wide))
            counts.unscaled += _matched(truth, found, wide)
            shape = resampled_shape((image.shape[0], image.shape[1]), (factor, factor))
            scaled = image
            if factor != 1:
                scaled = at_magnification(np.nan_to_num(image)[None], shape)[0]
            true = _nearest(truth, shape)
            counts.plain += _matched(true, self._found(self._run(scaled, False), factor), wide)
            if self._knows_size:
                result = self._run(scaled, True)
                counts.auto += _matched(true, self._found(result, factor), wide)
                counts.sizes[_outcome(result, true)] += 1

    def _found(self, result: Segmentation, factor: float) -> Labels:
        return drop_labels(np.asarray(result.labels), round(self._smallest * factor**2))

    def scores(self) -> list[RescaledScores]:
        """Return the scores of all images, one entry for each factor."""
        return [
            RescaledScores(
                factor,
                counts.objects,
                counts.unscaled.average_precision,
                counts.plain.average_precision,
                counts.auto.average_precision if self._knows_size else None,
                {name: counts.sizes[name] for name in _OUTCOMES} if self._knows_size else {},
            )
            for factor, counts in self._counts.items()
        ]


def check_factors(factors: Sequence[float]) -> list[float]:
    """Return factors without repetition, in their order, else raise InputError."""
    for factor in factors:
        if not 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR:
            raise InputError(
                f"Images are resampled by factors from 1/{LARGEST_FACTOR} to {LARGEST_FACTOR}, not "
                f"by {factor:g}."
            )
    return list(dict.fromkeys(factors))


def _nearest(labels: Labels, shape: tuple[int, int]) -> Labels:
    """Resample labels: each pixel is that of its middle."""
    places = [
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.intp), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    ]
    return labels[np.ix_(*places)]


def _matched(truth: Labels, found: Labels, counts: NDArray[np.bool_]) -> Matching:
    """Match true objects that count; what lies mostly in others is neither right nor wrong."""
    other = (truth > 0) & ~counts[truth]
    sizes = np.bincount(found.ravel(), minlength=1)
    inside = np.bincount(found[other], minlength=len(sizes))
    kept = 2 * inside <= sizes
    kept[0] = False
    return matching(np.where(counts[truth], truth, 0), np.where(kept[found], found, 0), _IOU)


def _outcome(result: Segmentation, truth: Labels) -> str:
    """Return whether the size that was offered for an image is right."""
    measured = result.provenance.get("object_size", {})
    diameters = equivalent_diameters(truth)
    true = float(np.median(diameters)) if len(diameters) else None
    if measured.get("scale", 1) != 1:
        offered = float(measured["diameter"])
        right = true is not None and 1 / WIDEST_ERROR <= offered / true <= WIDEST_ERROR
        return "right" if right else "wrong"
    ratio = 1.0 if true is None or not measured else true / float(measured["model_diameter"])
    needed = not 1 / DIFFERENT <= ratio <= DIFFERENT
    return "not offered, but needed" if needed else "not offered"
