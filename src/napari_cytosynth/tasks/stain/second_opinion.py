"""Second opinion: what two models do not agree on in one image, objects first, then pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_cytosynth.arguments import check_number, check_whole
from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics import best_iou
from napari_cytosynth.metrics.error_curve import fit_error_curve
from napari_cytosynth.progress import resolve_progress

from .comparison import check_staining, real_on_grid
from .objects.matching import DIFFER, ONLY_FIRST, ONLY_SECOND, match_objects
from .objects.task import object_stain
from .result import Staining

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ModelCard

    from .objects.result import StainedObjects

__all__ = [
    "DIFFER",
    "ONLY_FIRST",
    "ONLY_SECOND",
    "Disagreement",
    "check_other",
    "may_judge",
    "second_opinion",
    "share_training",
]

_KNOWN = ["kind", "image", "label", "iou"]
_PLACES = ["stain", "area_px", "difference", "times_usual"]
_LEAST_PIXELS = 100
_SAME = (
    "Both results are by the same model, which agrees with itself: a second opinion needs another "
    "one."
)
_MOSTLY = 0.5  # of an object lies where the real image does, or it cannot be told
_FROM_TABLE = ("area_px", "area_um2", "mean_intensity", "doubt")


@dataclass(frozen=True, eq=False)
class Disagreement:
    """What two virtual stains of one image do not agree on.

    Attributes
    ----------
    map
        float32 (C, …): absolute difference, in the units of the first stain.
    channels
        Names of the stains that both have.
    axes
        Letters of the axes of `map`.
    points
        float64 (N, axes without C): the centre of each place where pixels differ more than is
        usual between these two models at that brightness, in px.
    features
        One row for each place: ``stain``, ``area_px``, ``difference`` (mean over the place,
        signed: first minus second) and ``times_usual`` (the same in multiples of the usual
        difference).
    stain
        Name of the stain in which objects were compared; "" if none shows any.
    objects
        One row for each object that the two do not share: ``kind`` (only in the first, only in
        the second, differ), ``image`` (whose object it is), ``label`` (there), ``iou`` (the
        highest with an object of the other), its place, ``area_px``, ``mean_intensity`` and,
        where it is known, ``doubt``; with a real stain ``real_iou``, the highest IoU with a
        real object (NaN where the real image does not lie).
    first, second
        All objects of either; None without a stain of objects.
    """

    map: npt.NDArray[np.float32]
    channels: tuple[str, ...]
    axes: str
    points: npt.NDArray[np.float64]
    features: pd.DataFrame
    stain: str
    objects: pd.DataFrame
    first: StainedObjects | None
    second: StainedObjects | None

    def count(self, kind: str) -> int:
        """Return the number of objects of a kind."""
        return int((self.objects["kind"] == kind).sum())


def may_judge(own: ModelCard, other: ModelCard) -> bool:
    """Return whether a model has something to say on another's stains.

    It predicts one of them, and is not of the same kind: its architecture, its input or its
    training data differ, or are not known.
    """
    one, two = own.inference, other.inference
    if not set(one.output_channels) & set(two.output_channels):
        return False
    data = set(own.training.datasets)
    same_data = bool(data) and data == set(other.training.datasets)
    same_network = own.architecture == other.architecture
    return not (same_data and same_network and one.input_channels == two.input_channels)


def check_other(staining: Staining, model: str) -> None:
    """Raise InputError if a model is named that a result is by, before it runs again."""
    own = staining.provenance.get("model", {})
    if model in (own.get("name"), own.get("source")):
        raise InputError(_SAME)


def share_training(first: Staining, second: Staining) -> bool:
    """Return whether both models learned from the same data, and may share its errors."""
    sets = [
        set(one.run.model.card.training.datasets) for one in (first, second) if one.run is not None
    ]
    return len(sets) == 2 and bool(sets[0] & sets[1])


def second_opinion(
    first: Staining,
    second: Staining,
    *,
    stain: str | None = None,
    real: Any = None,
    sigmas: float = 3.0,
    min_area: int = 25,
    progress: Progress | None = None,
) -> Disagreement:
    """Find what the stains that two models predict of one image do not agree on.

    Objects (nuclei) that only one of them paints, or paints in another shape, are the ones to
    look at; but errors that both models share stay unseen.

    Parameters
    ----------
    first, second
        Stains of the same image by two models.
    stain
        Name of the stain in which objects are compared. None (default): the one that shows
        nuclei, if both have it.
    real
        The measured stain for ``real_iou``: a layer, where it lies, or an array of the shape of
        that stain, NaN where it is not known. Default: None.
    sigmas
        A pixel is a disagreement where the difference exceeds this many times the one that is
        usual between the two at that brightness, in this very image. Default: 3.
    min_area
        Places of fewer connected pixels are not listed. Default: 25.
    progress
        Called after each pass over a plane; None (default) shows a bar in a console.

    Raises
    ------
    InputError
        If they are of different shapes, by the same model, or have no stain in common.
    """
    names = _check(first, second)
    sigmas = check_number(sigmas, "sigmas", 0)
    min_area = check_whole(min_area, "min_area", 0)
    chosen = stain if stain is not None else object_stain(names)
    objects, own, others = pd.DataFrame(columns=_KNOWN), None, None
    if chosen is not None:
        tick = resolve_progress(progress)
        own = first.objects(chosen, progress=tick)
        others = second.objects(chosen, progress=tick)
        objects = _disagreeing(own, others)
        if real is not None:
            measured = real_on_grid(first, real).pixels
            objects["real_iou"] = _real_iou(objects, (own, others), measured)
    maps, places = [], []
    for name in names:
        one, other = (s.mean[s.channels.index(name)] for s in (first, second))
        maps.append(np.abs(one - other))
        places.append(_places(name, one, one - other, sigmas, min_area))
    points = np.concatenate([points for points, _ in places])
    tables = [rows for _, rows in places if len(rows)]
    features = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_PLACES)
    return Disagreement(
        np.stack(maps), names, first.axes, points, features, chosen or "", objects, own, others
    )


def _check(first: Any, second: Any) -> tuple[str, ...]:
    """Return the names of the stains that both have."""
    check_staining(first, "first")
    check_staining(second, "second")
    models = [one.provenance.get("model", {}).get("sha256") for one in (first, second)]
    if first is second or (models[0] is not None and models[0] == models[1]):
        raise InputError(_SAME)
    names = tuple(name for name in first.channels if name in second.channels)
    if not names:
        raise InputError(
            f"The two models have no stain in common: {', '.join(first.channels)} against "
            f"{', '.join(second.channels)}."
        )
    if first.axes != second.axes or first.mean.shape[1:] != second.mean.shape[1:]:
        raise InputError("The two results are not of the same image: their shapes differ.")
    regions = [one.region and one.region.region.record() for one in (first, second)]
    if regions[0] != regions[1]:
        raise InputError(
            "The two results are not of the same region: stain the image with both models inside "
            "of the same shapes."
        )
    return names


def _disagreeing(first: StainedObjects, second: StainedObjects) -> pd.DataFrame:
    """Return the objects that the two do not share, with what is known of each."""
    table = match_objects(first.labels, second.labels)
    known = []
    for image, own in (("first", first), ("second", second)):
        names = [str(name) for name in own.table]
        places = [name for name in names if len(name) == 1 or name.startswith("centroid")]
        columns = ["label", *places, *(name for name in _FROM_TABLE if name in names)]
        known.append(own.table[columns].assign(image=image))
    return table.merge(pd.concat(known, ignore_index=True), on=["image", "label"], how="left")


def _real_iou(
    objects: pd.DataFrame,
    found: tuple[StainedObjects, StainedObjects],
    measured: npt.NDArray[np.float32],
) -> npt.NDArray[np.float64]:
    """Return the highest IoU of each listed object with one of the real stain.

    NaN where the real image does not lie.
    """
    known = np.isfinite(measured)
    if not known.any():
        return np.full(len(objects), np.nan)
    labels = _real_objects(found[0], np.where(known, measured, measured[known].min()))
    # outside of a region there are no objects of the stain
    labels = np.where(known & np.isfinite(found[0].staining.mean[0]), labels, 0)
    ious: dict[tuple[str, int], float] = {}
    for image, own in zip(("first", "second"), found, strict=True):
        ids = np.unique(own.labels[own.labels > 0])
        best = np.where(
            ndimage.mean(known, own.labels, ids) > _MOSTLY, best_iou(labels, own.labels), np.nan
        )
        ious |= {
            (image, label): iou for label, iou in zip(ids.tolist(), best.tolist(), strict=True)
        }
    pairs = zip(objects["image"], objects["label"], strict=True)
    return np.array([ious[pair] for pair in pairs], np.float64)


def _real_objects(like: StainedObjects, real: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Segment a real stain as the virtual one was."""
    return (
        Staining(real[np.newaxis], None, (like.stain,), f"C{like.axes}").objects(like.stain).labels
    )


def _places(
    name: str,
    level: npt.NDArray[np.float32],
    difference: npt.NDArray[np.float32],
    sigmas: float,
    min_area: int,
) -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
    """Return the centres and a table of the places where a difference is unusual."""
    centres, rows = [], []
    usual = _usual(level, difference)
    for plane in np.ndindex(difference.shape[:-2]):
        values, size = difference[plane], usual[plane]
        for sign in (1, -1):  # a place is too bright or too dark, not both
            labels, count = ndimage.label(sign * values > sigmas * size)
            ids = np.arange(1, count + 1)
            area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
            ids, area = ids[area >= min_area], area[area >= min_area]
            if not ids.size:
                continue
            inside = np.array(ndimage.center_of_mass(labels > 0, labels, ids))
            centres += [(*plane, *centre) for centre in inside]
            mean = ndimage.mean(values, labels, ids)
            times = ndimage.mean(np.abs(values) / size, labels, ids)
            row = {"stain": name, "area_px": area, "difference": mean, "times_usual": times}
            rows.append(pd.DataFrame(row))
    table = pd.concat(rows) if rows else pd.DataFrame(columns=_PLACES)
    return np.array(centres, float).reshape(-1, difference.ndim), table


def _usual(
    level: npt.NDArray[np.float32], difference: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return how much the two usually differ at each pixel's brightness, in this image."""
    known = np.isfinite(difference)  # not outside of a region
    own = difference[known]
    if own.size < _LEAST_PIXELS or not own.any():
        tiny = np.finfo(np.float32).tiny
        return np.full(difference.shape, max(float(np.abs(own).max(initial=0)), tiny))
    return fit_error_curve(own, level[known]).sigma(np.where(known, level, 0))
