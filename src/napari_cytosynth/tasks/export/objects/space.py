"""What a file of objects says of the image: shape, axes, pixel size and columns of the table."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import check_voxel_size
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.axes import guess_axes, parse_axes
from napari_cytosynth.tasks.common.layers import (
    Source,
    known_voxel_size,
    read_source,
    voxel_size,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .rows import Kinds

__all__ = ["Description", "Space", "check_planes", "find_space"]

_UNKNOWN = (
    "The file does not say how large its image is. Give the image that the objects are of: "
    "like=image, or shape=(rows, columns), before them the number of planes (on the command line: "
    "--like IMAGE or --shape ROWS COLUMNS)."
)


@dataclass(frozen=True)
class Space:
    """The image that objects are of.

    Attributes
    ----------
    shape
        Of the labels.
    axes
        One letter for each axis; Y and X come last.
    pixel_size
        In µm along Y and X, or along Z, Y and X. Default: None, unknown.
    """

    shape: tuple[int, ...]
    axes: str
    pixel_size: tuple[float, ...] | None = None

    @property
    def leading(self) -> dict[str, int]:
        """Number of planes by axis, a small letter."""
        return dict(zip(self.axes[:-2].lower(), self.shape[:-2], strict=True))


@dataclass(frozen=True)
class Description:
    """What this package notes in a file beside the objects, for reading it back.

    Attributes
    ----------
    space
        The image; None (default) if the file does not say.
    keys
        Columns that tell the rows of the table apart; None (default) if unknown.
    kinds
        Columns of the table and the kinds of their values; None (default) if unknown.
    classes
        Column that became the class. Default: "class".
    provenance
        Provenance record of the labels. Default: empty.
    """

    space: Space | None = None
    keys: tuple[str, ...] | None = None
    kinds: Kinds | None = None
    classes: str = "class"
    provenance: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        from napari_cytosynth.version import __version__

        found: dict[str, Any] = {"version": __version__, "classes": self.classes}
        if self.space is not None:
            found |= {"axes": self.space.axes, "shape": list(self.space.shape)}
            if self.space.pixel_size is not None:
                found["pixel_size_um"] = list(self.space.pixel_size)
        if self.keys is not None:
            found["keys"] = list(self.keys)
        if self.kinds is not None:
            found["columns"] = [[name, kind] for name, kind in self.kinds.items()]
        return found | ({"provenance": self.provenance} if self.provenance else {})

    @classmethod
    def from_dict(cls, found: Any) -> Description:
        """Return what can be understood of a record, which may be anything."""
        if not isinstance(found, dict):
            return cls()
        space = _space(found)
        keys, columns = found.get("keys"), found.get("columns")
        keys = tuple(keys) if isinstance(keys, list) else ()
        usual = keys[:1] == ("label",) and all(key in ("t", "z") for key in keys[1:])
        pairs = [pair for pair in columns if _is_pair(pair)] if isinstance(columns, list) else []
        provenance = found.get("provenance")
        return cls(
            space,
            keys if usual else None,
            dict(pairs) if isinstance(columns, list) else None,
            str(found.get("classes", "class")),
            provenance if isinstance(provenance, dict) else {},
        )


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(v, str) for v in pair)


def _space(found: dict[str, Any]) -> Space | None:
    shape, axes, size = found.get("shape"), found.get("axes"), found.get("pixel_size_um")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        return None
    try:
        axes = parse_axes(axes, len(shape)) if axes else guess_axes(len(shape))
        return Space(tuple(shape), axes, _sizes(size))
    except InputError:
        return None


def _sizes(size: Any) -> tuple[float, ...] | None:
    found = check_voxel_size(size)
    return None if found is None else voxel_size(found[1:], found[0])


def find_space(
    description: Description,
    like: Any = None,
    shape: Sequence[int] | None = None,
    axes: str | None = None,
) -> Space:
    """Return the image that objects are of.

    Parameters
    ----------
    description
        What the file says; what is given comes before it.
    like
        The image, an array or a layer; its channels are left out. Default: None.
    shape
        Shape of the labels. Default: None.
    axes
        Axes of `like` or `shape`. Default: None, guessed.

    Raises
    ------
    InputError
        If the shape is not known, or is none.
    """
    if like is not None:
        return _of_image(read_source(like, "like"), axes)
    if shape is None:
        if description.space is None:
            raise InputError(_UNKNOWN)
        return description.space
    try:
        sizes = tuple(int(size) for size in shape)
    except (TypeError, ValueError, OverflowError):
        sizes = ()
    if len(sizes) < 2 or min(sizes) < 0 or math.prod(sizes) > 2**48:
        raise InputError("The shape must be two or more whole numbers: (rows, columns).")
    known = description.space
    if axes is None and known is not None and len(known.axes) == len(sizes):
        axes = known.axes
    axes = guess_axes(len(sizes)) if axes is None else parse_axes(axes, len(sizes))
    return Space(sizes, check_planes(axes), known.pixel_size if known else None)


def _of_image(source: Source, axes: str | None) -> Space:
    shape = source.shape
    if axes is None:
        axes = guess_axes(len(shape), source.axis_labels, rgb=source.rgb, shape=shape)
    axes = parse_axes(axes, len(shape))
    z_size, size = known_voxel_size(source, axes, None)
    kept = [n for n, axis in enumerate(axes) if axis != "C"]
    plain = check_planes("".join(axes[n] for n in kept))
    return Space(tuple(shape[n] for n in kept), plain, voxel_size(size, z_size))


def check_planes(axes: str) -> str:
    """Return axes that ImageJ and QuPath know: planes along Z and T, then Y and X.

    Raises
    ------
    InputError
        If they are others.
    """
    if not axes.endswith("YX") or not {*axes} <= {*"TZYX"}:
        raise InputError(
            f"Objects lie in planes along Z and T, and rows and columns come last: the axes {axes} "
            "cannot be used. Name them as they are (axes=…), or give one position at a time."
        )
    return axes
