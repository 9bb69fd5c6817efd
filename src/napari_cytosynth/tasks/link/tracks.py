"""Tracks of objects through time: what was linked, as a table, a layer and files for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.layers import Source, layer_geometry

from .ctc import write_challenge

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = ["Tracks"]


@dataclass(frozen=True, eq=False, repr=False)
class Tracks:
    """Objects linked through time.

    Attributes
    ----------
    table
        One row for each object in each time point, by track and time: ``track``, ``track_parent``
        (the track that divided into this one; 0: none), ``t``, ``label``, and its centroid in
        px, ``z`` (where there is one), ``y``, ``x``.
    labels
        The labels that were linked.
    axes
        Letters of their axes.
    """

    table: pd.DataFrame
    labels: Source
    axes: str

    def __repr__(self) -> str:
        return f"<{self.count} tracks of {len(self.table)} objects, {len(self.graph)} by division>"

    @property
    def count(self) -> int:
        """Number of tracks."""
        return int(self.table["track"].nunique())

    @property
    def graph(self) -> dict[int, list[int]]:
        """The track that divided into each track that began so."""
        born = self.table[self.table["track_parent"] > 0].drop_duplicates("track")
        pairs = zip(born["track"].tolist(), born["track_parent"].tolist(), strict=True)
        return {track: [parent] for track, parent in pairs}

    @property
    def spatial_axes(self) -> str:
        """Letters of the axes of a track's positions, T first."""
        return "T" + "".join(axis for axis in self.axes if axis in "ZYX")

    def join(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table of measured objects with the columns ``track`` and ``track_parent``.

        Parameters
        ----------
        table
            With ``label`` and ``t``, as :func:`~napari_cytosynth.tasks.measure.table.measure`
            returns it of these labels.
        """
        new = ["track", "track_parent"]
        table = table.drop(columns=[name for name in new if name in table])
        found = table[["label", "t"]].merge(
            self.table[["label", "t", *new]], on=["label", "t"], how="left"
        )
        place = list(table).index("t") + 1
        for name in reversed(new):
            table.insert(place, name, found[name].fillna(0).astype(np.int64).to_numpy())
        return table

    def to_layer(self) -> LayerData:
        """Return layer data of a napari Tracks layer that lies where the labels lie."""
        columns = ["track", *self.spatial_axes.lower()]
        suffix = f" – {self.labels.name}" if self.labels.name else ""
        geometry: dict[str, Any] = {}
        if self.labels.geometry:
            keep = [self.axes.index(axis) for axis in self.spatial_axes]
            geometry = layer_geometry(self.labels.geometry, keep)
        attributes = {
            "name": f"tracks{suffix}",
            "graph": self.graph,
            "features": {"label": self.table["label"].to_numpy()},
            **geometry,
        }
        return self.table[columns].to_numpy(np.float64), attributes, "tracks"

    def add_to(self, viewer: Any) -> Any:
        """Add the tracks to a napari viewer and return the layer (in the main thread only)."""
        data, attributes, _ = self.to_layer()
        return viewer.add_tracks(data, **attributes)

    def save(self, path: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write the tracks as the Cell Tracking Challenge has them; return the files.

        Parameters
        ----------
        path
            A folder, made if needed: ``mask000.tif`` … hold the number of the track of each pixel,
            ``res_track.txt`` first and last time point and parent of each track. A track with a
            gap is two, the second of which has the first as its parent.
        overwrite
            Replace files of these names. Default: False.

        Raises
        ------
        OutputError
            If it cannot be written there, something would be replaced, or there are more than
            65,535 tracks.
        """
        return write_challenge(path, self.table, self.labels.data, self.axes, overwrite=overwrite)
