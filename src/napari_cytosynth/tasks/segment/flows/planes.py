"""Owners of the pixels of all planes of a result, and the objects made from them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.axes import Plane, plane_slices

from .decoding import (
    FlowSettings,
    ObjectFacts,
    OwnedPlane,
    confidence_of,
    decode_flows,
    levels_of,
)
from .objects import FlowObjects

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_cytosynth.tasks.segment.instances import LabelOptions
    from napari_cytosynth.zoo.card import Confidence

    from .decoding import Rejected

__all__ = ["OwnedPlanes"]

_MOST_KEPT = 2  # objects of planes, ready for any threshold: about 20 bytes for each pixel


@dataclass(eq=False)
class OwnedPlanes:
    """Owners of the pixels of a result, plane by plane; the flows themselves are not kept.

    It may be used from several threads.

    Attributes
    ----------
    owner
        int32 of the result's shape: 0 is none, else 1, 2, … in each plane.
    heights
        uint16 of the same shape: the number of :attr:`levels` at which a pixel belongs to its
        owner.
    axes
        Letters of its axes.
    settings
        How the flows were decoded.
    calibration
        How the confidence in an object follows from what is known of it. Default: None, unknown.
    facts
        Of the owners of each plane, by its index into the leading axes.
    rejected
        Of each plane: pixels and owners of what is no object, as of
        :class:`~.decoding.OwnedPlane`.
    """

    owner: npt.NDArray[np.int32]
    heights: npt.NDArray[np.uint16]
    axes: str
    settings: FlowSettings
    calibration: Confidence | None = None
    facts: dict[Plane, ObjectFacts] = field(default_factory=dict)
    rejected: dict[Plane, Rejected] = field(default_factory=dict)
    _ready: OrderedDict[Plane, FlowObjects] = field(default_factory=OrderedDict)
    # heights of planes whose holes are filled, once they were asked for: 2 bytes for each pixel
    _filled: dict[Plane, npt.NDArray[np.uint16]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def levels(self) -> npt.NDArray[np.float32]:
        """Thresholds of :attr:`heights`, ascending: the slider's and the model's own."""
        return levels_of(self.settings)

    def decode(
        self, plane: Plane, probability: npt.NDArray[np.floating], flows: npt.NDArray[np.floating]
    ) -> None:
        """Find the owners of a plane from its flows (2, Y, X).

        Parameters
        ----------
        plane
            Its index into the leading axes.
        probability
            Of the plane, (Y, X).
        flows
            Of the plane, components along Y and X.
        """
        owned = decode_flows(probability, flows, self.settings)
        where = plane_slices(self.axes, plane)
        self.owner[where], self.heights[where] = owned.owner, owned.heights
        self.facts[plane], self.rejected[plane] = owned.facts, owned.rejected

    def gathered(self, plane: Plane) -> npt.NDArray[np.int32]:
        """Return (Y, X) where the flows of the pixels of a plane end, objects or not; 0: nowhere.

        Parameters
        ----------
        plane
            Its index into the leading axes.
        """
        found = self.owner[plane_slices(self.axes, plane)].copy()
        if plane in self.rejected:
            pixels, owners = self.rejected[plane]
            found.ravel()[pixels] = owners + found.max(initial=0)
        return found

    def limit(self, plane: Plane, mask: npt.NDArray[np.bool_]) -> None:
        """Leave no pixel (Y, X) of a plane outside of a mask, and no owner without pixels.

        What is known of an owner stays that of all its pixels.
        """
        where = plane_slices(self.axes, plane)
        owner = np.where(mask & (self.heights[where] > 0), self.owner[where], 0)
        kept = np.unique(owner)
        kept = kept[kept > 0]
        numbers = np.zeros(int(owner.max(initial=0)) + 1, np.int32)
        numbers[kept] = np.arange(1, len(kept) + 1)
        self.owner[where] = numbers[owner]
        self.heights[where] *= mask
        facts = self.facts[plane]
        self.facts[plane] = ObjectFacts(
            **{one.name: getattr(facts, one.name)[kept - 1] for one in fields(facts)}
        )

    def check(self, options: LabelOptions) -> None:
        """Raise InputError for a threshold at which pixels have no owners."""
        lowest = self.settings.lowest
        if options.split_touching and options.threshold < lowest:
            raise InputError(
                f"The objects of this model were separated down to a threshold of {lowest:g}: "
                "choose a higher one, or do not split touching objects."
            )

    def objects(
        self, plane: Plane, probability: npt.NDArray[np.floating], *thresholds: float
    ) -> FlowObjects:
        """Return the objects of a plane, exact at these thresholds too.

        Parameters
        ----------
        plane
            Its index into the leading axes.
        probability
            Of the plane, (Y, X).
        *thresholds
            In [0, 1].
        """
        with self._lock:
            found = self._ready.get(plane)
        if found is None or not np.isin(np.array(thresholds, np.float32), found.levels).all():
            found = self._made(plane, probability, thresholds)
        with self._lock:
            self._ready[plane] = found
            self._ready.move_to_end(plane)
            while len(self._ready) > _MOST_KEPT:
                self._ready.popitem(last=False)
        return found

    def _made(
        self, plane: Plane, probability: npt.NDArray[np.floating], thresholds: tuple[float, ...]
    ) -> FlowObjects:
        where = plane_slices(self.axes, plane)
        heights, levels = self.heights[where], self.levels
        owned = OwnedPlane(self.owner[where], self.facts[plane], heights, levels)
        extra: dict[str, Any] = {"extra_levels": {self.settings.threshold, *thresholds}}
        extra |= {"lowest": self.settings.lowest, "confidence": self.confidence(plane)}
        return FlowObjects(probability, owned, **extra)

    def knows(self, *thresholds: float) -> bool:
        """Return whether these are among :attr:`levels`."""
        return bool(np.isin(np.array(thresholds, np.float32), self.levels).all())

    def heights_of(
        self, plane: Plane, probability: npt.NDArray[np.floating], *, filled: bool = False
    ) -> npt.NDArray[np.uint16]:
        """Return (Y, X) the :attr:`heights` of a plane, of objects with filled holes if asked.

        Parameters
        ----------
        plane
            Its index into the leading axes.
        probability
            Of the plane, (Y, X).
        filled
            Filling takes a moment once. Default: False.
        """
        if not filled:
            return self.heights[plane_slices(self.axes, plane)]
        with self._lock:
            found = self._filled.get(plane)
        if found is None:
            found = self._made(plane, probability, ()).filled()
            with self._lock:
                self._filled[plane] = found
        return found

    def keep_filled(self, plane: Plane, objects: FlowObjects) -> None:
        """Keep the heights of a plane's objects with filled holes, if they are ready."""
        if objects.holes_ready and np.array_equal(objects.levels, self.levels):
            with self._lock:
                self._filled[plane] = objects.filled()

    def reached(
        self, plane: Plane, probability: npt.NDArray[np.floating], options: LabelOptions
    ) -> npt.NDArray[np.bool_]:
        """Return (Y, X) the pixels that belong to their owner at a threshold.

        Parameters
        ----------
        plane
            Its index into the leading axes.
        probability
            Of the plane, (Y, X).
        options
            Threshold and ``fill_holes`` apply.
        """
        threshold = np.float32(options.threshold)
        if self.knows(options.threshold):
            level = np.searchsorted(self.levels, threshold)
            found = self.heights_of(plane, probability, filled=options.fill_holes) > level
            return found
        objects = self.objects(plane, probability, options.threshold)
        heights = objects.filled() if options.fill_holes else objects.q
        return heights > np.searchsorted(objects.levels, threshold)

    @property
    def gives_confidence(self) -> bool:
        """Whether confidences are known."""
        return self.calibration is not None

    def confidence(self, plane: Plane) -> npt.NDArray[np.float64] | None:
        """Return the confidence in each owner of a plane, in [0, 1]; None where it is unknown."""
        if self.calibration is None:
            return None
        return confidence_of(self.facts[plane], self.calibration)

    def all_confidences(self, min_size: int = 0) -> npt.NDArray[np.float64]:
        """Return the confidences in the owners of all planes, one after the other.

        Parameters
        ----------
        min_size
            Those of fewer pixels at the model's threshold are left out. Default: 0.
        """
        found = [np.zeros(0)]
        for plane, facts in self.facts.items():
            confidence = self.confidence(plane)
            if confidence is not None:
                found.append(confidence[facts.area >= min_size])
        return np.concatenate(found)

    def confidence_of_labels(
        self, labels: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float64] | None:
        """Return the confidence in each object of a label image, by its label.

        Parameters
        ----------
        labels
            Of the result's shape. An object of several planes has the mean over its pixels;
            one without owners has NaN.

        Returns
        -------
        ndarray or None
            One value for each label from 0 on; None where confidences are unknown.
        """
        planes = ((plane, labels[plane_slices(self.axes, plane)]) for plane in self.facts)
        return self.mean_confidence(planes, int(labels.max(initial=0)))

    def mean_confidence(
        self, planes: Iterable[tuple[Plane, npt.NDArray[np.integer]]], count: int
    ) -> npt.NDArray[np.float64] | None:
        """Return the mean confidence over the pixels of objects, plane by plane.

        Parameters
        ----------
        planes
            Index and labels (Y, X) of each plane.
        count
            The highest label.

        Returns
        -------
        ndarray or None
            One value for each label from 0 on, NaN for one without owners; None where
            confidences are unknown.
        """
        if self.calibration is None:
            return None
        total, pixels = np.zeros(count + 1), np.zeros(count + 1)
        for plane, labels in planes:
            owners = self.owner[plane_slices(self.axes, plane)]
            inside = (labels > 0) & (owners > 0)
            found = labels[inside]
            values = confidence_of(self.facts[plane], self.calibration)
            total += np.bincount(found, values[owners[inside] - 1], count + 1)
            pixels += np.bincount(found, minlength=count + 1)
        mean: npt.NDArray[np.float64] = np.divide(
            total, pixels, out=np.full(count + 1, np.nan), where=pixels > 0
        )
        return mean
