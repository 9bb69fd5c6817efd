"""The objects of a virtual stain that lie in a region, found with what lies beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_cytosynth.tasks.stain.part import PartOfPlane

    Labels = NDArray[np.int32]
    Values = NDArray[np.float64]

__all__ = ["CUT", "ObjectsInside", "objects_inside"]

CUT = "at_region_border"
"""Column of the table of a region whose cut objects are marked."""


@dataclass(frozen=True, eq=False)
class ObjectsInside:
    """The objects of a plane that lie in a region; all of them without one.

    Attributes
    ----------
    labels
        (y, x) on the network's grid: their parts inside, numbered from 1 without gaps.
    on_grid
        (Y, X): the same on the image's own grid.
    kept
        Which of all objects they are, counted from 0.
    cut
        Of each, whether it touches the border of the region.
    marked
        Whether the table tells. Default: False.
    """

    labels: Labels
    on_grid: Labels
    kept: NDArray[np.intp]
    cut: NDArray[np.bool_]
    marked: bool = False

    def columns(self, known: Mapping[str, Values]) -> dict[str, Values]:
        """Return columns that differ from the `known` ones, for objects that are cut.

        An interval is one of whole objects: a part has none.
        """
        found: dict[str, Values] = {CUT: self.cut.astype(np.float64)} if self.marked else {}
        for name, values in known.items():
            if self.cut.any() and name.endswith((" low", " high")):
                found[name] = np.where(self.cut, np.nan, values)
        return found


def objects_inside(part: PartOfPlane, labels: Labels) -> ObjectsInside:
    """Limit the objects of a part of a plane to the region.

    Parameters
    ----------
    part
        The part.
    labels
        (y, x) on the network's grid, numbered from 1 without gaps.
    """
    count = int(labels.max(initial=0))
    if part.region is None:
        whole = part.labels_on_grid(labels)
        return ObjectsInside(labels, whole, np.arange(count), np.zeros(count, bool))
    limited = part.labels_inside(labels)
    touching = np.zeros(count + 1, bool)
    touching[part.at_border(part.labels_on_grid(labels))] = True
    there = np.bincount(limited.ravel(), minlength=count + 1) > 0
    there[0] = False
    if part.region.drops:
        there &= ~touching
    number = np.where(there, np.cumsum(there), 0).astype(np.int32)
    kept = np.flatnonzero(there[1:])
    return ObjectsInside(
        number[limited],
        number[part.labels_on_grid(labels)],
        kept,
        touching[1:][kept],
        part.region.at_border == "mark",
    )
