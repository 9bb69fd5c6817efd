"""A region of interest from a file: GeoJSON, regions of ImageJ, or shapes that napari saved."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.console import shown_name
from napari_cytosynth.errors import InputError
from napari_cytosynth.files import user_path
from napari_cytosynth.tasks.common.region import Region
from napari_cytosynth.tasks.common.region.shapes import Area, collected, counted_axes

from .objects.exchange import kind_of, read_outlines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .objects.model import FileContent

__all__ = ["RegionFile", "read_region"]

_KINDS = "GeoJSON (.geojson), regions of ImageJ (.roi, .zip), or shapes that napari saved (.csv)"
_FLAT = ("line", "path")


@dataclass(frozen=True, eq=False)
class RegionFile:
    """Shapes of a file, whose planes are known once their image is.

    Attributes
    ----------
    name
        Of the file.
    content
        Outlines in GeoJSON or of ImageJ; 0 is the outer corner of the first pixel.
    shapes
        Shapes that napari saved: their type and vertices (N, D) in pixels.
    messages
        Sentences for the user.
    """

    name: str
    content: FileContent | None
    shapes: tuple[tuple[str, Any], ...]
    messages: list[str]

    def in_pixels_of(self, axes: str, shape: Sequence[int], across: str = "") -> Region:
        """Return the region in the pixels of an image.

        Parameters
        ----------
        axes, shape
            Letters of the image's axes, and their lengths.
        across
            Letters of axes all along which every shape holds. Default: none.

        Raises
        ------
        InputError
            If the shapes have more axes than the image.
        """
        counted = counted_axes(axes, across)
        if self.content is None:
            return collected(list(self._saved(axes)), counted, self.name)
        return Region.of(list(self._outlined(axes, shape, counted)), self.name)

    def _outlined(self, axes: str, shape: Sequence[int], counted: str) -> Iterator[Area]:
        """Yield the outlines of a file of objects."""
        assert self.content is not None
        sizes = dict(zip(axes.lower(), shape, strict=True))
        leading = {axis: size for axis, size in sizes.items() if axis not in "cyx"}
        self.content.place({"z": 0, "t": 0} | leading if len(leading) > 1 else leading)
        for one in self.content.objects:
            plane = tuple(one.place.get(axis) for axis in counted.lower())
            known = any(at is not None for at in plane)
            for rings in one.polygons:
                drawn = (np.asarray(ring, np.float64) for ring in rings if len(ring))
                first, *more = (ring[:, ::-1] - 0.5 for ring in drawn)
                yield Area(first, plane if known else (), holes=tuple(more))

    def _saved(self, axes: str) -> Iterator[tuple[Any, str, bool]]:
        """Yield the shapes that napari saved, with the letters of their coordinates."""
        for kind, vertices in self.shapes:
            count = vertices.shape[1]
            letters = axes if count == len(axes) else axes.replace("C", "")[-count:]
            if count > len(letters):
                raise InputError(
                    f"The shapes of “{self.name}” have {count} axes, but the image has only the "
                    f"axes {axes}: draw them on this image, or on one plane."
                )
            yield vertices, letters, kind == "ellipse"


def read_region(path: Any) -> RegionFile:
    """Read shapes that limit a task, for the argument ``region``.

    Parameters
    ----------
    path
        GeoJSON (of QuPath, this package, …), ``.roi`` or ``.zip`` of ImageJ, or the ``.csv`` that
        napari saves of a Shapes layer. The latter does not say where the layer lies: its numbers
        are taken as pixels of the image.

    Raises
    ------
    InputError
        If it is none of these, cannot be read, or has no shape with an area.
    """
    file = user_path(path)
    if not file.is_file():
        raise InputError(f"There is no file “{shown_name(file)}”.")
    kind = kind_of(file)
    if kind not in (".geojson", ".roi", ".zip", ".csv"):
        raise InputError(f"A region cannot be read from “{shown_name(file.name)}”: give {_KINDS}.")
    try:
        found = _napari_shapes(file) if kind == ".csv" else _outlines(file)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"“{shown_name(file)}” cannot be read: {reason}.") from error
    if not (found.shapes or (found.content and found.content.objects)):
        left_out = "".join(f" {text}" for text in found.messages)
        raise InputError(
            f"There is no shape with an area in “{shown_name(file.name)}”: draw a rectangle, a "
            f"polygon or an ellipse.{left_out}"
        )
    return found


def _outlines(file: Path) -> RegionFile:
    content = read_outlines(file)
    messages = [text.removesuffix(": labels need areas.") + "." for text in content.messages]
    return RegionFile(file.name, content, (), [text.replace("..", ".") for text in messages])


def _napari_shapes(file: Path) -> RegionFile:
    """Read a table with the columns index, shape-type, vertex-index, axis-0, axis-1 and so on."""
    damaged = InputError(
        f"“{shown_name(file.name)}” is no table of shapes as napari saves it (index, shape-type, "
        "vertex-index, axis-0, axis-1, …): save the Shapes layer with File › Save Selected Layers."
    )
    try:
        with file.open(newline="", encoding="utf-8") as text:
            head, *rows = csv.reader(text)
        if head[:3] != ["index", "shape-type", "vertex-index"] or len(head) < 5:
            raise damaged
        shapes: dict[str, tuple[str, list[list[float]]]] = {}
        for row in rows:
            shapes.setdefault(row[0], (row[1], []))[1].append([float(one) for one in row[3:]])
        found = [(kind, np.array(vertices, float)) for kind, vertices in shapes.values()]
    except (ValueError, IndexError, UnicodeError, csv.Error) as error:
        raise damaged from error
    _check_shapes(file, found, damaged, len(head) - 3)
    messages = [
        f"The numbers of “{file.name}” were taken as pixels of the image: napari does not save "
        "where the layer of the shapes lies."
    ]
    return RegionFile(file.name, None, tuple(found), messages)


def _check_shapes(file: Path, found: Any, damaged: InputError, axes: int) -> None:
    if any(kind in _FLAT for kind, _ in found):
        raise InputError(
            f"“{shown_name(file.name)}” has lines or paths, which have no area: delete them, or "
            "draw polygons instead."
        )
    for kind, vertices in found:
        corners = len(vertices) == 4 if kind == "ellipse" else len(vertices) >= 3
        flat = vertices.ndim == 2 and vertices.shape[1] == axes and np.isfinite(vertices).all()
        if not corners or not flat:
            raise damaged
        if axes > 2 and np.ptp(vertices[:, :-2], axis=0).max() > 0.5:
            raise InputError(
                f"A shape of “{shown_name(file.name)}” is tilted against the planes of the image: "
                "draw it in one plane."
            )
