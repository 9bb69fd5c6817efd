"""The table of shape, size, position and intensity of labelled objects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.arguments import check_flag
from napari_cytosynth.errors import InputError
from napari_cytosynth.memory import require_memory
from napari_cytosynth.tasks.common.axes import PlaneReader, guess_axes, parse_axes, runs_along_z
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source

from .doubt import add_doubt, has_doubt
from .regions import Regions
from .stacks import measure_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

__all__ = ["measure", "with_index"]

BYTES_PER_PIXEL = 64  # labels, outline and coordinates, where all of a plane is objects


def measure(
    labels: Any,
    intensity: Any = None,
    pixel_size: float | Sequence[float] | None = None,
    *,
    axes: str | None = None,
    probability: Any = None,
    uncertainty: Any = None,
    doubt: Any = None,
    by_plane: bool = False,
) -> pd.DataFrame:
    """Measure every object of a label image, in three dimensions where its axes hold Z.

    Parameters
    ----------
    labels
        Integer array or napari Labels layer: (Y, X), or a stack. Along Z, all voxels of a
        label are one object, of which there is one row; along other axes (T, …) there is a row
        for each plane that a label lies in, or each run along Z.
    intensity
        Array or layer of the same shape to measure intensities in. Default: None.
    pixel_size
        In µm: one number, those of Y and X, or those of Z, Y and X. None (default), or a missing
        Z, takes a layer's scale where its units are a length; what is unknown has no
        physical columns.
    axes
        Axes of `labels`, for example ``"TZYX"``; None (default) guesses (see `guess_axes`).
    probability
        Array of the same shape for ``mean_probability``. Default: None.
    uncertainty
        Array or layer of the same shape for ``mean_uncertainty``: that of a virtual stain
        in which the objects were found. Default: None.
    doubt
        Objects of a virtual stain of the same image, as
        :meth:`~napari_cytosynth.tasks.stain.result.Staining.objects` returns them, or their
        Labels layer, for the column ``doubt``: that of the one whose IoU with the measured
        object is at least 0.5. None (default): that of `labels`, if they are such a layer.
    by_plane
        Measure areas in each plane along Z, too, in place of volumes. Default: False.

    Returns
    -------
    DataFrame
        One row for each object. ``label``: its id. ``index``: the same, by which napari finds
        the row of the object under the pointer; no two rows share one: where a label has
        several rows, they are -1, -2, …, and napari shows none rather than another's. ``t``,
        ``z`` …: its plane, in stacks.

        In planes: ``area_px``, ``centroid_y_px``, ``centroid_x_px``,
        ``equivalent_diameter_px``, ``axis_major_px``, ``axis_minor_px`` (of the ellipse with
        the same second moments), ``perimeter_px``, and the same as ``…_um2`` and ``…_um``.
        ``eccentricity`` in [0, 1); ``orientation_deg``: from the row axis (Y) to the major
        axis, counter-clockwise, in (-90, 90]; ``solidity``: area over that of the convex
        hull of the pixels.

        Along Z: ``volume_px`` (voxels), ``centroid_z_px`` …, ``extent_z_px`` … (planes, rows
        and columns from the first to the last), ``equivalent_diameter_px`` (of a sphere as
        large), ``surface_px`` (Crofton's formula, see
        :func:`~napari_cytosynth.tasks.measure.volumes.cell_areas`), all as if voxels were
        cubes, and the same as ``volume_um3``, ``surface_um2`` and ``…_um``; without a size
        along Z only what lies along Y and X is in µm.

        ``doubt`` in [0, 1]: the probability that an object of a virtual stain is wrong; NaN
        where it is not known, and without a column where nothing is known of any. Of an object
        along Z, the mean over its planes.

        ``mean_probability``, ``mean_uncertainty``; ``mean_intensity``, ``max_intensity``,
        ``sum_intensity``. Centroids count from the centre of the first pixel.

    Raises
    ------
    InputError
        If labels are not integers or beyond 64 bits with a sign, shapes differ, the pixel size
        is not positive or has a Z that the labels have not, or `doubt` is no such thing.
    """
    source = read_source(labels, "labels")
    data = source.data
    if np.dtype(data.dtype).kind not in "iub":
        raise InputError("Only labels can be measured: whole numbers, 0 for the background.")
    if axes is None:
        axes = guess_axes(data.ndim, source.axis_labels, shape=data.shape)
    axes = parse_axes(axes, data.ndim)
    volumes = "Z" in axes and not check_flag(by_plane, "by_plane")
    z_size, size = known_voxel_size(source, axes, pixel_size)
    readers = {
        name: _matching_reader(other, data.shape, axes, name)
        for name, other in (
            ("intensity", intensity),
            ("probability", probability),
            ("uncertainty", uncertainty),
        )
        if other is not None
    }
    reader = _LabelReader(data, axes)
    if "C" in axes and data.shape[axes.index("C")] != 1:
        raise InputError("Labels have no channels: name their axes without C.")
    rows, columns = reader.plane_shape
    require_memory(
        rows * columns * BYTES_PER_PIXEL,
        f"Measuring a plane of {rows} × {columns} pixels",
        "Crop the labels, or measure parts of them.",
    )
    if volumes:
        tables = _volume_tables(reader, readers, size, z_size)
    else:
        # of a stack without planes there is nothing but the columns
        planes = reader.indices() if math.prod(reader.leading_shape) else [None]
        tables = [_measured(reader, readers, index, size) for index in planes]
    table = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    if doubt is not None or has_doubt(labels):
        add_doubt(table, data, axes, labels if doubt is None else doubt)
    return with_index(table)


class _LabelReader(PlaneReader):
    """Reader of planes of labels, which refuses those that no table can hold."""

    def read(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return one plane as (1, Y, X)."""
        plane = super().read(index)
        if plane.dtype == np.uint64 and plane.max(initial=0) > np.iinfo(np.int64).max:
            raise InputError(
                "Some labels are larger than 9,223,372,036,854,775,807, more than a table can "
                "hold. Number them anew, for example with "
                "skimage.segmentation.relabel_sequential."
            )
        return plane


def with_index(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the column ``index``: the labels, but for those of several rows."""
    index = table["label"].to_numpy().copy()
    repeated = table["label"].duplicated(keep=False).to_numpy()
    index[repeated] = -np.arange(1, np.count_nonzero(repeated) + 1)
    table.insert(0, "index", index)
    return table


def _volume_tables(
    reader: PlaneReader,
    others: dict[str, PlaneReader],
    size: tuple[float, ...] | None,
    z_size: float | None,
) -> list[pd.DataFrame]:
    """Return the table of each run along Z; of none, that of an empty one."""
    axes = reader.leading_axes.replace("Z", "").lower()
    runs = runs_along_z(reader.leading_axes, reader.leading_shape) or {(0,) * len(axes): []}
    return [
        _table(measure_run(reader, others, planes, size, z_size), dict(zip(axes, run, strict=True)))
        for run, planes in runs.items()
    ]


def _measured(
    reader: PlaneReader,
    others: dict[str, PlaneReader],
    index: tuple[int, ...] | None,
    size: tuple[float, ...] | None,
) -> pd.DataFrame:
    """Return the table of one plane; for None that of an empty one."""
    if index is None:
        index = (0,) * len(reader.leading_axes)
        nothing = np.zeros((0, 0), int)
        found = _measure_plane(nothing, dict.fromkeys(others, nothing), size)
    else:
        pixels = {name: other.read(index)[0] for name, other in others.items()}
        found = _measure_plane(reader.read(index)[0], pixels, size)
    return _table(found, dict(zip(reader.leading_axes.lower(), index, strict=True)))


def _matching_reader(other: Any, shape: tuple[int, ...], axes: str, name: str) -> PlaneReader:
    data = read_source(other, name).data
    if np.dtype(data.dtype).kind not in "buif":
        raise InputError(
            f"The {name} image holds {data.dtype} values; real numbers can be measured."
        )
    if tuple(data.shape) != tuple(shape):
        raise InputError(
            f"The {name} image has the shape {tuple(data.shape)}, but the labels have "
            f"{tuple(shape)}: choose an image of the same size."
        )
    return PlaneReader(data, axes)


def _table(columns: dict[str, npt.NDArray[Any]], place: dict[str, int]) -> pd.DataFrame:
    ids = columns.pop("label")
    head = {"label": ids}
    head |= {axis: np.full(len(ids), position) for axis, position in place.items()}
    return pd.DataFrame(head | columns)


def _measure_plane(
    labels: npt.NDArray[np.integer],
    pixels: dict[str, npt.NDArray[Any]],
    pixel_size: tuple[float, ...] | None,
) -> dict[str, npt.NDArray[Any]]:
    regions = Regions(labels)
    columns: dict[str, npt.NDArray[Any]] = {"label": regions.ids, "area_px": regions.area}
    columns |= _lengths(regions, (1.0, 1.0), "px")
    if pixel_size is not None:
        columns["area_um2"] = regions.area * pixel_size[0] * pixel_size[1]
        columns |= _lengths(regions, (pixel_size[0], pixel_size[1]), "um")
    major, minor, angle = regions.ellipse(pixel_size or (1.0, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(major > 0, minor / major, 1.0)
    columns["eccentricity"] = np.sqrt(1 - ratio**2)
    columns["orientation_deg"] = np.rad2deg(angle)
    columns["solidity"] = np.minimum(regions.area / regions.convex_area(), 1)
    for name in ("probability", "uncertainty"):
        if name in pixels:
            columns[f"mean_{name}"] = regions.mean(pixels[name])
    if "intensity" in pixels:
        columns |= _intensities(regions, pixels["intensity"])
    return columns


def _lengths(
    regions: Regions, size: tuple[float, float], unit: str
) -> dict[str, npt.NDArray[np.float64]]:
    major, minor, _ = regions.ellipse(size)
    return {
        f"centroid_y_{unit}": regions.centroid[0] * size[0],
        f"centroid_x_{unit}": regions.centroid[1] * size[1],
        f"equivalent_diameter_{unit}": np.sqrt(4 / np.pi * regions.area * size[0] * size[1]),
        f"axis_major_{unit}": major,
        f"axis_minor_{unit}": minor,
        f"perimeter_{unit}": regions.perimeter(size),
    }


def _intensities(regions: Regions, image: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    reduce: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[np.float64]]] = {
        "mean": regions.mean,
        "max": regions.max,
        "sum": regions.sum,
    }
    return {f"{name}_intensity": function(image) for name, function in reduce.items()}
