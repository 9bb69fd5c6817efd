"""The objects of a figure: their outlines and colours in one plane, and the rows that pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.export.objects.outlines import trace
from napari_cytosynth.tasks.look.colours import LEVELS, LIT, UNKNOWN, levels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import numpy.typing as npt

    from napari_cytosynth.tasks.export.objects.outlines import Polygon
    from napari_cytosynth.tasks.look.table import Filter, ObjectTable

    from .images import Grid

    Floats = npt.NDArray[np.float32]

__all__ = ["Outline", "ShownObjects", "outlines", "own_palette", "scale_colours"]


@dataclass(frozen=True, eq=False)
class ShownObjects:
    """Labels with their table, and what of it is shown.

    Attributes
    ----------
    name
        Of the labels.
    data
        Whole numbers of shape ([…], Y, X).
    table
        Their rows; None: all objects are shown, in their own colours.
    own
        Returns RGBA in [0, 1] of shape (objects, 4) for numbers of objects.
    filters
        Objects outside of any are not shown. Default: none.
    column
        Of the colours. Default: None, their own.
    selected
        Numbers of the objects that are lit. Default: none.
    """

    name: str
    data: Any
    table: ObjectTable | None
    own: Callable[[npt.NDArray[np.int64]], Floats]
    filters: Sequence[Filter] = ()
    column: Hashable = None
    selected: frozenset[int] = field(default_factory=frozenset)

    @property
    def passing(self) -> npt.NDArray[np.bool_]:
        """Which rows of the table are shown."""
        return np.zeros(0, bool) if self.table is None else self.table.passing(self.filters)

    def colours(self, labels: npt.NDArray[np.int64]) -> Floats:
        """Return RGBA of shape (objects, 4); with alpha 0, an object is not shown."""
        table = self.table
        if table is None or self.column is None:
            found = np.asarray(self.own(labels), np.float32).copy()
        else:
            found = self._of_column(labels)
        if table is not None and self.filters:
            found[~np.isin(labels, table.labels[self.passing])] = 0
        lit = np.isin(labels, list(self.selected)) & (found[:, 3] > 0)
        found[lit] = LIT
        return found

    def _of_column(self, labels: npt.NDArray[np.int64]) -> Floats:
        assert self.table is not None
        known, values = self.table.by_label(self.column)
        at = np.minimum(np.searchsorted(known, labels), len(known) - 1)
        value = np.where(known[at] == labels, values[at], np.nan)
        return self._on_scale(value)

    def colours_of_rows(self) -> Floats:
        """Return RGBA of shape (rows, 4): the place of each row's value on the scale."""
        assert self.table is not None
        return self._on_scale(self.table.values(self.column))

    def _on_scale(self, values: npt.NDArray[np.float64]) -> Floats:
        assert self.table is not None
        levels = levels_of(values, *self.table.limits(self.column))
        return np.where(levels[:, None] < 0, UNKNOWN, scale_colours()[levels])


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of one object.

    Attributes
    ----------
    label
        Its number.
    polygons
        In px of the figure's grid, where (0, 0) is the outer corner of its first pixel.
    colour
        RGBA in [0, 1].
    """

    label: int
    polygons: list[Polygon]
    colour: tuple[float, ...]


def outlines(objects: ShownObjects, grid: Grid) -> list[Outline]:
    """Return the outlines of the objects that are shown in the grid, by rising label."""
    shape = objects.data.shape[-2:]
    # a pixel more, or the edge of the grid would look like that of the objects that it cuts
    rows, columns = (
        (max(low - 1, 0), min(high + 1, size))
        for (low, high), size in zip((grid.rows, grid.columns), shape, strict=True)
    )
    part = objects.data[(*grid.plane, slice(*rows), slice(*columns))]
    found = trace(np.asarray(part))
    shift = np.array([columns[0] - grid.columns[0], rows[0] - grid.rows[0]])
    colours = objects.colours(np.array([one.label for one in found]).astype(np.int64))
    return [
        Outline(
            one.label, [[ring + shift for ring in rings] for rings in one.polygons], tuple(rgba)
        )
        for one, rgba in zip(found, colours.tolist(), strict=True)
        if rgba[3] > 0
    ]


def scale_colours() -> Floats:
    """Return viridis in steps, float32 RGBA of shape (LEVELS, 4)."""
    from matplotlib import colormaps

    return np.asarray(colormaps["viridis"](np.linspace(0, 1, LEVELS)), np.float32)


def own_palette(labels: npt.NDArray[np.int64]) -> Floats:
    """Return a colour for each label that those of its neighbours differ from."""
    from matplotlib.colors import hsv_to_rgb

    hue = (labels * 0.6180339887) % 1.0  # the golden ratio: no two near numbers are alike
    hsv = np.stack([hue, np.full(len(hue), 0.65), np.ones(len(hue))], axis=-1)
    return np.concatenate([hsv_to_rgb(hsv), np.ones((len(hue), 1))], axis=-1).astype(np.float32)
