"""The table of shape, size, position and intensity of labelled objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_cytosynth.arguments import (
    check_callable,
    check_choice,
    check_flag,
    shown,
    unsuitable,
)
from napari_cytosynth.errors import InputError
from napari_cytosynth.memory import require_memory
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.axes import guess_axes, parse_axes
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source
from napari_cytosynth.tasks.common.region import AT_BORDER, find_region

from .doubt import add_doubt, has_doubt
from .images import channel_images, labels_over, single_image
from .intensities import intensity_column
from .own_columns import keep_own_columns
from .readers import LabelReader, RegionalReader, marked_when_made, regional_reader
from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.axes import PlaneReader
    from napari_cytosynth.tasks.common.layers import Source

__all__ = ["check_ratios", "checked_axes", "measure", "with_index"]

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
    ratios: Sequence[tuple[str, str]] = (),
    neighbours: bool = False,
    parents: Any = None,
    children: Any = None,
    region: Any = None,
    at_border: Literal["keep", "drop", "mark"] = "keep",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure every object of a label image, in three dimensions where its axes hold Z.

    Parameters
    ----------
    labels
        Integer array or napari Labels layer: (Y, X), or a stack. Along Z, all voxels of a
        label are one object, of which there is one row; along other axes (T, …) there is a row
        for each plane that a label lies in, or each run along Z.
    intensity
        What to measure intensities in: an array or layer, perhaps with an axis of channels more
        than the labels have; a list of layers; or a dict of arrays or layers by the names that
        their channels get. Layers are measured where they lie (scale, translate, rotate): on
        another grid than that of the labels they are interpolated linearly, and objects that
        reach out of them have no intensities. Arrays have the shape of the labels. Default: None.
    pixel_size
        In µm: one number, those of Y and X, or those of Z, Y and X. None (default), or a missing
        Z, takes a layer's scale where its units are a length; what is unknown has no
        physical columns.
    axes
        Axes of `labels`, for example ``"TZYX"``; None (default) guesses (see `guess_axes`).
    probability
        Array or layer of the same shape for ``mean_probability``. Default: None.
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
    ratios
        Pairs of channels, for the ratio of their means. Default: none.
    neighbours
        Find the next object of each, and count those that touch it. Default: False.
    parents
        Other labels, for the number of the one that each object lies in. Default: None.
    children
        Other labels, of which those that lie in each object are counted; a dict of several by
        their names. Default: None.
    region
        Measure only what lies inside: a napari Shapes layer, or polygons in px of the labels (see
        :func:`~napari_cytosynth.tasks.segment.task.segment`). Its border cuts objects: the
        rest of their pixels counts nowhere. None (default) is the whole image.
    at_border
        What becomes of objects that touch the border of the region: ``"keep"`` (default) measures
        the part inside, ``"drop"`` leaves them out, ``"mark"`` measures the part inside and adds
        the column ``at_region_border``.
    progress
        Called several times a plane; may raise :class:`~napari_cytosynth.errors.Cancelled`. None
        (default): silent.

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

        ``mean_probability``, ``mean_uncertainty``; ``min_intensity``, ``max_intensity``,
        ``mean_intensity``, ``std_intensity``, ``median_intensity``, ``sum_intensity``; of
        several channels ``mean_DNA_intensity`` … and ``ratio_DNA_to_actin``.

        ``next_label``, ``next_distance_px``, ``next_distance_um`` (between centroids),
        ``touching``; ``parent``, ``children`` (see
        :mod:`~napari_cytosynth.tasks.measure.neighbours`).

        Columns of a layer's ``features`` that no measurement makes are kept. Centroids count from
        the centre of the first pixel. What a column means is told by
        :func:`~napari_cytosynth.tasks.measure.columns.describe_column`.

    Raises
    ------
    InputError
        If labels are not integers, below 0 or beyond 64 bits with a sign, shapes differ, a layer
        lies elsewhere, the pixel size is not positive or has a Z that the labels have not, or
        `doubt` is no such thing.
    """
    source = read_source(labels, "labels")
    axes = checked_axes(source, axes)
    check_callable(progress, "progress")
    z_size, size = known_voxel_size(source, axes, pixel_size)
    reader = LabelReader(source.data, axes)
    check_choice(at_border, "at_border", AT_BORDER)
    if region is not None:
        reader = regional_reader(reader, find_region(region, source, axes), at_border)
    rows = Rows(
        reader=reader,
        size=size,
        z_size=z_size,
        volumes="Z" in axes and not check_flag(by_plane, "by_plane"),
        progress=progress or silent,
        means={
            name: single_image(image, name, source, axes)
            for name, image in (("probability", probability), ("uncertainty", uncertainty))
            if image is not None
        },
        channels=channel_images(intensity, source, axes),
        neighbours=check_flag(neighbours, "neighbours"),
        parents=None if parents is None else labels_over(parents, "parents", source, axes),
        children={
            name: labels_over(image, "children", source, axes)
            for name, image in _by_name(children).items()
        },
    )
    ratios = check_ratios(ratios, [name for one in rows.channels for name in one.names])
    _require_memory(rows.reader)
    table = rows.table()
    for first, second in ratios:
        one, other = (table[intensity_column("mean", name)] for name in (first, second))
        table[f"ratio_{first}_to_{second}"] = one / other.where(other != 0)
    if doubt is not None or has_doubt(labels):
        add_doubt(table, source.data, axes, labels if doubt is None else doubt)
    places = [axis for axis in axes.lower() if axis not in "cyx"]
    if isinstance(reader, RegionalReader):
        table = reader.at_border(table, volumes=rows.volumes)
    made = marked_when_made(labels, reader)
    if made is not None:  # who measures them again measures parts, with a region or without
        cut = made.at_border(table, volumes=rows.volumes)["at_region_border"]
        table["at_region_border"] = cut | table.get("at_region_border", False)
    table = keep_own_columns(table, getattr(labels, "features", None), places)
    return with_index(table)


def checked_axes(source: Source, axes: str | None) -> str:
    """Return the axes of the labels, if these can be measured.

    Parameters
    ----------
    source
        The labels.
    axes
        One letter each; None guesses.

    Raises
    ------
    InputError
        If they hold no whole numbers, have channels, or the axes do not fit.
    """
    data = source.data
    if np.dtype(data.dtype).kind not in "iub":
        raise InputError("Only labels can be measured: whole numbers, 0 for the background.")
    if axes is None:
        axes = guess_axes(data.ndim, source.axis_labels, shape=data.shape)
    axes = parse_axes(axes, data.ndim)
    if "C" in axes and data.shape[axes.index("C")] != 1:
        raise InputError("Labels have no channels: name their axes without C.")
    return axes


def _by_name(children: Any) -> dict[str, Any]:
    if children is None:
        return {}
    return children if isinstance(children, dict) else {"": children}


def _require_memory(reader: PlaneReader) -> None:
    rows, columns = reader.plane_shape
    require_memory(
        rows * columns * BYTES_PER_PIXEL,
        f"Measuring a plane of {rows} × {columns} pixels",
        "Crop the labels, or measure parts of them.",
    )


def check_ratios(ratios: Any, channels: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of channels whose ratios are wanted, if there are such channels.

    Raises
    ------
    InputError
        If one of them is no pair, or of a channel that is not measured.
    """
    allowed = 'pairs of channels, such as [("DNA", "actin")]'
    if not isinstance(ratios, list | tuple):
        raise unsuitable("ratios", ratios, allowed)
    if len(ratios) == 2 and all(isinstance(name, str) for name in ratios):
        ratios = [ratios]
    found = []
    for pair in ratios:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise unsuitable("ratios", ratios, allowed)
        for name in pair:
            if name not in channels or not name:
                known = ", ".join(channel for channel in channels if channel) or "without names"
                raise InputError(
                    f"There is no channel “{shown(name)}” for a ratio: the measured channels are "
                    f"{known}. Give several images as a dict: intensity={{'DNA': …, 'actin': …}}."
                )
        found.append((str(pair[0]), str(pair[1])))
    return found


def with_index(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the column ``index``: the labels, but for those of several rows."""
    index = table["label"].to_numpy().copy()
    repeated = table["label"].duplicated(keep=False).to_numpy()
    index[repeated] = -np.arange(1, np.count_nonzero(repeated) + 1)
    table.insert(0, "index", index)
    return table
