"""The objects that pass, as a labels layer of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.common.snapshot import GEOMETRY, LayerSnapshot, finest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.look.table import Filter, ObjectTable

__all__ = ["Kept", "KeptRequest", "keep", "record_of", "write"]


@dataclass(frozen=True)
class KeptRequest:
    """What is to be written.

    Attributes
    ----------
    source
        The layer.
    table
        Its rows.
    filters
        What the rows must pass.
    """

    source: LayerSnapshot
    table: ObjectTable
    filters: Sequence[Filter]

    @classmethod
    def of(cls, layer: Any, table: ObjectTable, filters: Sequence[Filter]) -> KeptRequest:
        """Take a layer as it is now."""
        return cls(LayerSnapshot.of(layer), table, filters)


@dataclass(frozen=True)
class Kept:
    """Labels with some objects alone.

    Attributes
    ----------
    data
        Of the shape and dtype of the source.
    attributes
        Of the new layer.
    count
        Number of objects in `data`.
    """

    data: np.ndarray
    attributes: dict[str, Any]
    count: int


def keep(request: KeptRequest, progress: Progress) -> Kept:
    """Write the objects that pass, under their numbers, in the planes of their rows that pass."""
    source, table = request.source, request.table
    passing = table.passing(request.filters)
    labels = np.unique(table.labels[passing])
    data = _passing_pixels(request, passing, progress)
    rows = table.table[passing].reset_index(drop=True)
    if "index" not in rows and not table.repeated:
        rows["index"] = table.labels[passing]  # by which napari finds the row of an object
    record = record_of(request)
    attributes = {name: getattr(source, name) for name in GEOMETRY}
    attributes |= {"name": f"{source.name} kept", "features": rows}
    attributes["metadata"] = {KEY: record}
    return Kept(data, attributes, len(labels))


def record_of(request: KeptRequest) -> dict[str, Any]:
    """Return the provenance of the objects that pass, with that of the layer."""
    source = request.source
    filters = [one.record() for one in request.filters]
    record = {"task": "look", "source": {"layer": source.name}, "filters": filters}
    return record | ({"labels": own} if (own := source.metadata.get(KEY)) else {})


def write(request: KeptRequest, path: str | Path, progress: Progress) -> int:
    """Write the objects that pass to a file for another program; return how many.

    The user has been asked whether a file that is there may be replaced.
    """
    from napari_cytosynth.tasks.export.objects.exchange import check_target, write_objects

    check_target(path, overwrite=True)  # before pixels are read
    source, table = request.source, request.table
    passing = table.passing(request.filters)
    rows = table.table[passing].reset_index(drop=True).drop(columns="index", errors="ignore")
    rows = rows.assign(label=table.labels[passing])
    data = _passing_pixels(request, passing, progress)
    write_objects(
        path, replace(source, data=data, multiscale=False), rows, axes=_axes_of(source, rows),
        provenance=record_of(request), overwrite=True, progress=progress,
    )  # fmt: skip
    return len(np.unique(table.labels[passing]))


def _passing_pixels(request: KeptRequest, passing: np.ndarray, progress: Progress) -> np.ndarray:
    """Return the labels of rows that pass: of an object with several, in their planes alone."""
    from napari_cytosynth.tasks.look.pixels import keep_objects

    source, table = request.source, request.table
    data = finest(source)
    axes = "".join(str(name).lower() for name in source.axis_labels or ())
    places = table.places(axes, data.shape) if request.filters and table.repeated else None
    labels = table.labels[passing]
    return keep_objects(data, labels, progress, None if places is None else places[passing])


def _axes_of(source: LayerSnapshot, rows: Any) -> str | None:
    """Return the axes where the table knows better than the layer that planes are time points."""
    named = [str(name).upper() for name in source.axis_labels or ()]
    planes = "".join(axis for axis in "TZ" if axis.lower() in rows)
    known = set(named) & {"T", "Z"} or source.ndim != 2 + len(planes)
    return None if known or not planes else f"{planes}YX"
