"""Tracks in the format of the Cell Tracking Challenge, which other trackers read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import OutputError
from napari_cytosynth.files import explained_errors, user_path
from napari_cytosynth.tasks.common.axes import PlaneReader

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["write_challenge"]

_MOST = 65_535  # numbers of 16 bits, as the format asks for


def write_challenge(
    path: str | Path, table: pd.DataFrame, labels: Any, axes: str, *, overwrite: bool = False
) -> list[Path]:
    """Write masks and ``res_track.txt``; see :meth:`~.tracks.Tracks.save`."""
    import tifffile

    folder = user_path(path)
    pieces = _pieces(table)
    if pieces["piece"].max() > _MOST:
        raise OutputError(
            f"The format has numbers up to {_MOST:,} only, and there are {pieces['piece'].max():,} "
            "tracks: save parts of the image."
        )
    frames = int(labels.shape[axes.index("T")])
    digits = max(3, len(str(frames - 1)))
    masks = [folder / f"mask{t:0{digits}}.tif" for t in range(frames)]
    files = [*masks, folder / "res_track.txt"]
    there = [file.name for file in files if file.exists()]
    if there and not overwrite:
        raise OutputError(
            f"“{folder}” holds {there[0]} already: choose another folder, or overwrite it "
            "(overwrite=True)."
        )
    with explained_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for t, file in enumerate(masks):
            own = pieces[pieces["t"] == t]
            frame = _frame(labels, axes, t)
            tifffile.imwrite(
                file, _renumbered(frame, own), compression="zlib", photometric="minisblack"
            )
        files[-1].write_text(_lines(pieces), "utf-8")
    return files


def _pieces(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with tracks cut at their gaps: ``piece``, and ``piece_parent``."""
    found = table.sort_values(["track", "t"]).reset_index(drop=True)
    begins = (found["track"].diff() != 0) | (found["t"].diff() != 1)
    found["piece"] = begins.cumsum()
    last = found.groupby("track")["piece"].max()
    same_track = found["track"].eq(found["track"].shift())
    parents = found["track_parent"].map(last).fillna(0)
    found["piece_parent"] = parents.where(~same_track, found["piece"] - 1).astype(np.int64)
    return found


def _lines(pieces: pd.DataFrame) -> str:
    """Return number, first and last time point and parent of each track, a line each."""
    found = pieces.groupby("piece").agg(
        first=("t", "min"), last=("t", "max"), parent=("piece_parent", "first")
    )
    return "".join(
        f"{row.Index} {row.first} {row.last} {row.parent}\n" for row in found.itertuples()
    )


def _frame(labels: Any, axes: str, t: int) -> np.ndarray:
    """Return the labels of a time point, (Y, X) or (Z, Y, X)."""
    reader = PlaneReader(labels, axes)
    planes = [index for index in reader.indices() if index[reader.leading_axes.index("T")] == t]
    frame = np.stack([reader.read(index)[0] for index in planes])
    return frame if "Z" in axes else frame[0]


def _renumbered(frame: np.ndarray, own: pd.DataFrame) -> np.ndarray:
    order = own.sort_values("label")
    known = order["label"].to_numpy()
    if not len(known):
        return np.zeros(frame.shape, np.uint16)
    place = np.minimum(np.searchsorted(known, frame), len(known) - 1)
    return np.where(known[place] == frame, order["piece"].to_numpy()[place], 0).astype(np.uint16)
