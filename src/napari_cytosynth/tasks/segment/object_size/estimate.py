"""Typical size of the objects in an image, measured with a model at several scales.

A network at a wrong scale finds fragments or clumps of the size that it expects, so that a size
alone proves nothing. Objects count that the next scale finds too: they are in the image.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.defaults import NEAR, fitting_diameter
from napari_cytosynth.tasks.common.input_check import unlike_training
from napari_cytosynth.tasks.common.layers import read_source
from napari_cytosynth.tasks.common.planes import is_constant, make_reader

from .passes import ScalePass, known_diameter, passes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.axes import PlaneReader
    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.loading import Model

__all__ = ["ObjectSize", "ScalePass", "estimate_object_size", "judge", "measure_plane"]

DIFFERENT = 1.5
"""Objects whose diameter differs from the model's by more than this are worth resampling."""

SLIGHT = 1.3
"""Those that differ by more than this are, too, where the image as it is shows them badly."""

FARTHEST = 5.0
"""Objects that differ by more were not seen at their own scale: what was found is no evidence."""

# Chosen on training images of nuclei and of cells in phase contrast that were resampled by known
# factors, and on photographs, noise and other microscopy, where nothing must be found.
_LEAST_OBJECTS = 4
_LEAST_SCORE = 0.45
_LEAST_SCORE_ALIKE = 0.35  # of an image that, at that size, looks like those of the training
_WIDTH = 0.7  # of the score's bell, in the natural logarithm of the diameter
_RIVAL = 0.75  # a scale whose score is this fraction of the best must not contradict it
_CONTRADICTION = 1.8  # factor between two diameters
_WORSE = 0.8  # scale 1 shows objects badly below this fraction of the best score


@dataclass(frozen=True)
class ObjectSize:
    """Size of the objects in an image, and how it was measured.

    Attributes
    ----------
    model_diameter
        Typical diameter of the objects that the model was trained on, in px.
    diameter
        Typical diameter of the objects in px of the image; None where nothing is convincing.
    passes
        What was found at each scale that was tried.
    doubt
        Why there is no diameter; empty (default) where there is one.
    poor_as_is
        Whether the objects were clearly better seen at another scale than 1. Default: False.
    fitting
        Diameter in px that the objects are best brought to (see
        :func:`~napari_cytosynth.tasks.common.defaults.fitting_diameter`). Default: None, that of
        the model.
    """

    model_diameter: float
    diameter: float | None
    passes: tuple[ScalePass, ...]
    doubt: str = ""
    poor_as_is: bool = False
    fitting: float | None = None

    @property
    def scale(self) -> float:
        """Factor to resample the image by: 1 unless the objects clearly differ."""
        return self._factor if self.offers else 1.0

    @property
    def factors(self) -> tuple[float, float]:
        """Factors along Y and X that bring the objects to the fitting size, offered or not."""
        return self._factor, self._factor

    @property
    def _factor(self) -> float:
        return (self.fitting or self.model_diameter) / (self.diameter or self.model_diameter)

    @property
    def ratio(self) -> float | None:
        """Diameter of the objects over that of the model's; None where it is not known."""
        return None if self.diameter is None else self.diameter / self.model_diameter

    @property
    def offers(self) -> bool:
        """Whether the objects clearly differ from the model's, so that resampling may help."""
        ratio, tolerance = self.ratio, SLIGHT if self.poor_as_is else DIFFERENT
        differ = ratio is not None and not 1 / tolerance <= ratio <= tolerance
        return differ and not 1 / NEAR <= self._factor <= NEAR

    @property
    def sentence(self) -> str:
        """What was found, for the user."""
        if self.diameter is None or self.ratio is None:
            return f"The size of the objects could not be measured: {self.doubt}"
        text = f"The objects are about {self.diameter:.3g} px across"
        if not self.offers:
            return f"{text}, and the model knows {self.model_diameter:.3g} px: near enough."
        ratio = f"{self.ratio:.2g}"
        return (
            f"{text}, {ratio} times as large as the {self.model_diameter:.3g} px the model knows."
        )

    def record(self) -> dict[str, Any]:
        """Return the measurement as plain values, for the provenance."""
        return {
            "diameter": None if self.diameter is None else round(self.diameter, 3),
            "model_diameter": self.model_diameter,
            "scale": round(self.scale, 4),
            "doubt": self.doubt,
            "passes": [
                {
                    name: round(value, 4) if isinstance(value, float) else value
                    for name, value in asdict(tried).items()
                }
                for tried in self.passes
            ],
        }


def estimate_object_size(
    image: Any,
    model: str | Path | Model,
    *,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    planes: tuple[int, ...] | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> ObjectSize:
    """Measure the typical size of the objects in an image, as a model sees them.

    The model runs on a crop with much structure at seven scales from 1/3 to 3, each of at most
    512 × 512 pixels. Nothing is convincing in an image of which two neighbouring scales do not
    show the same objects, or in which two scales contradict each other.

    Parameters
    ----------
    image, model, axes, channels, device, precision
        As :func:`~napari_cytosynth.segment` takes them.
    planes
        Index of the plane to measure in; None (default) takes the middle one, or the first of
        those around it that is not empty.
    progress
        Called before each pass; None (default) shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops there.

    Returns
    -------
    ObjectSize

    Raises
    ------
    InputError
        If the image or a parameter cannot be used, or the model's card has no diameter.
    ModelError
        If the model cannot be loaded.
    Cancelled
        From `progress`.
    """
    from napari_cytosynth.inference.cancelling import cancellable
    from napari_cytosynth.zoo.loading import load_model

    with cancellable(resolve_progress(progress)) as tick:
        source = read_source(image)
        loaded = load_model(model, device, progress=progress)
        if loaded.card.inference.task != "segment":
            raise InputError(f"The model “{loaded.card.name}” does not segment.")
        reader = make_reader(source, loaded.card, axes, channels)
        return measure_plane(reader, loaded, planes, device, precision, tick)


def measure_plane(
    reader: PlaneReader,
    model: Model,
    planes: tuple[int, ...] | None,
    device: str,
    precision: str,
    progress: Progress,
) -> ObjectSize:
    """Measure the size of the objects in one plane (see :func:`estimate_object_size`)."""
    from napari_cytosynth.inference.windowed import make_predictor

    inference = model.card.inference
    own = known_diameter(model.card)
    plane = _plane(reader, planes)
    if plane is None:
        return ObjectSize(own, None, (), "the plane has the same value everywhere.")
    where = device if device != "auto" else model.device
    predictor = make_predictor(
        model.network, len(inference.input_channels), device=where, precision=precision
    )
    found = passes(plane, inference, predictor, progress)
    size = _fitted(judge(found, own), model.card)
    if size.diameter is None:
        likely = _fitted(judge(found, own, _LEAST_SCORE_ALIKE), model.card)
        if likely.diameter is not None and not unlike_training(plane, model.card, likely.factors):
            return likely
    return size


def _fitted(size: ObjectSize, card: ModelCard) -> ObjectSize:
    if size.diameter is None:
        return size
    fitting = fitting_diameter(size.model_diameter, card.inference.expected, size.diameter)
    return replace(size, fitting=fitting)


def _plane(reader: PlaneReader, planes: tuple[int, ...] | None) -> npt.NDArray[Any] | None:
    """Return the plane (C, Y, X) to measure in; None if all that were tried are empty."""
    if planes is not None:
        tried = [planes]
    else:
        parts = (1 / 2, 1 / 4, 3 / 4)
        tried = [tuple(int(part * size) for size in reader.leading_shape) for part in parts]
    for index in dict.fromkeys(tried):
        plane = reader.read(index)
        if not is_constant(plane):
            return plane
    return None


def judge(found: tuple[ScalePass, ...], own: float, least: float = _LEAST_SCORE) -> ObjectSize:
    """Decide on the diameter of the objects that several scales show.

    The score of a scale is the agreement with its neighbours, times the probability of its
    objects, times how near these come to the size that the model knows. The best scale and its
    neighbours, weighted by the cube of their scores, give the diameter.

    Parameters
    ----------
    found
        One for each scale, in rising order.
    own
        Diameter of the objects that the model was trained on, in px.
    least
        Score below which nothing is convincing. Default: 0.45.
    """
    scores = np.array([_score(tried, own) for tried in found])
    best = int(scores.argmax())
    if scores[best] < least:
        doubt = "no two scales show the same objects, so that these may not be what they seem."
        return ObjectSize(own, None, found, doubt)
    diameter = _weighted(found, scores, best)
    near = [i for i, score in enumerate(scores) if score >= _RIVAL * scores[best]]
    sizes = [found[i].diameter or diameter for i in near]
    if max(sizes) > _CONTRADICTION * min(sizes):
        doubt = (
            f"objects of {min(sizes):.3g} and of {max(sizes):.3g} px were found with equal "
            "confidence. If you know the size of those that matter, give their diameter."
        )
        return ObjectSize(own, None, found, doubt)
    if not 1 / FARTHEST <= diameter / own <= FARTHEST:
        doubt = f"they seem to be about {diameter:.3g} px, too far from the {own:.3g} px it knows."
        return ObjectSize(own, None, found, doubt)
    as_is = max((s for s, tried in zip(scores, found, strict=True) if tried.scale == 1), default=0)
    return ObjectSize(own, diameter, found, poor_as_is=bool(as_is < _WORSE * scores[best]))


def _score(tried: ScalePass, own: float) -> float:
    """Return how well the objects of a scale are confirmed and fit the model, in [0, 1]."""
    if tried.objects < _LEAST_OBJECTS or tried.diameter is None:
        return 0.0
    off = np.log(tried.diameter * tried.scale / own) / _WIDTH
    return float(tried.agreement * tried.probability * np.exp(-(off**2) / 2))


def _weighted(found: tuple[ScalePass, ...], scores: npt.NDArray[np.float64], best: int) -> float:
    around = [i for i in range(max(0, best - 1), min(best + 2, len(found))) if scores[i] > 0]
    logs = [np.log(found[i].diameter or 1.0) for i in around]
    return float(np.exp(np.average(logs, weights=scores[around] ** 3)))
