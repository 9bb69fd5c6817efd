"""The background job of the Measure widget: values in, values out, no Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.region import Region
    from napari_cytosynth.tasks.link.tracks import Tracks
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

__all__ = ["MeasureRequest", "MeasureResult", "measure_layers"]


@dataclass(frozen=True, eq=False)
class MeasureRequest:
    """What is measured, in what, read from the widget when Measure was pressed."""

    labels: LayerSnapshot
    intensity: list[LayerSnapshot]
    axes: str | None
    size: tuple[float, ...] | None
    doubt: LayerSnapshot | None = None
    ratio: tuple[LayerSnapshot, LayerSnapshot] | None = None
    """Of two of the layers that are measured in."""
    neighbours: bool = False
    parents: LayerSnapshot | None = None
    link_time: bool = False
    max_distance: float | None = None
    region: Region | None = None
    """To which the measurement is limited."""
    at_border: Literal["keep", "drop", "mark"] = "keep"


@dataclass(eq=False)
class MeasureResult:
    """Table of the objects, that of the objects that they lie in, and their tracks."""

    table: pd.DataFrame
    parents: pd.DataFrame | None = None
    tracks: Tracks | None = None
    messages: list[str] = field(default_factory=list)


def measure_layers(request: MeasureRequest, progress: Progress) -> MeasureResult:
    """Measure the objects of a layer.

    Raises
    ------
    CytosynthError
        With the sentence that the user reads.
    """
    progress(0, 0, "Measuring")
    from napari_cytosynth.tasks.measure.images import layer_channel
    from napari_cytosynth.tasks.measure.table import measure

    if request.labels.multiscale:
        raise InputError("A multiscale labels layer cannot be measured. Convert it first.")
    ratio = request.ratio
    table = measure(
        request.labels,
        request.intensity or None,
        request.size,
        axes=request.axes,
        doubt=request.doubt,
        ratios=[] if ratio is None else [(layer_channel(ratio[0]), layer_channel(ratio[1]))],
        neighbours=request.neighbours,
        parents=request.parents,
        region=request.region,
        at_border=request.at_border,
        progress=progress,
    )
    result = MeasureResult(table, messages=_remarks(table))
    if request.parents is not None:
        result.parents = _with_children(request, table, progress)
    if request.link_time:
        result.tracks = _tracks(request, progress)
        result.table = result.tracks.join(table)
    return result


def _with_children(
    request: MeasureRequest, measured: pd.DataFrame, progress: Progress
) -> pd.DataFrame:
    """Return the table of the parents with the number of measured objects in each.

    Of parents that lie outside of a region nothing is known: they have no number.
    """
    from napari_cytosynth.tasks.measure.images import layer_channel
    from napari_cytosynth.tasks.measure.table import measure

    parents = request.parents
    assert parents is not None
    name = layer_channel(request.labels)
    axes = request.axes if parents.ndim == request.labels.ndim else None
    table = measure(parents, axes=axes, children={name: request.labels}, progress=progress)
    if request.region is not None:
        table[f"children_{name}"] = _counts_inside(request, table, measured)
    before, column = parents.features, f"children_{name}"
    keys = [key for key in ("label", "t", "z") if key in table]
    if before is None or not set(keys) <= set(before):
        return table
    # it was measured before: nothing but the number is new
    counts = before[keys].merge(table[[*keys, column]], on=keys, how="left")[column]
    found: pd.DataFrame = before.copy()
    found[column] = counts.to_numpy()
    return found


def _counts_inside(
    request: MeasureRequest, table: pd.DataFrame, measured: pd.DataFrame
) -> npt.NDArray[np.float64]:
    """Return how many of the measured objects lie in each parent; NaN outside of the region."""
    import pandas as pd

    from napari_cytosynth.tasks.common.layers import read_source
    from napari_cytosynth.tasks.measure.readers import labels_in_region
    from napari_cytosynth.tasks.measure.table import checked_axes

    assert request.region is not None
    source = read_source(request.labels, "labels")
    axes = checked_axes(source, request.axes)
    seen = labels_in_region(request.parents, source, axes, request.region)
    keys = [key for key in seen if key in table and key in measured]
    inside = pd.MultiIndex.from_frame(seen[keys].drop_duplicates())
    own = measured.drop(columns="label").rename(columns={"parent": "label"})
    counts = own.groupby(keys).size()
    rows = pd.MultiIndex.from_frame(table[keys])
    found = counts.reindex(rows if len(keys) > 1 else table["label"], fill_value=0).to_numpy()
    return np.where(rows.isin(inside), found, np.nan)


def _tracks(request: MeasureRequest, progress: Progress) -> Tracks:
    from napari_cytosynth.tasks.link import track

    return track(
        request.labels, request.max_distance, request.size, axes=request.axes, progress=progress
    )


def _remarks(table: pd.DataFrame) -> list[str]:
    """Return what the user ought to know of a table."""
    remarks = []
    if "volume_px" in table and "volume_um3" not in table:
        remarks.append(
            "The size along Z (or Y and X) is not known: volumes and surfaces are in voxels only."
        )
    if (table["index"] < 0).any():
        remarks.append(
            "Some numbers occur in several planes or time points and have a row in each: under "
            "the pointer napari shows none of these."
        )
    outside = [str(name) for name in table if str(name).endswith("intensity")]
    missing = int(table[outside].isna().all(axis=1).sum()) if outside else 0
    if missing:
        remarks.append(
            f"{missing} of the objects reach out of the images that were measured in and have no "
            "intensities there."
        )
    return remarks
