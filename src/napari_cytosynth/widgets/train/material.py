"""What a training learns, copied from layers when it begins: no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import Source, geometry_of, read_source
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.common.corrected import known_pixels, plane_of
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot, finest

from .outlined import check_somewhere, outlined_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.teach.segment.pairs import AnnotatedPlane

__all__ = ["PairCopy", "annotated_planes", "copy_pairs", "most_painted", "position_axes"]

_CHOOSE = "Choose an image, and the labels layer that you painted on it."
_AXES = "ABDEFGHIJKLM"  # of positions, whatever they are


@dataclass(frozen=True, eq=False)
class PairCopy:
    """An image and its labels as they were when the training began.

    Attributes
    ----------
    image
        The layer; its pixels are copied in the job.
    labels
        Copy of the pixels of the labels.
    known
        Finds the mask of what is known of corrected labels; None for labels that were painted.
    position
        Index of the plane of the image that corrected labels are of. Default: (), of all.
    outlined
        Where everything is outlined, of the shape of the labels. Default: None, nowhere.
    """

    image: LayerSnapshot
    labels: NDArray[Any]
    known: Callable[[], Any] | None
    position: tuple[int, ...] = ()
    outlined: NDArray[np.bool_] | None = None

    def arrays(self) -> tuple[Any, ...]:
        """Return image and labels, with what is known of them if they were corrected."""
        data = finest(self.image)
        if self._of_one_plane:
            data = np.asarray(data[self.position])[(np.newaxis,) * len(self.position)]
        place = geometry_of(self.image)
        source = Source(data, self.image.name, rgb=self.image.rgb, geometry=place)
        inside = False if self.outlined is None else self.outlined
        if self.known is None:
            return source, np.where(inside & (self.labels == 0), 1, self.labels)
        return source, self.labels, np.where(inside, 1, self.known()).astype(np.uint8)

    @property
    def place(self) -> tuple[int, ...]:
        """Index, into the axes before Y and X, of the plane with the most annotation."""
        if self._of_one_plane:
            return self.position
        counts = np.count_nonzero(self.labels, axis=(-2, -1))
        return tuple(int(at) for at in np.unravel_index(int(np.argmax(counts)), counts.shape))

    @property
    def _of_one_plane(self) -> bool:
        """Whether the labels are of one plane of a stack, with axes of length 1."""
        lengths = self.labels.shape[:-2]
        return bool(lengths) and len(self.position) == len(lengths) and set(lengths) == {1}


def copy_pairs(
    pairs: Sequence[tuple[Any, Any]], *, sparse: bool, outlined: Any = None
) -> list[PairCopy]:
    """Copy the labels of layers, and note the images.

    Parameters
    ----------
    pairs
        (image, labels) layers; rows in which neither is chosen are left out.
    sparse
        Whether labels are sparse strokes, unless they were corrected.
    outlined
        A Shapes layer in which everything is outlined: what is not painted there is background.
        Default: None.

    Raises
    ------
    InputError
        If a layer is missing, or is what a model has found, or the shapes lie elsewhere.
    """
    chosen = [pair for pair in pairs if pair != (None, None)]
    if not chosen or any(None in pair for pair in chosen):
        raise InputError(_CHOOSE)
    copies = [_copy(image, labels, sparse=sparse, shapes=outlined) for image, labels in chosen]
    if outlined is not None:
        check_somewhere([pair.outlined for pair in copies], str(outlined.name))
    return copies


def _copy(image: Any, labels: Any, *, sparse: bool, shapes: Any) -> PairCopy:
    known = known_pixels(labels)
    record = labels.metadata.get(KEY)
    if known is None and sparse and isinstance(record, dict):
        raise InputError(
            f"“{labels.name}” is what a model has found: its numbers are no strokes. Correct it in "
            "Segment, or press “Paint” to paint on the image."
        )
    copied, position = np.array(finest(labels)), plane_of(labels)
    inside = None
    if shapes is not None and (sparse or known is not None):
        axes = position_axes(labels.ndim)
        inside = outlined_in(shapes, read_source(labels), axes, copied, position)
    return PairCopy(LayerSnapshot.of(image), copied, known, position, inside)


def position_axes(ndim: int) -> str:
    """Return letters of the axes of planes, whatever their positions are."""
    return f"{_AXES[: ndim - 2]}YX"


def most_painted(pairs: Sequence[PairCopy]) -> PairCopy:
    """Return the pair with the most annotation."""
    return max(pairs, key=lambda pair: np.count_nonzero(pair.labels))


def annotated_planes(pairs: Sequence[PairCopy], *, sparse: bool) -> list[AnnotatedPlane]:
    """Return what is known of each plane.

    Raises
    ------
    InputError
        If an image or its labels cannot be used, or too little is painted.
    """
    from napari_cytosynth.training.teach.segment.pairs import read_pairs

    return read_pairs([pair.arrays() for pair in pairs], sparse=sparse)
