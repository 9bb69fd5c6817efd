"""The search for the objects of all planes of a virtual stain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.planes import is_constant

from .doubt import doubts, number_fit
from .features import FEATURES, object_features
from .inside import objects_inside
from .numbers import measured_numbers
from .passes import see_plane, steps_of_plane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ObjectDoubt

    from .passes import ObjectFinder
    from .source import StainRun, VirtualStain

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int32]
    Values = NDArray[np.float64]

__all__ = ["pixels_per", "plain_search", "search"]


def search(
    staining: VirtualStain,
    run: StainRun,
    stain: str,
    segmenter: ObjectFinder,
    block: ObjectDoubt | None,
    tick: Progress,
) -> tuple[Labels, dict[str, Values]]:
    """Return the labels of all planes, and everything known of each object, by its label.

    Parameters
    ----------
    staining, run
        The virtual stain, and the run that made it.
    stain
        Name of the stain.
    segmenter
        Finds the objects.
    block
        Of the model's card; None: there are no doubts and intervals.
    tick
        Called after each step; may raise Cancelled.

    Returns
    -------
    labels
        int32, of the shape of one stain.
    columns
        Name -> value of each object: those of :data:`FEATURES`, ``doubt``, and the numbers of
        :func:`measured_numbers` with the ends of their intervals (``… low``, ``… high``).
    """
    labels = np.zeros(run.whole_shape, np.int32)
    index_of = run.model.card.inference.output_channels.index(stain)
    steps, found, count = steps_of_plane(), [], 0
    for number, index in enumerate(run.indices):
        if run.misses(index) or is_constant(plane := run.reader.read(index)):
            continue
        done = iter(range(number * steps + 1, (number + 1) * steps + 1))

        def step(message: str, done: Any = done) -> None:
            tick(next(done), steps * len(run.indices), message)

        part = run.part(index)
        own = run.stains_seen(part, staining.mean)
        stains = dict(zip(staining.channels, own, strict=True))
        scaled = part.cut(run.scaled(plane))
        seen = see_plane(run, scaled, stains[stain], index_of, segmenter, step)
        inside = objects_inside(part, seen.labels)
        columns = {name: values[inside.kept] for name, values in object_features(seen).items()}
        columns |= _known(inside.labels, stains, columns, block, pixels_per(run))
        columns |= inside.columns(columns)
        labels[plane_slices(run.axes, part.place)] = _renumbered(inside.on_grid, count)
        count += len(inside.kept)
        found.append(columns)
    names = list(found[0]) if found else list(FEATURES)
    return labels, {
        name: np.concatenate([one[name] for one in found]) if found else np.empty(0)
        for name in names
    }


def _known(
    labels: Labels,
    stains: Mapping[str, Floats],
    features: Mapping[str, Values],
    block: ObjectDoubt | None,
    pixels: float,
) -> dict[str, Values]:
    """Return doubt, numbers and intervals of the objects of one plane."""
    numbers = measured_numbers(labels, stains)
    found: dict[str, Values] = {}
    if block is not None:
        found["doubt"] = doubts(block, features)
    for name, values in numbers.items():
        # areas and sums count the network's pixels; the user's may be others
        factor = pixels if name == "area_px" or name.startswith("sum ") else 1.0
        found[name] = values * factor
        if block is not None and name in block.numbers:
            ends = number_fit(block.numbers[name]).interval(values, found["doubt"])
            found[f"{name} low"], found[f"{name} high"] = ends[0] * factor, ends[2] * factor
    return found


def pixels_per(run: StainRun) -> float:
    """Return the number of the image's pixels in one of the network's (1 unless resampled)."""
    own = run.reader.plane_shape
    return float(np.prod(own) / np.prod(run.shape or own))


def plain_search(
    mean: Floats, segmenter: ObjectFinder, tick: Progress
) -> tuple[Labels, dict[str, Values]]:
    """Find the objects of a result whose network is not there: without doubts.

    Parameters
    ----------
    mean
        (…, Y, X): one virtual stain.
    segmenter, tick
        As for :func:`search`.
    """
    labels, confidences, count = np.zeros(mean.shape, np.int32), [np.empty(0)], 0
    planes = list(np.ndindex(mean.shape[:-2]))
    for number, plane in enumerate(planes):
        if is_constant(mean[plane][None]):
            continue
        found, confidence = segmenter(mean[plane])
        labels[plane] = _renumbered(found, count)
        confidences.append(confidence)
        count += len(confidence)
        tick(number + 1, len(planes), "Finding objects")
    return labels, {"confidence": np.concatenate(confidences)}


def _renumbered(labels: Labels, after: int) -> Labels:
    """Return labels that continue those of the planes before."""
    return np.where(labels > 0, labels + np.int32(after), 0).astype(np.int32)
