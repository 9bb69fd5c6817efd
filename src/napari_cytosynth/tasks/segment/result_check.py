"""Check of a segmentation after the run, against results on the validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_cytosynth.tasks.common.defaults import fitting_diameter
from napari_cytosynth.tasks.common.looks import trained_on

from .confidence import DOUBTFUL

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.zoo.card import Expected, ModelCard

__all__ = ["ResultFacts", "TrainingFacts", "check_result", "facts_of"]

_FACTOR = 2.0  # beyond the quantiles of the validation images, before anything is said
_SPARSE = 10.0  # the same for few objects: a sparse field is no fault
_LEAST_CONFIDENCE = 0.8  # of the validation images' lowest mean confidence


class _Result(Protocol):
    """What is looked at of a segmentation."""

    @property
    def labels(self) -> npt.NDArray[np.int32]: ...

    @property
    def pixel_size(self) -> tuple[float, ...] | None: ...


@dataclass(frozen=True)
class TrainingFacts:
    """What a result is held against: the model's training and validation images.

    Attributes
    ----------
    expected
        Results on the validation images. Default: None, unknown.
    modality
        Kind of microscopy; empty (default) if unknown.
    pixel_size_um
        Default: None, unknown.
    diameter
        Typical diameter of the objects in px. Default: None, unknown.
    unlike
        In what the image looked unlike the training images before the run; empty (default) if
        nothing was found.
    """

    expected: Expected | None = None
    modality: str = ""
    pixel_size_um: float | None = None
    diameter: float | None = None
    unlike: str = ""

    @classmethod
    def from_card(cls, card: ModelCard, unlike: str = "") -> TrainingFacts:
        """Return what a card knows, and what was found of the image."""
        own = card.inference
        kind = own.modality or trained_on(card) or ""
        return cls(own.expected, kind, own.pixel_size_um, own.diameter, unlike)

    @property
    def known(self) -> bool:
        """Whether there is anything to hold a result against."""
        return self.expected is not None or bool(self.unlike)

    def doubt(
        self,
        result: _Result,
        table: Any,
        objects: str,
        diameter: float | None,
        pixels: int | None = None,
    ) -> str:
        """Return :func:`check_result` of a result.

        Parameters
        ----------
        result, table
            As :func:`facts_of` takes them.
        objects
            Name of the objects.
        diameter
            Of the image's objects in px, if the image was resampled by it; else None.
        pixels
            As :func:`facts_of` takes them. Default: None.
        """
        factor = None
        if diameter and self.diameter:
            factor = fitting_diameter(self.diameter, self.expected, diameter) / diameter
        facts = facts_of(result, table, self.pixel_size_um, factor, pixels)
        unlike = bool(self.unlike)
        return check_result(facts, self.expected, objects, self.modality, unlike=unlike)


@dataclass(frozen=True)
class ResultFacts:
    """What is compared of a result.

    Attributes
    ----------
    count
        Number of objects.
    foreground
        Fraction of the pixels that belong to objects, in [0, 1].
    diameter
        Median diameter of the circles of the objects' areas, in px of the model's pixel size;
        None without objects, and for volumes.
    confidence
        Mean confidence of the objects, in [0, 1]; None where the model gives none.
    doubtful
        Fraction of the objects that are more likely wrong than right; None likewise.
    """

    count: int
    foreground: float
    diameter: float | None = None
    confidence: float | None = None
    doubtful: float | None = None


def facts_of(
    segmentation: _Result,
    table: Any,
    model_pixel_size: float | None = None,
    factor: float | None = None,
    pixels: int | None = None,
) -> ResultFacts:
    """Gather the facts of a result.

    Parameters
    ----------
    segmentation
        The result.
    table
        Table of its objects, with ``area_px`` (or volumes) and, where known, ``confidence``.
    model_pixel_size
        Pixel size of the training images in µm; None (default) if unknown.
    factor
        Diameter of the model's objects over the one that was given for the image's; it takes the
        place of the pixel sizes. None (default) where none was.
    pixels
        Number of pixels in which objects can lie. None (default): all.
    """
    labels, own = segmentation.labels, segmentation.pixel_size
    foreground = float(np.count_nonzero(labels)) / max(labels.size if pixels is None else pixels, 1)
    if not len(table):
        return ResultFacts(0, foreground)
    zoom = factor or 1.0
    if factor is None and own is not None and model_pixel_size is not None:
        zoom = float(np.sqrt(own[-2] * own[-1])) / model_pixel_size
    diameter = None
    if "area_px" in table:  # volumes of a stack have no counterpart in the images of the training
        diameter = zoom * float(np.median(2 * np.sqrt(np.asarray(table["area_px"], float) / np.pi)))
    if "confidence" not in table:
        return ResultFacts(len(table), foreground, diameter)
    known = np.asarray(table["confidence"], float)
    known = known[np.isfinite(known)]
    if not known.size:
        return ResultFacts(len(table), foreground, diameter)
    doubtful = float(np.mean(known < DOUBTFUL))
    return ResultFacts(len(table), foreground, diameter, float(known.mean()), doubtful)


def check_result(
    found: ResultFacts,
    expected: Expected | None,
    objects: str = "objects",
    modality: str = "",
    *,
    unlike: bool = False,
) -> str:
    """Return a sentence on a result that is unlike those of the validation images.

    Parameters
    ----------
    found
        Facts of the result.
    expected
        Of the model's card; None if it has none: then nothing is said.
    objects
        Name of the objects. Default: "objects".
    modality
        Kind of microscopy of the training images; empty (default) if unknown.
    unlike
        Whether the image looked unlike them before the run. Default: False. Confidences were
        fitted on images like these, and cannot be trusted on others, however high they are.

    Returns
    -------
    str
        Empty if the image is not `unlike` and the result is as expected: no size lies beyond
        twice, or below half, of what 90 % of the validation images show, the foreground is
        neither ten times sparser nor twice as dense, and most objects are rather right than wrong.
    """
    if expected is None and not unlike:
        return ""
    reasons = _confidence(found, expected, unlike)
    if expected is not None:
        reasons += [*_foreground(found, expected), *_diameter(found, expected)]
    if not reasons:
        return ""
    count = f"{found.count} {objects}, " if found.count else f"No {objects} "
    cause = ": the image may be unlike those that the model was trained on"
    if modality:
        cause = f": this model was trained on {modality}"
    elif unlike and found.count:  # which is said already
        cause = ""
    return f"{count}{'; '.join(reasons)}{cause}."


def _confidence(found: ResultFacts, expected: Expected | None, unlike: bool) -> list[str]:
    """Return what the confidences say, or that they say nothing of an image of another kind."""
    if found.doubtful is not None and found.doubtful > 0.5:
        return ["most of them doubtful"]
    if unlike and found.count:
        unknown = "" if found.confidence is None else "of unknown confidence "
        return [f"{unknown}in an image unlike those of the training"]
    known = None if expected is None else expected.confidence
    if found.confidence is None or known is None:
        return []
    if found.confidence >= _LEAST_CONFIDENCE * known[0]:
        return []
    return [
        "which the model is less sure of than usual (a mean confidence of "
        f"{found.confidence:.2f}, in validation images {known[0]:.2f} to {known[2]:.2f})"
    ]


def _foreground(found: ResultFacts, expected: Expected) -> list[str]:
    known = expected.foreground
    if known is None:
        return []
    low, high = known[0] / _SPARSE, 1 - (1 - known[2]) / _FACTOR
    if low <= found.foreground <= high:
        return []
    share, least, most = (100 * value for value in (found.foreground, known[0], known[2]))
    if not found.count:
        return [f"(in validation images they cover {least:.2g} to {most:.2g} % of the area)"]
    return [f"on {share:.3g} % of the area (in validation images {least:.2g} to {most:.2g} %)"]


def _diameter(found: ResultFacts, expected: Expected) -> list[str]:
    known = expected.diameter
    if known is None or found.diameter is None:
        return []
    if known[0] / _FACTOR <= found.diameter <= known[2] * _FACTOR:
        return []
    size = "small" if found.diameter < known[0] else "large"
    return [
        f"too {size} (half of them under {found.diameter:.3g} px across, in validation images "
        f"{known[0]:.3g} to {known[2]:.3g} px)"
    ]
