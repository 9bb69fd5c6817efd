"""Images and their annotations, as arrays: what is known of every pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import physical_pixel_size, read_source
from napari_cytosynth.training.data.masks import check_truth, object_numbers
from napari_cytosynth.training.segment.known import CLASS_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["AnnotatedPlane", "read_pairs"]

_BACKGROUND = 1  # of sparse labels
_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class AnnotatedPlane:
    """One plane of an image with what its user has annotated.

    Attributes
    ----------
    source
        Name of the image.
    image
        (Y, X), a copy.
    objects
        (Y, X) numbers of the objects, 0 for background and where nothing is known.
    annotated
        (Y, X) of uint8: 0 unknown, 2 foreground whose outline is unknown, 1 all is known.
    pixel_size_um
        Of the image, the mean of Y and X. Default: None, not known.
    """

    source: str
    image: NDArray[Any]
    objects: NDArray[Any]
    annotated: NDArray[np.uint8]
    pixel_size_um: float | None = None

    @property
    def whole(self) -> bool:
        """Whether everything is known."""
        return bool((self.annotated == 1).all())


def read_pairs(pairs: Sequence[Any], *, sparse: bool) -> list[AnnotatedPlane]:
    """Copy the annotated planes of images.

    Parameters
    ----------
    pairs
        (image, labels), or (image, labels, annotated), as of :func:`.task.fine_tune`.
    sparse
        Whether labels without a mask of what is annotated are sparse.

    Raises
    ------
    InputError
        If an image or its labels cannot be used, or nothing can be learned from all of them.
    """
    planes = [
        plane
        for number, pair in enumerate(_listed(pairs), 1)
        for plane in _planes_of(pair, f"image {number}", sparse=sparse)
    ]
    _check_enough(planes)
    return planes


def _listed(pairs: Any) -> list[tuple[Any, ...]]:
    wrong = InputError(
        "The argument “pairs” should be a list of (image, labels) or (image, labels, annotated)."
    )
    try:
        found = [tuple(pair) for pair in pairs if not hasattr(pair, "dtype")]
    except TypeError as error:
        raise wrong from error
    if not found or any(len(pair) not in (2, 3) for pair in found) or len(found) != len(pairs):
        raise wrong
    return found


def _planes_of(pair: tuple[Any, ...], name: str, *, sparse: bool) -> Iterator[AnnotatedPlane]:
    image, labels, *masks = (read_source(each, name) for each in pair)
    name = image.name or name
    arrays = [np.asarray(each.data) for each in (image, labels, *masks)]
    if image.rgb or arrays[0].ndim < 2 or arrays[0].dtype.kind not in "buif":
        raise InputError(f"“{name}” is not a grey image (Y, X), or a stack of such planes.")
    for array in arrays[1:]:
        if array.shape != arrays[0].shape:
            raise InputError(
                f"“{name}” is {arrays[0].shape}, but its labels are {array.shape}: they should "
                "have the same size, plane by plane."
            )
    if reason := check_truth(arrays[1], labels=True):
        raise InputError(f"The labels of “{name}” cannot be learned from: {reason}.")
    axes = (arrays[0].ndim - 2, arrays[0].ndim - 1)
    sizes = physical_pixel_size(image.geometry, axes) if image.geometry else None
    for place in np.ndindex(arrays[0].shape[:-2]):
        plane = _annotated(name, [array[place] for array in arrays], sparse=sparse)
        if plane.annotated.any():
            yield replace(plane, pixel_size_um=None if sizes is None else float(np.mean(sizes)))


def _annotated(name: str, planes: list[NDArray[Any]], *, sparse: bool) -> AnnotatedPlane:
    image, labels, *masks = planes
    if masks:
        annotated = np.where(masks[0] == CLASS_ONLY, CLASS_ONLY, masks[0] != 0)
    elif sparse:
        labels, annotated = _from_strokes(labels)
    else:
        annotated = np.ones(labels.shape)
    objects = np.where(annotated != 0, labels, 0)
    if annotated.any() and image.dtype.kind == "f" and not np.isfinite(image).all():
        raise InputError(
            f"“{name}” has pixels without a number (NaN or infinite): replace them, for example by "
            "numpy.nan_to_num."
        )
    return AnnotatedPlane(name, image.copy(), object_numbers(objects), annotated.astype(np.uint8))


def _from_strokes(strokes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the objects of sparse labels, and what is known of each pixel.

    The outline of an object is known if everything around it is painted, too.
    """
    painted = strokes != 0
    inside = strokes > _BACKGROUND
    open_ended = np.unique(strokes[inside & ndimage.binary_dilation(~painted, _NEIGHBOURS)])
    known = np.where(np.isin(strokes, open_ended) & inside, CLASS_ONLY, painted)
    return np.where(inside, strokes - _BACKGROUND, 0), known


def _check_enough(planes: list[AnnotatedPlane]) -> None:
    if not planes:
        raise InputError(
            "Nothing is annotated. In sparse labels, paint background with 1 and each object with "
            "a number of its own from 2 on; 0 is unpainted."
        )
    objects = sum(len(np.unique(plane.objects[plane.objects > 0])) for plane in planes)
    parts = sum(ndimage.label(plane.objects > 0, _NEIGHBOURS)[1] for plane in planes)
    background = any(bool(((plane.annotated > 0) & (plane.objects == 0)).any()) for plane in planes)
    if not objects:
        raise InputError(
            "Only background is painted: paint at least two objects too, with numbers from 2 on "
            "(in labels that are not sparse, from 1 on)."
        )
    if not background:
        raise InputError(
            "Only objects are painted: paint background too, with 1, above all right beside the "
            "objects."
        )
    if max(objects, parts) < 2:
        raise InputError("Only one object is painted: paint at least one more.")
