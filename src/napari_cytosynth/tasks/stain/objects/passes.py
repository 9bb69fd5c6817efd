"""One plane as the network shows it in all views and at other contrasts, with its objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.inference.views import MOST_VIEWS, iter_views
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.segment.task import segment

from .features import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.loading import Model

    from .source import StainRun

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int32]
    Found = tuple[Labels, NDArray[np.float64]]

__all__ = ["CONTRASTS", "ObjectFinder", "see_plane", "steps_of_plane"]

CONTRASTS = (0.8, 1.25)
"""Factors of the input's contrast at which the objects are looked for again."""


@dataclass(frozen=True, eq=False)
class ObjectFinder:
    """A segmentation model that finds objects in stains, with its card's settings.

    Attributes
    ----------
    model
        The model.
    pixel_size_um
        Of the planes; with it they are resampled where the model's card requires it. Default:
        None, they are taken as they are.
    """

    model: Model
    pixel_size_um: float | None = None
    _predictors: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, plane: Floats) -> Found:
        """Return labels (Y, X), numbered from 1 without gaps, and the confidence in each."""
        from napari_cytosynth.inference.windowed import kept_predictors

        with kept_predictors(self._predictors):  # a dozen small planes for each view
            result = segment(
                plane,
                self.model,
                axes="YX",
                pixel_size=self.pixel_size_um,
                resample=self.pixel_size_um is not None,
                progress=silent,
            )
        labels = np.asarray(result.labels)
        count = int(labels.max(initial=0))
        confidence = result.confidence
        known = np.full(count, np.nan) if confidence is None else confidence[1 : count + 1]
        return labels, known


def steps_of_plane(views: int = MOST_VIEWS) -> int:
    """Return the number of steps that :func:`see_plane` reports."""
    return 2 * (views + len(CONTRASTS)) + 1


def see_plane(
    run: StainRun,
    scaled: Floats,
    shown: Floats,
    stain: int,
    segmenter: ObjectFinder,
    step: Callable[[str], None],
) -> Seen:
    """Find the objects of one plane of a virtual stain, and stain it again in all views.

    Parameters
    ----------
    run
        Whose network stains.
    scaled
        (C, Y, X): the plane as the network sees it.
    shown
        (Y, X): the virtual stain that the user sees, on the same grid, in which the objects are.
    stain
        Index of the stain with the objects among the network's outputs.
    segmenter
        Finds the objects.
    step
        Called after each of :func:`steps_of_plane` steps; may raise Cancelled.
    """

    def predict(plane: Any, progress: Progress) -> Floats:
        found: Floats = run.sampler.predict(plane, activation="linear", progress=progress)
        return found

    total: Floats | None = None
    single: list[Floats] = []
    for number, seen in enumerate(iter_views(predict, scaled, MOST_VIEWS, silent), start=1):
        total = seen.copy() if total is None else total + seen
        single.append(seen[stain].copy())
        step(f"Staining view {number} of {MOST_VIEWS}")
    assert total is not None
    mean: Floats = total / np.float32(MOST_VIEWS)
    others = []
    for factor in CONTRASTS:
        others.append(predict(scaled * np.float32(factor), silent)[stain])
        step("Staining at another contrast")
    labels, confidence = segmenter(shown)
    step("Finding objects")
    found = []
    for plane in (*single, *others):
        found.append(segmenter(plane)[0])
        step("Finding the objects of each view")
    spread = np.std(single, axis=0, ddof=1)
    return Seen(mean, stain, spread, labels, confidence, found[:MOST_VIEWS], found[MOST_VIEWS:])
