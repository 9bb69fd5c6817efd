"""The objects that pass, as a labels layer of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.snapshot import GEOMETRY, LayerSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.look.table import Filter, ObjectTable

__all__ = ["Kept", "KeptRequest", "keep"]


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
    """Write the objects that pass, under their numbers, with all their rows that pass."""
    from napari_cytosynth.tasks.look.pixels import keep_objects

    source, table = request.source, request.table
    passing = table.passing(request.filters)
    labels = np.unique(table.labels[passing])
    data = keep_objects(source.data[0] if source.multiscale else source.data, labels, progress)
    rows = table.table[passing].reset_index(drop=True)
    if "index" not in rows and not table.repeated:
        rows["index"] = table.labels[passing]  # by which napari finds the row of an object
    filters = [{"column": str(f.column), "between": [f.low, f.high]} for f in request.filters]
    record = {"task": "look", "source": {"layer": source.name}, "filters": filters}
    attributes = {name: getattr(source, name) for name in GEOMETRY}
    attributes |= {"name": f"{source.name} kept", "features": rows}
    attributes["metadata"] = {"napari-cytosynth": record}
    return Kept(data, attributes, len(labels))
