"""Rows of the table: the objects of one plane, or of one run of planes along Z, after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.axes import PlaneReader, runs_along_z

from .intensities import intensity_column
from .neighbours import Contacts, next_objects, related
from .readers import RegionalReader
from .regions import Regions
from .stacks import measure_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.axes import Plane

    from .images import MeasuredImage

    Columns = dict[str, npt.NDArray[Any]]

__all__ = ["Rows"]

_STEPS = 4  # in which a plane is measured


@dataclass(eq=False)
class Rows:
    """What is measured, and in what.

    Attributes
    ----------
    reader
        The labels.
    size, z_size
        Along Y and X, and along Z, in µm; None if unknown.
    volumes
        Whether objects go through the planes along Z.
    progress
        Called several times a plane.
    means
        Images of which means are wanted, by their name. Default: none.
    channels
        Images of which all channels are measured. Default: none.
    neighbours
        Whether the next objects and those that touch are wanted. Default: False.
    parents
        Labels that the objects may lie in. Default: None.
    children
        Labels of which those that lie in each object are counted, by their name. Default: none.
    """

    reader: PlaneReader
    size: tuple[float, ...] | None
    z_size: float | None
    volumes: bool
    progress: Progress
    means: dict[str, MeasuredImage] = field(default_factory=dict)
    channels: list[MeasuredImage] = field(default_factory=list)
    neighbours: bool = False
    parents: MeasuredImage | None = None
    children: dict[str, MeasuredImage] = field(default_factory=dict)
    _done: int = 0

    def table(self) -> pd.DataFrame:
        """Return the rows of all planes; without any plane, the columns alone."""
        axes, shape = self.reader.leading_axes, self.reader.leading_shape
        if self.volumes:
            letters = axes.replace("Z", "").lower()
            runs = runs_along_z(axes, shape) or {(0,) * len(letters): []}
            tables = [self._run(run, letters, planes) for run, planes in runs.items()]
        else:
            planes = list(self.reader.indices()) if math.prod(shape) else [None]
            tables = [self._plane(plane) for plane in planes]
        self.progress(1, 1, "Measured")
        return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]

    def _tick(self, steps: int = 1) -> None:
        self._done += steps
        total = max(math.prod(self.reader.leading_shape), 1) * _STEPS
        self.progress(min(self._done, total), total + 1, "Measuring")

    # -- planes -------------------------------------------------------------------------------

    def _plane(self, index: Plane | None) -> pd.DataFrame:
        nothing = np.zeros((0, 0), np.int64)
        labels = nothing if index is None else self.reader.read(index)[0]
        regions = Regions(labels)
        self._tick(0)
        for step in (regions.find_area, regions.find_moments, regions.find_perimeter):
            step()
            self._tick(0)
        columns = _shape(regions, self.size)
        self._tick()
        columns["solidity"] = np.minimum(regions.area / regions.convex_area(), 1)
        self._tick()
        for name, mean in self.means.items():
            image = nothing if index is None else mean.read(index)[0]
            columns[f"mean_{name}"] = regions.mean(image)
        for channel in self.channels:
            planes = [nothing] * len(channel.names) if index is None else channel.read(index)
            for name, image in zip(channel.names, planes, strict=True):
                found = regions.statistics(image)
                columns |= {intensity_column(key, name): one for key, one in found.items()}
                self._tick(0)
        self._tick()
        columns |= self._around(columns, [] if index is None else [index])
        self._tick()
        place = index or (0,) * len(self.reader.leading_axes)
        return _rows(columns, self.reader.leading_axes.lower(), place)

    # -- runs along Z -------------------------------------------------------------------------

    def _run(self, run: Plane, letters: str, planes: list[Plane]) -> pd.DataFrame:
        columns = measure_run(
            self.reader, self.means, self.channels, planes, self.size, self.z_size,
            lambda: self._tick(_STEPS),
        )  # fmt: skip
        columns |= self._around(columns, planes)
        return _rows(columns, letters, run)

    # -- both ---------------------------------------------------------------------------------

    def _around(self, columns: Columns, planes: list[Plane]) -> Columns:
        """Return the columns about other objects."""
        found: Columns = {}
        ids = columns["label"]
        if self.neighbours:
            contacts = Contacts(ids)
            for plane in planes:
                contacts.add(self.reader.read(plane)[0])
                self._tick(0)
            found |= {**next_objects(columns), "touching": contacts.counts()}
        if self.parents is not None:
            pairs = related(self._beside(self.parents, planes, inside=True))
            parent = pairs.set_index("label")["parent"].reindex(ids, fill_value=0)
            found["parent"] = parent.to_numpy()
        for name, image in self.children.items():
            pairs = related(self._beside(image, planes, inside=False))
            counts = pairs["parent"].value_counts().reindex(ids, fill_value=0)
            found[f"children_{name}" if name else "children"] = counts.to_numpy()
        return found

    def _beside(
        self, other: MeasuredImage, planes: list[Plane], *, inside: bool
    ) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """Yield planes of objects and of what they may lie in, of which the labels are one."""
        nothing = np.zeros((0, 0), np.int64)
        yield nothing, nothing  # without any plane there is a table, too
        left_out = nothing if inside else self._cut(other, planes)
        for plane in planes:
            own, under = self.reader.read(plane)[0], _whole_numbers(other.read(plane)[0])
            if isinstance(self.reader, RegionalReader) and not inside:
                # what lies outside of the region is no child of what lies in it
                under = self.reader.limited(plane, under)
                under = np.where(np.isin(under, left_out), 0, under) if left_out.size else under
            yield (own, under) if inside else (under, own)
            self._tick(0)

    def _cut(self, other: MeasuredImage, planes: list[Plane]) -> npt.NDArray[np.int64]:
        """Return which other labels are left out, as the border of the region cuts them."""
        reader, found = self.reader, [np.zeros(0, np.int64)]
        if isinstance(reader, RegionalReader) and reader.masks.drops:
            along = reader.along_z if self.volumes else None
            found += [
                reader.masks.touched(plane, _whole_numbers(other.read(plane)[0]), along)
                for plane in planes
            ]
        return np.unique(np.concatenate(found))


def _whole_numbers(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return labels that were looked up on another grid: outside of it there is nothing."""
    found = np.nan_to_num(labels).astype(np.int64) if labels.dtype.kind == "f" else labels
    if found.dtype.kind == "i" and found.min(initial=0) < 0:
        raise InputError(
            "Some labels that objects lie in, or that lie in them (parents, children), are below "
            "0: set these pixels to 0, the background."
        )
    return found


def _rows(columns: Columns, letters: str, place: tuple[int, ...]) -> pd.DataFrame:
    ids = columns.pop("label")
    head = {"label": ids}
    head |= {
        axis: np.full(len(ids), position) for axis, position in zip(letters, place, strict=True)
    }
    return pd.DataFrame(head | columns)


def _shape(regions: Regions, size: tuple[float, ...] | None) -> Columns:
    columns: Columns = {"label": regions.ids, "area_px": regions.area}
    columns |= _lengths(regions, (1.0, 1.0), "px")
    if size is not None:
        columns["area_um2"] = regions.area * size[0] * size[1]
        columns |= _lengths(regions, (size[0], size[1]), "um")
    major, minor, angle = regions.ellipse(size or (1.0, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(major > 0, minor / major, 1.0)
    columns["eccentricity"] = np.sqrt(1 - ratio**2)
    columns["orientation_deg"] = np.rad2deg(angle)
    return columns


def _lengths(regions: Regions, size: tuple[float, float], unit: str) -> Columns:
    major, minor, _ = regions.ellipse(size)
    return {
        f"centroid_y_{unit}": regions.centroid[0] * size[0],
        f"centroid_x_{unit}": regions.centroid[1] * size[1],
        f"equivalent_diameter_{unit}": np.sqrt(4 / np.pi * regions.area * size[0] * size[1]),
        f"axis_major_{unit}": major,
        f"axis_minor_{unit}": minor,
        f"perimeter_{unit}": regions.perimeter(size),
    }
