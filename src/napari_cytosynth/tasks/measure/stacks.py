"""Columns of the table for objects of a stack: volume, surface, position, extents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .volumes import Volumes

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_cytosynth.tasks.common.axes import Plane, PlaneReader

    Columns = dict[str, npt.NDArray[Any]]

__all__ = ["measure_run"]

Size = tuple[float, float, float]


def measure_run(
    reader: PlaneReader,
    others: dict[str, PlaneReader],
    planes: list[Plane],
    pixel_size: tuple[float, ...] | None,
    z_size: float | None,
) -> Columns:
    """Measure the objects of a run of planes; each plane is read twice and none is kept.

    Parameters
    ----------
    reader, others
        The labels, and the images to measure in by their name.
    planes
        Index of each plane of the run.
    pixel_size, z_size
        Along Y and X, and along Z, in µm; None if unknown.

    Returns
    -------
    dict
        Columns with one value for each object.
    """
    ids = _ids(_signed(reader.read(plane)[0]) for plane in planes)
    sizes: list[Size] = [(1.0, 1.0, 1.0)]
    if z_size is not None and pixel_size is not None:
        sizes.append((z_size, pixel_size[0], pixel_size[1]))
    voxels = Volumes(ids, tuple(others), tuple(sizes))
    for plane in planes:
        images = {name: other.read(plane)[0] for name, other in others.items()}
        voxels.add(_signed(reader.read(plane)[0]), images)
    voxels.close()
    columns: Columns = {"label": ids, "volume_px": voxels.volume}
    columns |= _lengths(voxels, (1.0, 1.0, 1.0), "px") | _solid(voxels, 0, sizes[0], "px")
    if len(sizes) > 1:
        columns["volume_um3"] = voxels.volume * np.prod(sizes[1])
        columns |= _lengths(voxels, sizes[1], "um") | _solid(voxels, 1, sizes[1], "um")
    elif pixel_size is not None:
        columns |= _lengths(voxels, (None, pixel_size[0], pixel_size[1]), "um")
    return columns | _intensities(voxels)


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


def _intensities(voxels: Volumes) -> Columns:
    columns = {
        f"mean_{name}": voxels.totals[name] / voxels.volume
        for name in ("probability", "uncertainty", "intensity")
        if name in voxels.totals
    }
    if "intensity" in voxels.totals:
        nothing = np.zeros(0)  # of a run without planes
        columns["max_intensity"] = voxels.largest.get("intensity", nothing)
        columns["sum_intensity"] = voxels.totals["intensity"]
    return columns


def _signed(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Return labels of a type in which the ids of all other types are whole numbers."""
    large = labels.dtype.kind == "b" or labels.dtype == np.uint64
    return labels.astype(np.int64) if large else labels


def _ids(planes: Iterable[npt.NDArray[np.integer]]) -> npt.NDArray[np.int64]:
    """Return all labels above 0, ascending."""
    found = [np.zeros(0, np.int64)]
    for plane in planes:
        flat = plane.ravel()
        if flat.size:
            starts = np.concatenate([[True], flat[1:] != flat[:-1]])
            found.append(np.unique(flat[starts]).astype(np.int64))
    ids = np.unique(np.concatenate(found))
    return ids[ids > 0]
