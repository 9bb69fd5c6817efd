"""Labels of all planes of a result, with what a user corrected in them by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.correct import (
    Applied,
    Corrections,
    annotated_pixels,
    apply_corrections,
    make_correction,
)

from .planes import SegmentedPlanes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    import numpy as np
    import numpy.typing as npt

    from napari_cytosynth.progress import Progress

__all__ = ["CorrectedPlanes"]


@dataclass(eq=False, repr=False)
class CorrectedPlanes(SegmentedPlanes):
    """Planes whose labels may be corrected by hand; corrections hold at every threshold."""

    corrections: Corrections = field(default_factory=Corrections)
    _hidden: list[int] = field(default_factory=list, init=False)
    _applied: Applied = field(default_factory=Applied, init=False)

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
        """
        return replace(self, corrections=corrections)

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
            object to paint, which snaps to the probability; else one in the object.
        plane
            Index of the plane into the axes before Y and X. Default: there are none.

        Raises
        ------
        InputError
            If there is no such object, or the line cuts none.
        """
        where = plane_slices(self.axes, plane)
        one = make_correction(kind, points, self.labels[where], self.probability[where], plane)
        return self.corrected(self.corrections.add(one))

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
