"""Named axes of an image, and its planes.

Axes are named by one letter each: ``Y`` and ``X`` span a plane, ``C`` holds its channels,
any other letter (``T``, ``Z``, a position ``P`` …) counts planes. A colour image is
``YXC``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_text, shown
from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

__all__ = ["PlaneReader", "axes_from_labels", "guess_axes", "parse_axes", "plane_slices"]

_DEFAULT = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
_WORDS = {
    "time": "T", "frame": "T", "frames": "T", "depth": "Z", "slice": "Z", "plane": "Z",
    "channel": "C", "channels": "C", "position": "P", "row": "Y", "column": "X", "col": "X",
}  # fmt: skip


def parse_axes(axes: str, ndim: int) -> str:
    """Validate the axes of an image, and return them in capitals.

    Parameters
    ----------
    axes
        One letter for each axis, for example ``"tzyx"``.
    ndim
        Number of axes of the image.

    Raises
    ------
    InputError
        If a letter is missing, doubled or not a letter, or ``X`` comes before ``Y``.
    """
    check_text(axes, "axes", "one letter for each axis as text, such as 'ZYX'")
    letters = axes.strip().upper().replace(",", "").replace(" ", "")
    if len(letters) != ndim:
        raise InputError(
            f"The axes “{shown(axes)}” name {len(letters)} axes, but the image has {ndim}. Give "
            f"one letter for each axis, for example {guess_axes(ndim)!r}."
        )
    if not letters.isascii() or not letters.isalpha() or len(set(letters)) != ndim:
        raise InputError(f"The axes “{shown(axes)}” must be letters, each of them only once.")
    if "Y" not in letters or "X" not in letters[letters.index("Y") :]:
        raise InputError(
            f"The axes “{shown(axes)}” must contain Y (rows) and, after it, X (columns): the two "
            "axes of one image plane."
        )
    return letters


def axes_from_labels(labels: Sequence[str]) -> str | None:
    """Return the axes that a layer's ``axis_labels`` name, or None without real names.

    napari's own default labels are ``"-2", "-1"``, or ``"0", "1"``: not real.
    """
    letters = ""
    for label in labels:
        word = str(label).strip().lower()
        if not word.isalpha():
            return None
        letters += _WORDS.get(word, word[0].upper())
    try:
        return parse_axes(letters, len(labels))
    except InputError:
        return None


def guess_axes(
    ndim: int, labels: Sequence[str] = (), *, rgb: bool = False, channels: int = 1,
    shape: Sequence[int] = (),
) -> str:  # fmt: skip
    """Return the likely axes of an image, to be shown and edited before a run.

    Parameters
    ----------
    ndim
        Number of axes of the data.
    labels
        The layer's ``axis_labels``; used if they are real names. Without the last, colour
        axis of an `rgb` layer. Default: none.
    rgb
        The last axis holds the colours. Default: False.
    channels
        Channels that the model needs; a leading axis of just that length (more than one)
        is taken for them. Default: 1.
    shape
        Shape of the data. Default: unknown.

    Raises
    ------
    InputError
        If the image has fewer than two axes.
    """
    if rgb:
        return guess_axes(ndim - 1, labels) + "C"
    if ndim < 2:
        raise InputError("An image needs at least two axes: rows (Y) and columns (X).")
    named = axes_from_labels(labels) if len(labels) == ndim else None
    if named:
        return named
    if channels > 1 and ndim > 2 and len(shape) == ndim and shape[-3] == channels:
        return "TZPQRS"[: ndim - 3] + "CYX" if ndim < 10 else "CYX"
    if ndim in _DEFAULT:
        return _DEFAULT[ndim]
    spare = list("PQRSVWABDEFGHIJKLMNOU")[: ndim - 5]
    return "".join(spare) + _DEFAULT[5]


@dataclass(frozen=True, eq=False)
class PlaneReader:
    """Lazy reader of the planes of an array with named axes.

    Attributes
    ----------
    data
        numpy, memmap, dask or zarr array.
    axes
        One letter for each axis of `data`.
    channels
        Indices into the axis ``C`` that make up the model's input; None (default) for all.
    """

    data: Any
    axes: str
    channels: tuple[int, ...] | None = None

    @property
    def spatial_axes(self) -> str:
        """Axes of the result: all but ``C``."""
        return self.axes.replace("C", "")

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        pairs = zip(self.axes, self.data.shape, strict=True)
        return tuple(int(size) for axis, size in pairs if axis != "C")

    @property
    def leading_axes(self) -> str:
        """Axes that count planes, in order."""
        return "".join(axis for axis in self.axes if axis not in "CYX")

    @property
    def leading_shape(self) -> tuple[int, ...]:
        """Number of planes along each of the leading axes."""
        return tuple(int(self.data.shape[self.axes.index(axis)]) for axis in self.leading_axes)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of a plane."""
        y, x = (int(self.data.shape[self.axes.index(axis)]) for axis in "YX")
        return y, x

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Yield the index of each plane into the leading axes."""
        return iter(np.ndindex(*self.leading_shape))

    def read(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return one plane as (C, Y, X); a view where `data` is a numpy array."""
        where = dict(zip(self.leading_axes, index, strict=True))
        plane: npt.NDArray[Any] = np.asanyarray(
            self.data[tuple(where.get(axis, slice(None)) for axis in self.axes)]
        )
        left = [axis for axis in self.axes if axis in "CYX"]
        if "C" not in left:
            return plane[np.newaxis]
        plane = np.moveaxis(plane, left.index("C"), 0)
        return plane if self.channels is None else plane[list(self.channels)]


def plane_slices(axes: str, index: tuple[int, ...]) -> tuple[int | slice, ...]:
    """Return the index of one plane (Y, X) in an array with `axes` (without ``C``)."""
    leading = iter(index)
    return tuple(slice(None) if axis in "YX" else next(leading) for axis in axes)
