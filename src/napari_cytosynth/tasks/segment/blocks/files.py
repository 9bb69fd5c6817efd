"""The OME-Zarr that a plane is segmented into, and the files of the run that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.export.ome_zarr.groups import (
    create_labels_group,
    describe_image,
    describe_labels,
    embed_in_zarr,
)
from napari_cytosynth.tasks.export.ome_zarr.pyramid import CHUNK, create_levels, fill_levels
from napari_cytosynth.tasks.export.records import PixelDigest

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.export.saving import Saving

__all__ = ["PlaneFiles", "scratch_array"]

MOST_ROWS = 20_000
"""Objects whose table is kept in the metadata of the labels, too: these are read as a whole."""
_READ = CHUNK // 4  # rows: whole chunks of a wide plane would take more memory than all else
_ROWS = 128  # hashed at a time


def scratch_array(folder: Path, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return a new array in a file that is not kept, and not compressed."""
    import zarr

    chunks = (1,) * (len(shape) - 2) + tuple(min(CHUNK, size) for size in shape[-2:])
    place = folder / f"{name}.zarr"
    return zarr.create_array(place, shape=shape, chunks=chunks, dtype=dtype, compressors=None)


@dataclass(eq=False)
class PlaneFiles:
    """Probability and labels of one plane in a new OME-Zarr.

    Attributes
    ----------
    files
        Where it is written.
    objects
        Name of the objects.
    shape
        Of the plane, (Y, X).
    """

    files: Saving
    objects: str
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        import zarr

        self._name = self.files.destination.images[""]
        self._root = zarr.open_group(self.files.place(self._name), mode="w", zarr_format=3)
        self._labels_name, self._labels_group = create_labels_group(self._root, self.objects)
        self._levels = {
            "": create_levels(self._root, self.shape, "YX", np.float32),
            f"{self._labels_name}/": create_levels(self._labels_group, self.shape, "YX", np.int32),
        }

    @property
    def probability(self) -> Any:
        """Array float32 (Y, X)."""
        return self._levels[""][0]

    @property
    def labels(self) -> Any:
        """Array int32 (Y, X)."""
        return self._levels[f"{self._labels_name}/"][0]

    def finish(
        self, table: pd.DataFrame, pixel_size: tuple[float, ...] | None, progress: Progress
    ) -> None:
        """Make the pyramids and write metadata, table and digests."""
        for number, (name, levels) in enumerate(self._levels.items()):

            def tick(done: int, total: int, message: str, /, number: int = number) -> None:
                progress(number * total + done, 2 * total, message)

            fill_levels(levels, "YX", labels=bool(name), progress=tick)
        count = len(self._levels[""])
        describe_image(self._root, "YX", pixel_size, "probability", count)
        name = self._labels_name.rpartition("/")[2]
        describe_image(self._labels_group, "YX", pixel_size, name, count, labels=True)
        describe_labels(self._labels_group, table if len(table) <= MOST_ROWS else None)
        pixels = {
            f"{name}{number}": _digest(level)
            for name, levels in self._levels.items()
            for number, level in enumerate(levels)
        }
        embed_in_zarr(self._root, self.files.provenance, pixels)
        self.files.pixels[self._name] = pixels
        rows = self.files.place(self.files.destination.others[0])
        table.drop(columns="index").to_csv(rows, index=False)


def _digest(array: Any) -> str:
    """Return the digest of the pixels of an array (Y, X), a few rows at a time."""
    digest = PixelDigest(array.shape)
    for top in range(0, array.shape[0], _READ):
        part = np.asarray(array[top : top + _READ])
        for row in range(0, len(part), _ROWS):
            digest.add(part[row : row + _ROWS])
    return digest.text
