"""Labels of all planes of a result, with what a user corrected in them by hand."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.layers import Source
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.correct import (
    Applied,
    Correction,
    Corrections,
    annotated_pixels,
    apply_corrections,
    make_correction,
)
from napari_cytosynth.tasks.segment.planes import SegmentedPlanes

from .saved import check_fit, corrections_for, fingerprint, read_corrected_record, said_of_open

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress

__all__ = ["CorrectedPlanes"]


@dataclass(eq=False, repr=False)
class CorrectedPlanes(SegmentedPlanes):
    """Planes whose labels may be corrected by hand; corrections hold at every threshold."""

    corrections: Corrections = field(default_factory=Corrections)
    position: tuple[int, ...] | None = None
    source: Source = field(default_factory=lambda: Source(np.zeros((0, 0))))
    messages: list[str] = field(default_factory=list)
    base_provenance: dict[str, Any] = field(default_factory=dict)
    _hidden: list[int] = field(default_factory=list, init=False)
    _applied: Applied = field(default_factory=Applied, init=False)

    @property
    def provenance(self) -> dict[str, Any]:
        """Provenance record of this result, of plain values."""
        parameters = self.base_provenance.get("parameters", {}) | asdict(self.options)
        by_hand = self._by_hand() if self.corrections else {}
        return self.base_provenance | {"parameters": parameters} | by_hand

    def _by_hand(self) -> dict[str, Any]:
        """Return what the record says of corrections, and of which planes they are."""
        position = None if self.position is None else [int(at) for at in self.position]
        place = {"axes": self.axes, "shape": list(self.shape), "position": position}
        return {"corrections": self.corrections.record() | place}

    def provenance_to_save(self) -> dict[str, Any]:
        """Return the record with what the image is known by, where objects were corrected."""
        found = self.provenance
        if self.corrections:
            found["corrections"]["image"] = fingerprint(self.source)
        return found

    @cached_property
    def labels(self) -> npt.NDArray[np.int32]:
        """int32 labels of the whole stack, 0 is background; no two objects share a number.

        Where planes are linked (see :attr:`links_planes`), an object has its number in all planes,
        and keeps it at every threshold, so that numbers may be missing; elsewhere
        they are 1, 2, … and continue from plane to plane, but for numbers of objects that were
        merged or deleted by hand.
        """
        return self._label_all(silent)

    def _label_all(self, progress: Progress) -> npt.NDArray[np.int32]:
        labels, self._hidden = self.label_planes(progress)
        self._applied = apply_corrections(
            labels, self.axes, self.corrections, linked=self.links_planes
        )
        return labels

    def corrected(self, corrections: Corrections) -> Self:
        """Return the result with corrections by hand, in place of those that it has.

        Parameters
        ----------
        corrections
            From another result's :attr:`corrections`, or
            ``Corrections.from_record(provenance["corrections"])`` of a saved one.

        Raises
        ------
        InputError
            If they are of an image of another shape.
        """
        check_fit(corrections, self.axes, self.shape)
        return replace(self, corrections=corrections)

    def load_corrections(self, path: str | Path) -> Self:
        """Return the result with corrections that were saved, after those that it has.

        Parameters
        ----------
        path
            The folder that a corrected result of the same image was saved in, its
            ``provenance.json``, one of its TIFFs, or its OME-Zarr.

        Returns
        -------
        CorrectedPlanes
            Its :attr:`messages` say how many do not apply; see :attr:`without_effect`.

        Raises
        ------
        InputError
            If there are none, or they are of another image or other planes.
        """
        found = self.find_corrections(path)
        new = self.corrected(self.corrections.join(found))
        sentence = said_of_open(new.open_among(found), len(found.done))
        return replace(new, messages=[*self.messages, sentence])

    def find_corrections(self, source: Any) -> Corrections:
        """Return corrections that were saved, or that a layer of an earlier result has.

        Parameters
        ----------
        source
            As of :meth:`load_corrections`, or a napari Labels layer.

        Raises
        ------
        InputError
            As of :meth:`load_corrections`.
        """
        layer = getattr(source, "metadata", None)
        record = read_corrected_record(source) if layer is None else layer.get(KEY, {})
        name = str(source) if layer is None else source.name
        return corrections_for(record, self.provenance | self._by_hand(), self.source, name)

    def open_among(self, corrections: Corrections) -> int:
        """Return how many of some corrections have no effect at this threshold."""
        _ = self.labels
        return sum(one in corrections.done for one in self._applied.open)

    def correct(
        self, kind: str, points: Sequence[tuple[float, float]], plane: tuple[int, ...] = ()
    ) -> Self:
        """Return the result with one more correction of its objects.

        Parameters
        ----------
        kind
            ``merge``, ``cut``, ``delete``, ``paint`` or ``accept``.
        points
            (y, x) in px: one in each object to merge; the line of a cut; the outline of an
            object to paint, which snaps to the flows or the probability; else one in the object.
        plane
            Index of the plane into the axes before Y and X. Default: there are none.

        Raises
        ------
        InputError
            If there is no such object, or the line cuts none.
        """
        return self.corrected(self.corrections.add(self.correction(kind, points, plane)))

    def correction(
        self,
        kind: str,
        points: Sequence[tuple[float, float]],
        plane: tuple[int, ...] = (),
        labels: npt.NDArray[np.integer] | None = None,
    ) -> Correction:
        """Return what :meth:`correct` adds to the corrections.

        Parameters
        ----------
        kind, points, plane
            As of :meth:`correct`.
        labels
            (Y, X), as they are shown. Default: None, those of :attr:`labels`.
        """
        shown = self.labels[plane_slices(self.axes, plane)] if labels is None else labels
        ends = None if self.owned is None else self.owned.gathered(plane)
        region = None if self.region is None else self.region.mask(plane)
        probability = self.probability_plane(plane)
        return make_correction(
            kind, points, shown, probability, plane, gathered=ends, region=region
        )

    @property
    def correction_names(self) -> dict[int, str]:
        """What was done to an object, by its label: merged, cut, painted, accepted."""
        _ = self.labels
        return self._applied.names

    @property
    def without_effect(self) -> int:
        """Number of corrections whose object is not there at this threshold, or joined others."""
        _ = self.labels
        return len(self._applied.open)

    @cached_property
    def annotated(self) -> npt.NDArray[np.bool_]:
        """Pixels whose truth the user has given, of the shape of :attr:`labels`.

        Those of objects that were corrected or accepted with 2 px around them, of deleted
        objects (they are background), and of planes that were looked at.
        """
        own = self.corrected(Corrections()).labels
        seen, names = self.corrections.looked_at, self.correction_names
        return annotated_pixels(self.labels, own, self.axes, seen, names)
