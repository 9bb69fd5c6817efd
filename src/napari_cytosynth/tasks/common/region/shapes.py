"""Shapes that limit a task: read from a napari Shapes layer, in the pixels of an image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import geometry_of, layer_geometry, world_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.tasks.common.layers import Source

    Floats = npt.NDArray[np.float64]

__all__ = ["Area", "Region", "collected", "counted_axes", "find_region"]

_FLAT = ("line", "path")
_CORNERS = 256  # of the polygon in place of an ellipse: its area is right to 0.01 %
_TILT = 0.5  # planes
_ARGUMENT = (
    "The region (region) must be a napari Shapes layer, or the vertices of one or several polygons "
    "as arrays (N, 2) of rows and columns."
)


@dataclass(frozen=True, eq=False)
class Area:
    """One shape.

    Attributes
    ----------
    vertices
        (N, 2), rows and columns in px of the image, 0 at the centre of the first pixel; of an
        ellipse the 4 corners of the parallelogram around it.
    plane
        Its index into the axes that count planes; an entry is None where the shape holds in all
        of that axis. Empty (default): it holds in all planes.
    ellipse
        Default: False, a polygon.
    holes
        Further rings (N, 2) of a polygon: what lies in an even number of rings is outside.
        Default: none.
    """

    vertices: Floats
    plane: tuple[int | None, ...] = ()
    ellipse: bool = False
    holes: tuple[Floats, ...] = ()

    @property
    def outline(self) -> Floats:
        """(N, 2), the vertices of the shape as a polygon."""
        if not self.ellipse:
            return self.vertices
        first, second, _, last = self.vertices
        angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)[:, None]
        half = (second - first) / 2, (last - first) / 2
        # an affine map makes of an ellipse in a parallelogram another one
        outline: Floats = np.cos(angle) * half[0] + np.sin(angle) * half[1]
        outline += self.vertices.mean(axis=0)
        return outline

    @property
    def rings(self) -> tuple[Floats, ...]:
        """The outline, and those of the holes."""
        return self.outline, *self.holes

    def holds_in(self, plane: tuple[int, ...]) -> bool:
        """Return whether the shape counts in a plane."""
        return all(one in (None, at) for one, at in zip(self.plane, plane, strict=False))


@dataclass(frozen=True, eq=False)
class Region:
    """Shapes in the pixels of an image: what lies in any of them lies in the region.

    Attributes
    ----------
    areas
        The shapes.
    name
        Of the layer that they were drawn in. Default: "".
    drawn_in_one_plane
        All of them were drawn in the same plane of a stack, and hold in all. Default: False.
    """

    areas: tuple[Area, ...]
    name: str = ""
    drawn_in_one_plane: bool = False

    @classmethod
    def of(cls, areas: Sequence[Area], name: str = "") -> Region:
        """Return the region of shapes, which hold in all planes if they are all of a single one.

        Who draws once on a stack means all of it, as in ImageJ.

        Parameters
        ----------
        areas
            One at least.
        name
            Of where they are from. Default: "".
        """
        single = len({area.plane for area in areas}) == 1 and areas[0].plane != ()
        if single:
            areas = [replace(area, plane=()) for area in areas]
        return cls(tuple(areas), name, single)

    def record(self) -> dict[str, Any]:
        """Return plain values, which :meth:`from_record` and ``region=`` take."""
        return {
            "name": self.name,
            "drawn_in_one_plane": self.drawn_in_one_plane,
            "shapes": [
                {
                    "type": "ellipse" if area.ellipse else "polygon",
                    "plane": list(area.plane),
                    "vertices": np.round(area.vertices, 3).tolist(),
                }
                | ({"holes": [np.round(h, 3).tolist() for h in area.holes]} if area.holes else {})
                for area in self.areas
            ],
        }

    @classmethod
    def from_record(cls, record: Any) -> Region:
        """Return the region that :meth:`record` describes.

        Raises
        ------
        InputError
            If it is no such record.
        """
        try:
            areas = tuple(
                Area(
                    np.asarray(one["vertices"], float).reshape(-1, 2),
                    tuple(None if at is None else int(at) for at in one["plane"]),
                    one["type"] == "ellipse",
                    tuple(np.asarray(ring, float).reshape(-1, 2) for ring in one.get("holes", ())),
                )
                for one in record["shapes"]
            )
            return cls(areas, str(record["name"]), bool(record["drawn_in_one_plane"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(_ARGUMENT) from error


def find_region(region: Any, source: Source, axes: str, across: str = "") -> Region:
    """Return a region in the pixels of an image.

    Parameters
    ----------
    region
        A napari Shapes layer (rectangles, polygons, ellipses), which counts where napari shows it:
        scale, translate, rotate, shear, affine and units of both layers do; polygons as arrays
        (N, 2), or (N, D) with the place in the axes that count planes, in px of the image; a
        :class:`Region` or its record; or what :func:`read_region` of
        :mod:`~napari_cytosynth.tasks.export.region_file` returns.
    source, axes
        The image, and the letters of its axes.
    across
        Letters of axes all along which every shape holds, wherever it was drawn. Default: none.

    Raises
    ------
    InputError
        If it is none of these, has no shapes, or shapes without an area.
    """
    if isinstance(region, Region):
        return region
    if isinstance(region, dict):
        return Region.from_record(region)
    if hasattr(region, "in_pixels_of"):
        found: Region = region.in_pixels_of(axes, source.shape, across)
        return found
    kind = getattr(region, "_type_string", None)
    if kind is None:
        return _from_arrays(region, axes, across)
    if kind != "shapes":
        raise InputError(
            f"The layer “{region.name}” holds {kind}, which have no area: choose a Shapes layer "
            "with rectangles, polygons or ellipses as the region."
        )
    return _from_layer(region, source, axes, across)


def _from_arrays(region: Any, axes: str, across: str) -> Region:
    many = isinstance(region, list | tuple) and len(region) > 0 and np.ndim(region[0]) == 2
    try:
        polygons = [np.asarray(one, float) for one in (region if many else [region])]
    except (TypeError, ValueError) as error:
        raise InputError(_ARGUMENT) from error
    letters = axes.replace("C", "")
    for one in polygons:
        fits = one.ndim == 2 and one.shape[1] in (2, len(letters)) and len(one) >= 3
        if not fits or not np.isfinite(one).all():
            raise InputError(_ARGUMENT)
    placed = [(one, letters[-one.shape[1] :], False) for one in polygons]
    return collected(placed, counted_axes(axes, across), "")


def _from_layer(layer: Any, source: Source, axes: str, across: str) -> Region:
    name = str(layer.name)
    if not len(layer.data):
        raise InputError(
            f"The Shapes layer “{name}” is empty: draw a rectangle, a polygon or an ellipse in it, "
            "or choose no region."
        )
    kinds = [str(kind) for kind in layer.shape_type]
    if any(kind in _FLAT for kind in kinds):
        raise InputError(
            f"The Shapes layer “{name}” has lines or paths, which have no area: delete them, or "
            "draw polygons instead."
        )
    matrix, letters = _to_pixels(layer, source, axes)
    placed = []
    for vertices, kind in zip(layer.data, kinds, strict=True):
        points = np.asarray(vertices, float)[:, -len(letters) :]
        pixels = points @ matrix[:-1, :-1].T + matrix[:-1, -1]
        placed.append((pixels, letters, kind == "ellipse"))
    return collected(placed, counted_axes(axes, across), name)


def _to_pixels(layer: Any, source: Source, axes: str) -> tuple[Floats, str]:
    """Return the matrix from a Shapes layer to px of an image, and the axes that they share."""
    geometry = source.geometry
    letters = axes[: len(geometry["scale"])] if geometry else axes.replace("C", "")
    count = min(layer.ndim, len(letters))  # napari lines axes up from the last one
    own = layer_geometry(geometry_of(layer), range(layer.ndim - count, layer.ndim))
    image = layer_geometry(geometry, range(len(letters) - count, len(letters)))
    to_world = world_matrix(own, image.get("units"))
    try:
        back = np.linalg.inv(world_matrix(image)) if image else np.eye(count + 1)
    except np.linalg.LinAlgError:
        raise InputError("The image has a scale of 0: correct it in its layer.") from None
    return back @ to_world, letters[-count:]


def counted_axes(axes: str, across: str) -> str:
    """Return the axes in whose planes shapes have a place."""
    return "".join(axis for axis in axes if axis not in "CYX" + across)


def collected(placed: list[tuple[Floats, str, bool]], leading: str, name: str) -> Region:
    """Return the region of shapes.

    Parameters
    ----------
    placed
        Of each shape: its vertices (N, D) in px of the image, the letters of their coordinates,
        and whether it is an ellipse.
    leading
        Axes in whose planes shapes have a place.
    name
        Of where they are from.
    """
    areas = []
    for pixels, letters, ellipse in placed:
        plane = tuple(_place(pixels, letters, axis, name) for axis in leading)
        yx = [letters.index("Y"), letters.index("X")]
        placed_there = any(at is not None for at in plane)
        areas.append(Area(pixels[:, yx], plane if placed_there else (), ellipse))
    return Region.of(areas, name)


def _place(pixels: Floats, letters: str, axis: str, name: str) -> int | None:
    """Return the plane of a shape along an axis; None if it has no place there."""
    if axis not in letters:
        return None
    along = pixels[:, letters.index(axis)]
    if np.ptp(along) > _TILT:
        raise InputError(
            f"A shape of “{name}” is tilted against the planes of the image (it spans several "
            f"along {axis}): draw it in one plane."
        )
    return round(float(along.mean()))
