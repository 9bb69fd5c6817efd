"""The objects of one plane at every threshold, separated by flows once and for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.segment.confidence import sure_enough
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.tree import TreeView, ranks, slider_levels

from .decoding import LOWEST, FlowSettings, ObjectFacts, OwnedPlane, decode_flows
from .widest_paths import enclosed, fill_heights, one_piece

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

__all__ = ["FlowObjects"]


class FlowObjects:
    """The objects of one plane at all thresholds; the counterpart of ``ComponentTree``.

    Every pixel has one owner at all thresholds. Within it, objects shrink as the threshold rises,
    and vanish: they never split or join. They are numbered in the order of the owners' first
    pixels.

    Parameters
    ----------
    probability
        (Y, X), in [0, 1]; NaN is background.
    owned
        Owners of its pixels, from :func:`~.decoding.decode_flows`. Its heights are
        computed again if they are of other levels.
    lowest
        Threshold below which no pixel has an owner: lower ones give the same objects. Default:
        0.001.
    confidence
        In [0, 1], of each owner. Default: None.
    extra_levels
        Further thresholds that are to be exact, for example the model's own. Default: none.

    Raises
    ------
    InputError
        If `probability` does not have two axes or the owners' shape is another.
    """

    def __init__(
        self,
        probability: npt.NDArray[np.floating],
        owned: OwnedPlane,
        *,
        lowest: float = LOWEST,
        confidence: npt.NDArray[np.floating] | None = None,
        extra_levels: Iterable[float] = (),
    ) -> None:
        if probability.shape != owned.owner.shape or probability.ndim != 2:
            raise InputError(
                f"Owners of shape {owned.owner.shape} do not fit a plane of {probability.shape}."
            )
        self.shape = probability.shape
        self.owner = owned.owner
        self.facts: ObjectFacts = owned.facts
        self.confidence = confidence
        self.lowest = lowest
        self.levels = slider_levels([*extra_levels, lowest])
        self._probability = probability
        heights = owned.heights
        if not np.array_equal(owned.levels, self.levels):
            heights = one_piece(*self._landscape())
        self._plain = _Pixels(self.owner, heights)
        self._filled: _Pixels | None = None

    def _landscape(self, *, filled: bool = False) -> tuple[Any, Any, Any]:
        """Return heights, owners and finite probabilities (Y, X), holes filled if asked."""
        heights, owner = ranks(self._probability, self.levels), self.owner
        if filled:
            owner = enclosed(owner)
            heights = fill_heights(heights, owner)
        return heights, owner, np.nan_to_num(np.asarray(self._probability, np.float32))

    @classmethod
    def from_flows(
        cls,
        probability: npt.NDArray[np.floating],
        flows: npt.NDArray[np.floating],
        settings: FlowSettings,
        *,
        extra_levels: Iterable[float] = (),
    ) -> FlowObjects:
        """Decode the flows (2, Y, X) of a plane; its own threshold is exact."""
        owned = decode_flows(probability, flows, settings)
        levels = [settings.threshold, *extra_levels]
        return cls(probability, owned, lowest=settings.lowest, extra_levels=levels)

    @property
    def q(self) -> npt.NDArray[np.uint16]:
        """(Y, X) uint16: the number of levels at which a pixel belongs to its owner."""
        return self._plain.heights

    def filled(self) -> npt.NDArray[np.uint16]:
        """Return (Y, X) uint16 the same as :attr:`q`, of objects whose holes are filled."""
        self.prepare_holes()
        assert self._filled is not None
        return self._filled.heights

    @property
    def holes_ready(self) -> bool:
        """Whether :meth:`at` is fast with ``fill_holes`` too."""
        return self._filled is not None

    def prepare_holes(self) -> None:
        """Fill the holes of all thresholds ahead of the first ``fill_holes``."""
        if self._filled is None:
            heights, owner, probability = self._landscape(filled=True)
            self._filled = _Pixels(owner, one_piece(heights, owner, probability))

    def at(
        self,
        threshold: float,
        options: LabelOptions | None = None,
        *,
        out: npt.NDArray[np.int32] | None = None,
    ) -> TreeView:
        """Return the objects at a threshold.

        Parameters
        ----------
        threshold
            In [0, 1]; the nearest level is used (see :attr:`TreeView.threshold`).
        options
            ``min_size``, ``fill_holes``, ``drop_border`` and ``min_confidence`` apply; its
            threshold does not, and touching objects are always separate. None (default) for none
            of them.
        out
            C-contiguous (Y, X) int32 array that the labels are written into. None (default)
            allocates it.
        """
        options = options or LabelOptions(threshold)
        level = int(np.abs(self.levels - np.float32(threshold)).argmin())
        level = max(level, int(np.searchsorted(self.levels, np.float32(self.lowest))))
        if options.fill_holes:
            self.prepare_holes()
        pixels = self._filled if options.fill_holes and self._filled else self._plain
        areas = pixels.areas(level)
        keep = areas >= max(options.min_size, 1)
        if options.drop_border:
            keep &= pixels.border <= level
        known = np.count_nonzero(keep)
        if self.confidence is not None:
            keep[1:] &= sure_enough(self.confidence, options.min_confidence)
        owners = np.flatnonzero(keep).astype(np.int32)
        labels = np.empty(self.shape, np.int32) if out is None else out
        pixels.paint(level, owners, labels)
        confidence = None if self.confidence is None else self.confidence[owners - 1]
        hidden = int(known) - len(owners)
        level_used = float(self.levels[level])
        return TreeView(level_used, labels, areas[owners], owners, confidence, hidden)


class _Pixels:
    """Pixels by owner and height: areas and borders at all thresholds."""

    def __init__(self, owner: npt.NDArray[np.int32], heights: npt.NDArray[np.uint16]) -> None:
        self.owner, self.heights = owner, heights
        self._count = int(owner.max(initial=0)) + 1
        inside = np.flatnonzero(heights)
        self._scale = int(heights.max(initial=0)) + 2
        keys = owner.ravel()[inside].astype(np.int64) * self._scale + heights.ravel()[inside]
        keys.sort()
        last = np.flatnonzero(np.diff(keys, append=-1))
        self._keys = keys[last]
        self._until = np.concatenate([[0], last + 1])  # pixels of the keys before each
        self.border = np.zeros(self._count, np.int64)
        for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
            if owner.size:
                np.maximum.at(self.border, owner[edge], heights[edge])

    def areas(self, level: int) -> npt.NDArray[np.int64]:
        """Return the pixels of each owner (0: none) that reach more than `level` levels."""
        owners = np.arange(self._count, dtype=np.int64) * self._scale
        start = np.searchsorted(self._keys, owners + min(level + 1, self._scale - 1))
        end = np.searchsorted(self._keys, owners + self._scale)
        areas: npt.NDArray[np.int64] = self._until[end] - self._until[start]
        areas[0] = 0
        return areas

    def paint(self, level: int, owners: npt.NDArray[np.int32], out: npt.NDArray[np.int32]) -> None:
        """Write 1, 2, … into the pixels of these owners, in their order; 0 everywhere else."""
        number = np.zeros(self._count, np.int32)
        number[owners] = np.arange(1, len(owners) + 1)
        np.take(number, self.owner, out=out, mode="clip")
        out *= self.heights > level
