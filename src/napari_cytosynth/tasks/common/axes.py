"""Named axes of an image, and its planes.

Axes are named by one letter each: ``Y`` and ``X`` span a plane, ``C`` holds its channels,
any other letter (``T``, ``Z``, a position ``P`` …) counts planes. A colour image is
``YXC``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_text, shown
from napari_cytosynth.errors import CytosynthError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

__all__ = [
    "Plane",
    "PlaneReader",
    "axes_from_labels",
    "doubt_about",
    "guess_axes",
    "parse_axes",
    "place_of_z",
    "plane_slices",
    "possible_axes",
    "runs_along_z",
]

Plane = tuple[int, ...]
"""Index of a plane into the leading axes."""

FEW = 6
"""An axis that is no longer than this may well hold channels."""

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
        If the image has fewer than two axes, or a last axis so short that it rather holds
        channels.
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
    # where all of them are short, nothing speaks for channels
    if len(shape) == ndim > 2 and 1 <= shape[-1] <= FEW < max(shape[-3:]):
        raise InputError(_channels_last(shape))
    return _by_count(ndim)


def _by_count(ndim: int) -> str:
    if ndim in _DEFAULT:
        return _DEFAULT[ndim]
    spare = list("PQRSVWABDEFGHIJKLMNOU")[: ndim - 5]
    return "".join(spare) + _DEFAULT[5]


def _channels_last(shape: Sequence[int]) -> str:
    ndim, count = len(shape), int(shape[-1])
    channels = _by_count(ndim - 1).replace("C", "P") + "C"
    pixels = f"{count} pixel{'s' * (count != 1)}"
    return (
        f"The last axis of the image ({' × '.join(map(str, shape))}) has a length of {count}: it "
        f"seems to hold channels, not columns. If so, give axes={channels!r}; if the planes are "
        f"only {pixels} wide, give axes={_by_count(ndim)!r}. (On the command line: --axes.)"
    )


def doubt_about(axes: str, shape: Sequence[int]) -> str:
    """Return the sentence about guessed axes of which a short one may hold channels.

    Parameters
    ----------
    axes
        As guessed for an image whose axes have no names.
    shape
        Shape of the image.

    Returns
    -------
    str
        Empty where there is no doubt.
    """
    few = [
        axis for axis, size in zip(axes, shape, strict=True) if axis not in "YX" and 1 < size <= FEW
    ]
    if not few or "C" in axes:
        return ""
    letter = few[-1]
    where, count = axes.index(letter), int(shape[axes.index(letter)])
    names = {"T": "time points", "Z": "planes in depth (Z)"}
    return (
        f"The axes of the image have no names: its {_ordinal(where)} axis was taken for {count} "
        f"{names.get(letter, 'planes')}. If it holds channels, give "
        f"axes={axes.replace(letter, 'C')!r} and choose with channels. (On the command line: "
        "--axes, --channels.)"
    )


def _ordinal(place: int) -> str:
    return ("first", "second", "third", "fourth", "fifth")[place] if place < 5 else f"{place + 1}th"


def possible_axes(shape: Sequence[int], *, rgb: bool = False) -> list[str]:
    """Return the axes that an image of two to five axes may have, the likeliest kinds first.

    Parameters
    ----------
    shape
        Shape of the image.
    rgb
        The last axis holds the colours. Default: False.
    """
    ndim = len(shape)
    if rgb:
        return [axes + "C" for axes in possible_axes(shape[:-1]) if "C" not in axes]
    leading = (
        itertools.permutations("ZTC" if ndim < 5 else "TCZ", ndim - 2) if 2 <= ndim <= 5 else ()
    )
    found = ["".join(letters) + "YX" for letters in leading]
    if 3 <= ndim <= 5 and shape[-1] <= FEW:
        found += [axes + "C" for axes in possible_axes(shape[:-1]) if "C" not in axes]
    return found


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
    messages
        What the user ought to know of axes that were guessed. Default: none.
    """

    data: Any
    axes: str
    channels: tuple[int, ...] | None = None
    messages: tuple[str, ...] = ()

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
        """Return one plane as (C, Y, X); a view where `data` is a numpy array.

        Raises
        ------
        InputError
            If the array fails to give it: one that is read late may have lost its file.
        """
        where = dict(zip(self.leading_axes, index, strict=True))
        try:
            plane: npt.NDArray[Any] = np.asanyarray(
                self.data[tuple(where.get(axis, slice(None)) for axis in self.axes)]
            )
        except (CytosynthError, MemoryError):
            raise
        except Exception as error:  # whatever dask, zarr or the functions of a graph raise
            place = "".join(f", {axis} {number}" for axis, number in where.items())
            raise InputError(
                f"A plane of the image{place} could not be read from its array: "
                f"{type(error).__name__}: {shown(str(error))}."
            ) from error
        left = [axis for axis in self.axes if axis in "CYX"]
        if "C" not in left:
            return plane[np.newaxis]
        plane = np.moveaxis(plane, left.index("C"), 0)
        return plane if self.channels is None else plane[list(self.channels)]


def place_of_z(axes: str, shape: Sequence[int]) -> tuple[int, int] | None:
    """Return the place of Z in the index of a plane, and its number of planes; None without it.

    Parameters
    ----------
    axes, shape
        Of the leading axes at least, which count planes.
    """
    place = axes.find("Z")
    return None if place < 0 else (place, shape[place])


def runs_along_z(axes: str, shape: Sequence[int]) -> dict[Plane, list[Plane]]:
    """Return the planes of each run along Z, by its index into the other leading axes.

    Parameters
    ----------
    axes
        Letters of the axes, with Z; Y and X may be left out.
    shape
        Their lengths.
    """
    leading = [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis not in "YX"]
    place = [axis for axis, _ in leading].index("Z")
    others = [size for _, size in leading]
    depth = others.pop(place)
    return {
        run: [(*run[:place], z, *run[place:]) for z in range(depth)] for run in np.ndindex(*others)
    }


def plane_slices(axes: str, index: tuple[int, ...]) -> tuple[int | slice, ...]:
    """Return the index of one plane (Y, X) in an array with `axes` (without ``C``)."""
    leading = iter(index)
    return tuple(slice(None) if axis in "YX" else next(leading) for axis in axes)
