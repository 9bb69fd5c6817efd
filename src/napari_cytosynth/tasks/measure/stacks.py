"""Columns of the table for objects of a stack: volume, surface, position, extents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .intensities import StackIntensities, intensity_column
from .volumes import Volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from napari_cytosynth.tasks.common.axes import Plane, PlaneReader

    from .images import MeasuredImage

    Columns = dict[str, npt.NDArray[Any]]
    Whole = npt.NDArray[np.int64]

__all__ = ["measure_run"]

Size = tuple[float, float, float]


def measure_run(
    reader: PlaneReader,
    means: dict[str, MeasuredImage],
    channels: list[MeasuredImage],
    planes: list[Plane],
    pixel_size: tuple[float, ...] | None,
    z_size: float | None,
    tick: Callable[[], None],
) -> Columns:
    """Measure the objects of a run of planes; each plane is read twice and none is kept.

    Parameters
    ----------
    reader
        The labels.
    means
        Images of which means are wanted, by their name.
    channels
        Images of which all channels are measured.
    planes
        Index of each plane of the run.
    pixel_size, z_size
        Along Y and X, and along Z, in µm; None if unknown.
    tick
        Called after each plane.

    Returns
    -------
    dict
        Columns with one value for each object.
    """
    ids, last = _ids(_signed(reader.read(plane)[0]) for plane in planes)
    sizes: list[Size] = [(1.0, 1.0, 1.0)]
    if z_size is not None and pixel_size is not None:
        sizes.append((z_size, pixel_size[0], pixel_size[1]))
    voxels = Volumes(ids, tuple(means), tuple(sizes))
    intensities = {name: StackIntensities(last) for image in channels for name in image.names}
    for z, plane in enumerate(planes):
        found = {name: image.read(plane)[0] for name, image in means.items()}
        region, (rows, columns) = voxels.add(_signed(reader.read(plane)[0]), found)
        for image in channels:
            for name, values in zip(image.names, image.read(plane), strict=True):
                intensities[name].add(z, region, values[rows, columns])
        tick()
    voxels.close()
    return _columns(voxels, sizes, pixel_size) | _intensities(voxels, intensities)


def _columns(voxels: Volumes, sizes: list[Size], pixel_size: tuple[float, ...] | None) -> Columns:
    columns: Columns = {"label": voxels.ids, "volume_px": voxels.volume}
    columns |= _lengths(voxels, (1.0, 1.0, 1.0), "px") | _solid(voxels, 0, sizes[0], "px")
    if len(sizes) > 1:
        columns["volume_um3"] = voxels.volume * np.prod(sizes[1])
        columns |= _lengths(voxels, sizes[1], "um") | _solid(voxels, 1, sizes[1], "um")
    elif pixel_size is not None:
        columns |= _lengths(voxels, (None, pixel_size[0], pixel_size[1]), "um")
    return columns


def _lengths(voxels: Volumes, size: tuple[float | None, float, float], unit: str) -> Columns:
    """Return centroids and extents along each axis whose size is known."""
    steps = [(axis, name, step) for axis, (name, step) in enumerate(zip("zyx", size, strict=True))]
    columns: Columns = {}
    for kind, values in (("centroid", voxels.centroid), ("extent", voxels.extent)):
        for axis, name, step in steps:
            if step is not None:
                columns[f"{kind}_{name}_{unit}"] = values[axis] * step
    return columns


def _solid(voxels: Volumes, number: int, size: Size, unit: str) -> Columns:
    """Return what needs the size along all axes: surface, and diameter of a sphere as large."""
    volume = voxels.volume * np.prod(size)
    return {
        f"equivalent_diameter_{unit}": np.cbrt(6 / np.pi * volume),
        "surface_px" if unit == "px" else "surface_um2": voxels.surfaces[number],
    }


def _intensities(voxels: Volumes, channels: dict[str, StackIntensities]) -> Columns:
    columns = {f"mean_{name}": total / voxels.volume for name, total in voxels.totals.items()}
    for channel, found in channels.items():
        for statistic, values in found.statistics().items():
            columns[intensity_column(statistic, channel)] = values
    return columns


def _signed(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Return labels of a type in which the ids of all other types are whole numbers."""
    large = labels.dtype.kind == "b" or labels.dtype == np.uint64
    return labels.astype(np.int64) if large else labels


def _ids(planes: Iterable[npt.NDArray[np.integer]]) -> tuple[Whole, Whole]:
    """Return all labels above 0, ascending, and the number of the last plane that each is in."""
    found = [np.zeros(0, np.int64)]
    where = [np.zeros(0, np.int64)]
    for z, plane in enumerate(planes):
        flat = plane.ravel()
        if flat.size:
            starts = np.concatenate([[True], flat[1:] != flat[:-1]])
            here = np.unique(flat[starts]).astype(np.int64)
            found.append(here[here > 0])
            where.append(np.full(len(found[-1]), z))
    ids, place = np.unique(np.concatenate(found), return_inverse=True)
    last = np.zeros(len(ids), np.int64)
    np.maximum.at(last, place, np.concatenate(where))
    return ids, last
