"""Passes of a model over a crop at several scales, for the size of the objects in it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.defaults import card_options
from napari_cytosynth.tasks.common.resample import resampled_shape, to_shape
from napari_cytosynth.tasks.segment.instances import LabelOptions, drop_labels, label_plane

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.inference.predictor import Predictor
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import Inference, ModelCard, Normalisation

__all__ = ["SCALES", "ScalePass", "Window", "known_diameter", "passes", "windows"]

SCALES: tuple[float, ...] = tuple(float(3 ** (step / 3)) for step in range(-3, 4))
"""Factors that the crop is resampled by, from 1/3 to 3."""

_SMALLEST_SIDE, _LARGEST_SIDE = 256, 512  # px of the network's input: bounds of a pass's cost
_DIAMETERS = 8  # objects of the model's size that lie side by side in a window
_SPECK = 12  # px of the network's input: less is no object at any scale
_LARGEST_PLANE = 1024  # px: the search for structure needs no more

Window = tuple[slice, slice]


@dataclass(frozen=True)
class ScalePass:
    """What a model found on a crop that was resampled by one factor.

    Attributes
    ----------
    scale
        Factor that the crop was resampled by.
    objects
        Number of objects that lie wholly within the crop.
    diameter
        Their median diameter (of the circle of the same area) in px of the image; None without
        objects.
    probability
        Median over them of the mean foreground probability within, in [0, 1]; 0 without objects.
    agreement
        Fraction, in [0, 1], of all objects of this and a neighbouring scale that both found
        (IoU of at least 0.5), the mean over the neighbours.
    """

    scale: float
    objects: int
    diameter: float | None
    probability: float
    agreement: float


@dataclass(frozen=True, eq=False)
class _Found:
    """Labels (Y, X) of one window at one scale, and the foreground probability."""

    scale: float
    window: Window
    labels: npt.NDArray[np.int32]
    probability: npt.NDArray[np.float32]


def passes(
    plane: npt.NDArray[Any], inference: Inference, predictor: Predictor, progress: Progress
) -> tuple[ScalePass, ...]:
    """Run a model on a crop of one plane at each of :data:`SCALES`.

    Parameters
    ----------
    plane
        (C, Y, X) as read.
    inference
        The card's block of that name, with a diameter.
    predictor
        Of the model.
    progress
        Called before each pass; may raise :class:`~napari_cytosynth.errors.Cancelled`.
    """
    scaled = _Scaled(plane, inference.normalisation)
    found = []
    step = max(1, -(-max(plane.shape[1:]) // _LARGEST_PLANE))
    around = windows(scaled.overview(step), window_side(inference.diameter), step, plane.shape[1:])
    for number, window in enumerate(around):
        progress(number, len(SCALES), "Measuring the size of the objects")
        pixels = scaled.crop(window, SCALES[number])
        found.append(_find(pixels, window, SCALES[number], inference, predictor))
    progress(len(SCALES), len(SCALES), "Measuring the size of the objects")
    shared = [_agreement(*pair) for pair in pairwise(found)]
    neighbours = [shared[max(0, i - 1) : i + 1] for i in range(len(found))]
    return tuple(_summary(*pair) for pair in zip(found, neighbours, strict=True))


def window_side(diameter: float | None) -> int:
    """Return the side of a window in px of the network's input, for the model's diameter in px."""
    wanted = _DIAMETERS * (diameter or 0)
    return round(min(max(wanted, _SMALLEST_SIDE), _LARGEST_SIDE))


def windows(
    overview: npt.NDArray[np.floating], side: int, step: int, shape: tuple[int, ...]
) -> list[Window]:
    """Return a window for each of :data:`SCALES`, all around the place with most structure.

    Parameters
    ----------
    overview
        (Y, X), every `step`-th row and column of the scaled plane.
    side
        Of each window in px after resampling; where the plane is smaller, the window is it.
    step
        From one pixel of the overview to the next, in px of the plane.
    shape
        Rows and columns of the plane.
    """
    slope = ndimage.gaussian_gradient_magnitude(overview, 1.0)
    if slope.any():  # one bright speck is not structure
        slope = np.minimum(slope, np.percentile(slope[slope > 0], 99))
    score = np.zeros_like(slope)
    for scale in (SCALES[0], 1.0, SCALES[-1]):
        size = [min(n, max(1, round(side / scale / step))) for n in slope.shape]
        mean = ndimage.uniform_filter(slope, size, mode="constant")
        mean = ndimage.uniform_filter(mean, [1 + n // 4 for n in size])  # not at its very edge
        score += mean / max(float(mean.max()), 1e-9)
    centre = [int(i) * step for i in np.unravel_index(int(score.argmax()), score.shape)]
    return [_around(centre, shape, side / scale) for scale in SCALES]


def _around(centre: list[int], shape: tuple[int, ...], side: float) -> Window:
    def part(middle: int, size: int) -> slice:
        width = min(size, max(1, round(side)))
        start = min(max(0, middle - width // 2), size - width)
        return slice(start, start + width)

    return part(centre[0], shape[0]), part(centre[1], shape[1])


class _Scaled:
    """A plane (C, Y, X) whose crops are scaled as the card says, as within the whole plane."""

    def __init__(self, plane: npt.NDArray[Any], normalisation: Normalisation) -> None:
        from napari_cytosynth.inference.normalise import plane_scaling, tile_transform

        self._plane, self._normalisation = plane, normalisation
        self._local = normalisation.kind == "local"
        if not self._local:
            scalings = [plane_scaling(channel, normalisation) for channel in plane]
            self._transform = tile_transform(scalings)

    def overview(self, step: int) -> npt.NDArray[np.float32]:
        """Return every `step`-th row and column (Y, X), scaled; the mean of the channels."""
        part = self._plane[:, ::step, ::step]
        pixels = np.nan_to_num(part.astype(np.float32)) if self._local else self._transform(part)
        mean: npt.NDArray[np.float32] = pixels.mean(axis=0)
        return mean

    def crop(self, window: Window, scale: float) -> npt.NDArray[np.float32]:
        """Return a window (C, Y, X), scaled, then resampled by a factor."""
        from napari_cytosynth.inference.normalise import normalise

        part = self._plane[:, *window]
        if self._local:  # sigma is in the model's pixels
            sigma = self._normalisation.sigma / scale
            own = self._normalisation.model_copy(update={"sigma": sigma})
            pixels = normalise(part, own)
        else:
            pixels = self._transform(part)
        shape = resampled_shape((pixels.shape[1], pixels.shape[2]), (scale, scale))
        return pixels if shape == pixels.shape[1:] else to_shape(pixels, shape)


def _find(
    pixels: npt.NDArray[np.float32],
    window: Window,
    scale: float,
    inference: Inference,
    predictor: Predictor,
) -> _Found:
    """Return the objects of a window, decoded on the network's own grid as the card says."""
    output = predictor.predict(pixels, activation=inference.activations)
    probability = output[inference.channel_of("foreground") or 0]
    own = card_options(inference)
    options = LabelOptions(**(own | {"min_size": max(own["min_size"], _SPECK)}))
    return _Found(scale, window, _labels(output, probability, inference, options), probability)


def _labels(
    output: npt.NDArray[np.float32],
    probability: npt.NDArray[np.float32],
    inference: Inference,
    options: LabelOptions,
) -> npt.NDArray[np.int32]:
    """Return the objects as the card decodes them: by flows, by seeds, or as connected parts."""
    if inference.flows is None or inference.diameter is None:
        splitting = inference.splitting
        seeds = output[inference.output_channels.index(splitting.channel)] if splitting else None
        return label_plane(probability, seeds, options, splitting)
    from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings
    from napari_cytosynth.tasks.segment.flows.objects import FlowObjects

    flows = output[[inference.roles.index("flow-y"), inference.roles.index("flow-x")]]
    found = FlowObjects.from_flows(probability, flows, FlowSettings.from_card(inference))
    return found.at(options.threshold, options).labels


def _agreement(coarse: _Found, fine: _Found) -> float:
    """Return the fraction of the objects of two scales that both found, within the finer window."""
    from napari_cytosynth.metrics.instance import average_precision

    rows, columns = (
        _indices(*parts)
        for parts in zip(coarse.window, fine.window, coarse.labels.shape, fine.labels.shape,
                         strict=True)
    )  # fmt: skip
    seen = coarse.labels[np.ix_(rows, columns)]
    if not seen.any() or not fine.labels.any():
        return 0.0
    return float(average_precision(seen, fine.labels, [0.5])[0])


def _indices(outer: slice, inner: slice, size: int, count: int) -> npt.NDArray[np.intp]:
    """Return where the `count` pixels of the window `inner` lie among the `size` of `outer`."""
    middles = inner.start + (np.arange(count) + 0.5) / count * (inner.stop - inner.start)
    places = (middles - outer.start) / (outer.stop - outer.start) * size
    indices: npt.NDArray[np.intp] = np.clip(places, 0, size - 1).astype(np.intp)
    return indices


def _summary(found: _Found, agreements: list[float]) -> ScalePass:
    whole = drop_labels(found.labels, border=True)
    count = int(whole.max(initial=0))
    agreement = float(np.mean(agreements))
    if count == 0:
        return ScalePass(found.scale, 0, None, 0.0, agreement)
    areas = np.bincount(whole.ravel())[1:]
    inside = ndimage.mean(found.probability, whole, np.arange(1, count + 1))
    diameter = 2 * np.sqrt(np.median(areas) / np.pi) / found.scale
    return ScalePass(found.scale, count, float(diameter), float(np.median(inside)), agreement)


def known_diameter(card: ModelCard) -> float:
    """Return the diameter of the objects that a model was trained on, in px.

    Raises
    ------
    InputError
        If its card does not have it.
    """
    diameter = card.inference.diameter
    if diameter is None:
        raise InputError(
            f"How large the objects of its training images were is not known of the model "
            f"“{card.name}”, so that yours cannot be brought to that size. Leave the diameter out, "
            "resample the image yourself, or by pixel size (resample) where the model has one."
        )
    return diameter
