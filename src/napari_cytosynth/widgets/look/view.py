"""What of a table is seen in the viewer: which objects, in which colours, and which one is lit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.look.colours import LIT, UNKNOWN

from .colour_bar import colours_of
from .layer_colours import LayerColours, can_be_coloured

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from napari_cytosynth.tasks.look.pixels import Boxes
    from napari_cytosynth.tasks.look.table import Filter, ObjectTable

__all__ = ["Look", "TableView"]

_NONE = np.zeros(4, np.float32)


@dataclass(frozen=True)
class Look:
    """What the user wants to see.

    Attributes
    ----------
    filters
        Objects outside of any are hidden.
    column
        Of the colours; None: the user's own.
    selected
        Numbers of the objects that are lit.
    """

    filters: Sequence[Filter] = ()
    column: Hashable = None
    selected: frozenset[int] = frozenset()


class TableView:
    """Shows a look on a layer.

    Parameters
    ----------
    layer
        Of labels.
    table
        Its rows.
    """

    def __init__(self, layer: Any, table: ObjectTable, colours: LayerColours | None = None) -> None:
        self.table, self.colours = table, colours or LayerColours(layer)
        self.boxes: Boxes | None = None
        self.labels = np.unique(table.labels)

    def shown(self, filters: Sequence[Filter]) -> np.ndarray:
        """Return the numbers of the objects that have a row within all filters, rising."""
        return np.unique(self.table.labels[self.table.passing(filters)])

    def strangers(self) -> np.ndarray:
        """Return the numbers of objects without a row, as far as they are known."""
        if self.boxes is None:
            return np.zeros(0, np.int64)
        return np.setdiff1d(self.boxes.labels, self.labels)

    def missing(self) -> np.ndarray:
        """Return the numbers of rows without a pixel, as far as they are known."""
        if self.boxes is None:
            return np.zeros(0, np.int64)
        return np.setdiff1d(self.labels, self.boxes.labels)

    def show(self, look: Look) -> None:
        """Colour the layer, or give its own colours back where nothing is wanted."""
        if not look.filters and look.column is None and not look.selected:
            self.colours.restore()
            return
        labels, strangers = self.labels, self.strangers()
        strangers = strangers[can_be_coloured(strangers)]
        if look.column is None:
            colours = self.colours.own_colours(labels)
            other = self.colours.own_colours(strangers)
        else:
            values = self.table.by_label(look.column)[1]
            colours = colours_of(values, *self.table.limits(look.column))
            other = np.tile(UNKNOWN, (len(strangers), 1))
        rest = UNKNOWN
        if look.filters:  # what has no row passes none
            colours = np.where(np.isin(labels, self.shown(look.filters))[:, None], colours, _NONE)
            other, rest = other * 0, _NONE
        labels, colours = np.concatenate([labels, strangers]), np.concatenate([colours, other])
        lit = np.isin(labels, list(look.selected)) & (colours[:, 3] > 0)
        colours = np.where(lit[:, None], LIT, colours).astype(np.float32)
        self.colours.show(labels, colours, rest)
