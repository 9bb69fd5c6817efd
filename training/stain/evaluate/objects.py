"""Objects in real and virtual stains: segmentation, matching and features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_cytosynth.metrics import (
    AP_THRESHOLDS,
    Confusion,
    Difference,
    InstanceScores,
    Partition,
    compare_populations,
    confusion,
    partition,
)
from napari_cytosynth.tasks.measure.table import measure
from napari_cytosynth.tasks.segment.instances import LabelOptions, label_plane
from napari_cytosynth.tasks.stain.objects.passes import ObjectFinder
from napari_cytosynth.zoo.loading import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Segmenter = Callable[[NDArray[Any]], NDArray[np.integer]]

__all__ = ["THRESHOLD", "ObjectTally", "make_segmenter", "object_features", "threshold_objects"]

THRESHOLD = "otsu"
"""Name of the segmenter that is no network: a threshold, then a watershed."""

_SHAPES = ("area_px", "eccentricity", "solidity")


def make_segmenter(
    name: str, pixel_size_um: float | None = None, device: str = "auto"
) -> Segmenter:
    """Return what finds the objects of a stain, the same for real and virtual ones.

    Parameters
    ----------
    name
        A segmentation model, run with the settings of its card, or :data:`THRESHOLD`.
    pixel_size_um
        Of the planes; with it they are resampled where the model's card requires it.
    device
        Where the network runs.

    Returns
    -------
    function
        Of a plane (Y, X), which returns its labels (Y, X).
    """
    if name == THRESHOLD:
        return threshold_objects
    find = ObjectFinder(load_model(name, device), pixel_size_um)
    return lambda plane: find(plane)[0]


def threshold_objects(
    plane: NDArray[Any], *, smoothing: float = 1.5, min_size: int = 30
) -> NDArray[np.int32]:
    """Segment bright objects by a threshold, without a network.

    Otsu's threshold of the smoothed plane; touching objects are separated by a watershed of
    the distance to the background.

    Parameters
    ----------
    plane
        (Y, X) intensities.
    smoothing
        Sigma in px.
    min_size
        Smaller objects are dropped, in px.
    """
    from skimage.filters import threshold_otsu

    smooth = ndimage.gaussian_filter(plane.astype(np.float32), smoothing)
    if smooth.min() == smooth.max():
        return np.zeros(plane.shape, np.int32)
    limit = float(threshold_otsu(smooth))  # type: ignore[no-untyped-call]
    options = LabelOptions(0.5, min_size, fill_holes=True, split_touching=True)
    return label_plane((smooth > limit).astype(np.float32), None, options)


def object_features(
    labels: NDArray[np.integer], stains: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[np.float64]]:
    """Measure shape and stain of every object.

    Parameters
    ----------
    labels
        (Y, X), 0 is background.
    stains
        Name -> (Y, X) intensities in their own units; of each the mean over an object is
        taken.
    """
    table = measure(labels)
    found = {name: table[name].to_numpy(np.float64) for name in _SHAPES}
    ids = table["label"].to_numpy()
    for name, plane in stains.items():
        means = ndimage.mean(plane, labels, ids) if len(ids) else []
        found[f"mean {name}"] = np.asarray(means, np.float64)
    return found


class ObjectTally:
    """Scores of the virtual objects of one model, accumulated over all fields."""

    def __init__(self) -> None:
        self.pixels = Confusion()
        self.instances = InstanceScores()
        self.partition = Partition()
        self.count_errors: list[int] = []
        self.real: dict[str, list[NDArray[np.float64]]] = {}
        self.virtual: dict[str, list[NDArray[np.float64]]] = {}

    def add(
        self,
        real: NDArray[np.integer],
        virtual: NDArray[np.integer],
        features: tuple[Mapping[str, NDArray[np.float64]], Mapping[str, NDArray[np.float64]]],
    ) -> dict[str, float]:
        """Add one field and return its own scores.

        Parameters
        ----------
        real, virtual
            Labels (Y, X) of the objects found in each stain.
        features
            :func:`object_features` of both.
        """
        pixels, parts = confusion(virtual, real), partition(real, virtual)
        scores = self.instances.add(real, virtual)
        self.pixels += pixels
        self.partition += parts
        self.count_errors.append(parts.predicted - parts.true)
        for kept, found in zip((self.real, self.virtual), features, strict=True):
            for name, values in found.items():
                kept.setdefault(name, []).append(values)
        ap = scores.average_precision
        by_threshold = dict(zip(AP_THRESHOLDS, scores.matchings, strict=True))
        return {
            "F1@0.5": by_threshold[0.5].f1,
            "F1@0.7": by_threshold[0.7].f1,
            "AP@0.5": float(ap[0]),
            "AP@0.5:0.95": float(ap.mean()),
            "object Dice": pixels.dice,
            "object IoU": pixels.iou,
            **_counts(parts),
        }

    def metrics(self) -> dict[str, float]:
        """Return the scores over all fields, objects or pixels pooled."""
        ap = self.instances.pooled_average_precision
        return {
            "F1@0.5": self.instances.pooled(0.5).f1,
            "F1@0.7": self.instances.pooled(0.7).f1,
            "AP@0.5": float(ap[0]),
            "AP@0.5:0.95": float(ap.mean()),
            "object Dice": self.pixels.dice,
            "object IoU": self.pixels.iou,
            **_counts(self.partition),
            "relative count error": self.partition.count_error,
            "count error, mean per image": float(np.mean(np.abs(self.count_errors))),
        }

    def populations(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the features of all real and of all virtual objects, by name."""
        real, virtual = (
            {name: np.concatenate(parts) for name, parts in kept.items()}
            for kept in (self.real, self.virtual)
        )
        return real, virtual

    def differences(self) -> pd.DataFrame:
        """Return one row for each feature; see :class:`~napari_cytosynth.metrics.Difference`."""
        found: list[Difference] = compare_populations(*self.populations())
        return pd.DataFrame([vars(entry) for entry in found])


def _counts(parts: Partition) -> dict[str, float]:
    return {
        "splits": float(parts.splits),
        "merges": float(parts.merges),
        "real objects": float(parts.true),
        "virtual objects": float(parts.predicted),
    }
