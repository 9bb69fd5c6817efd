"""napari layers read by duck typing: pixels, geometry and pixel size.

Nothing here imports napari: a layer is any object with ``data`` and ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import (
    LARGEST_PIXEL,
    SMALLEST_PIXEL,
    check_pixel_size,
    check_voxel_size,
)

from .arrays import as_array, check_layer_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = [
    "Source",
    "geometry_of",
    "known_voxel_size",
    "layer_geometry",
    "micrometres",
    "physical_pixel_size",
    "read_source",
    "resolve_pixel_size",
    "voxel_size",
    "world_matrix",
]


@dataclass(frozen=True, eq=False)
class Source:
    """An image with its name and its geometry.

    Attributes
    ----------
    data
        The array; the finest level of a multiscale layer.
    name
        Name of the layer, or None for a plain array.
    axis_labels
        Axis labels of the layer, without the colour axis of an RGB layer.
    rgb
        The last axis of `data` holds colours.
    geometry
        ``scale``, ``translate``, ``rotate``, ``shear``, ``affine``, ``units`` and
        ``axis_labels`` of the layer, for all axes but the colours; empty for an array.
    path
        File that the layer was read from, if known.
    """

    data: Any
    name: str | None = None
    axis_labels: tuple[str, ...] = ()
    rgb: bool = False
    geometry: dict[str, Any] = field(default_factory=dict)
    path: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return tuple(self.data.shape)

    @property
    def files(self) -> list[Path]:
        """Files that the pixels come from, as far as known: a result never replaces them."""
        store = getattr(self.data, "store", None)
        found = [self.path, getattr(self.data, "filename", None), getattr(store, "root", None)]
        return [Path(path) for path in found if isinstance(path, str | Path)]


def read_source(image: Any, name: str = "image") -> Source:
    """Read a layer or an array; neither is copied.

    Parameters
    ----------
    image
        A napari layer, or what :func:`~napari_cytosynth.tasks.common.arrays.as_array` takes;
        a :class:`Source` stays as it is.
    name
        Of the argument, for messages. Default: "image".

    Raises
    ------
    InputError
        If it is neither, or a layer without pixels.
    """
    if isinstance(image, Source):
        return image
    if _is_layer(image):
        check_layer_kind(image)
        return _read_layer(image)
    return Source(as_array(image, name))


def _is_layer(image: Any) -> bool:
    try:
        return all(hasattr(image, name) for name in ("data", "scale", "translate"))
    except Exception:  # dates have data that cannot be read
        return False


def _read_layer(layer: Any) -> Source:
    data = as_array(layer.data[0] if getattr(layer, "multiscale", False) else layer.data)
    labels = tuple(str(label) for label in getattr(layer, "axis_labels", ()))
    path = getattr(getattr(layer, "source", None), "path", None)
    return Source(
        data,
        str(layer.name),
        labels,
        bool(getattr(layer, "rgb", False)),
        geometry_of(layer),
        None if path is None else str(path),
    )


def geometry_of(layer: Any) -> dict[str, Any]:
    """Return where a napari layer of any kind lies, as in :class:`Source`."""
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    geometry = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    if "affine" in geometry:
        geometry["affine"] = _matrix(geometry["affine"])
    return geometry


def layer_geometry(
    geometry: dict[str, Any], keep: Sequence[int], index: dict[int, float] | None = None
) -> dict[str, Any]:
    """Return a source's geometry for a layer that has only some of its axes.

    Parameters
    ----------
    geometry
        As in :class:`Source`.
    keep
        Axes of the source that the new layer has, ascending (a channel axis is left out).
    index
        For kept axes of which the new layer holds a single plane: its position there. The
        layer is moved to that plane.

    Returns
    -------
    dict
        Keyword arguments of a napari layer; empty if `geometry` is.
    """
    if not geometry:
        return {}
    kept = list(keep)
    result: dict[str, Any] = {}
    scale = np.asarray(geometry["scale"], float)
    count = len(scale)
    shear = _shear_matrix(geometry.get("shear", ()), count)
    rotate = np.asarray(geometry.get("rotate", np.eye(count)), float)
    translate = np.asarray(geometry["translate"], float).copy()
    for axis, position in (index or {}).items():
        translate += (rotate @ shear @ np.diag(scale))[:, axis] * position
    result["scale"] = scale[kept]
    result["translate"] = translate[kept]
    result["rotate"] = rotate[np.ix_(kept, kept)]
    result["shear"] = shear[np.ix_(kept, kept)][np.triu_indices(len(kept), 1)]
    if "affine" in geometry:
        rows = [*kept, count]
        result["affine"] = np.asarray(geometry["affine"])[np.ix_(rows, rows)]
    for name in ("units", "axis_labels"):
        if name in geometry:
            result[name] = tuple(geometry[name][axis] for axis in kept)
    return result


def world_matrix(
    geometry: dict[str, Any], units: Sequence[Any] | None = None
) -> npt.NDArray[np.float64]:
    """Return the homogeneous matrix from pixels to world coordinates.

    Parameters
    ----------
    geometry
        As in :class:`Source`, not empty.
    units
        Those of the result, one for each axis. Default: None, the layer's own, as along an axis
        whose units are no lengths.
    """
    scale = np.asarray(geometry["scale"], float)
    count = len(scale)
    matrix = np.eye(count + 1)
    rotate = np.asarray(geometry.get("rotate", np.eye(count)), float)
    shear = _shear_matrix(geometry.get("shear", ()), count)
    matrix[:-1, :-1] = rotate @ shear @ np.diag(scale)
    matrix[:-1, -1] = np.asarray(geometry["translate"], float)
    affine = np.asarray(geometry.get("affine", np.eye(count + 1)), float)
    factors = np.ones(count + 1)
    if units is not None and "units" in geometry:
        for number, (own, wanted) in enumerate(zip(geometry["units"], units, strict=True)):
            lengths = micrometres(own), micrometres(wanted)
            if lengths[0] and lengths[1]:
                factors[number] = lengths[0] / lengths[1]
    found: npt.NDArray[np.float64] = np.diag(factors) @ affine @ matrix
    return found


def physical_pixel_size(geometry: dict[str, Any], axes: Sequence[int]) -> tuple[float, ...] | None:
    """Return the pixel size in µm along some axes, or None where it is not known.

    Parameters
    ----------
    geometry
        As in :class:`Source`.
    axes
        Axes of the source, for example those of Y and X.

    Returns
    -------
    tuple of float or None
        One size for each of `axes`.
    """
    if not geometry or "units" not in geometry:
        return None
    factors = [micrometres(geometry["units"][axis]) for axis in axes]
    scale = np.diag(np.asarray(geometry["scale"], float))
    linear = np.asarray(geometry.get("affine", np.eye(len(scale) + 1)), float)[:-1, :-1]
    # a pixel's edge after the affine: as long as that column of the matrix
    edges = np.linalg.norm(linear @ scale, axis=0)
    sizes = [None if factor is None else factor * edges[a] for factor, a in zip(factors, axes, strict=True)]  # fmt: skip  # noqa: E501
    if any(size is None or not SMALLEST_PIXEL <= size <= LARGEST_PIXEL for size in sizes):
        return None
    return tuple(float(size) for size in sizes if size is not None)


def micrometres(unit: Any) -> float | None:
    """Return the length of a unit in µm, or None if it is not a length.

    Parameters
    ----------
    unit
        A pint unit or its name.
    """
    import pint

    try:
        if isinstance(unit, str):
            unit = pint.get_application_registry().Unit(unit)  # type: ignore[no-untyped-call]
        return float((1 * unit).to("micrometer").magnitude)
    except (pint.PintError, AttributeError, TypeError, ValueError):
        return None


def _matrix(affine: Any) -> npt.NDArray[np.float64]:
    return np.asarray(getattr(affine, "affine_matrix", affine), float)


def _shear_matrix(shear: Any, count: int) -> npt.NDArray[np.float64]:
    values = np.asarray(shear, float)
    if values.shape == (count, count):
        return values
    matrix = np.eye(count)
    if values.size:
        matrix[np.triu_indices(count, 1)] = values
    return matrix


def resolve_pixel_size(
    pixel_size: float | Sequence[float] | None,
) -> tuple[float, float] | None:
    """Return the pixel size along Y and X in µm, validated.

    Parameters
    ----------
    pixel_size
        One number or those of Y and X, in µm; None if unknown.

    Raises
    ------
    InputError
        If it is not one or two positive numbers.
    """
    return check_pixel_size(pixel_size)


def known_voxel_size(
    source: Source, axes: str, pixel_size: float | Sequence[float] | None
) -> tuple[float | None, tuple[float, ...] | None]:
    """Return the distance of planes along Z, and the pixel size along Y and X, in µm.

    Parameters
    ----------
    source
        The image; what is not given comes from its geometry.
    axes
        Letters of its axes.
    pixel_size
        One number or those of Y and X, or of Z, Y and X; None if not given.

    Returns
    -------
    z_size
        None if unknown, or if there is no axis Z.
    pixel_size
        None if unknown.

    Raises
    ------
    InputError
        If it is not one to three positive numbers, or has a Z that the image has not.
    """
    given = check_voxel_size(pixel_size)
    if given is not None and given[0] is not None and "Z" not in axes:
        check_pixel_size(pixel_size)  # says that there is no Z
    own = physical_pixel_size(source.geometry, [axes.index("Y"), axes.index("X")])
    z_size = None if given is None else given[0]
    if z_size is None and "Z" in axes:
        found = physical_pixel_size(source.geometry, [axes.index("Z")])
        z_size = None if found is None else found[0]
    return z_size, own if given is None else given[1:]


def voxel_size(
    pixel_size: Sequence[float] | None, z_size: float | None
) -> tuple[float, ...] | None:
    """Return the sizes along Z, Y and X; without Z, or None, where these are not known."""
    if pixel_size is None:
        return None
    return tuple(pixel_size) if z_size is None else (z_size, *pixel_size)
