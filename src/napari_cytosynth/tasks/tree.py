"""Labels of every threshold from one component tree. (Interface; being filled.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_cytosynth.tasks.instances import LabelOptions

__all__ = ["ComponentTree", "TreeView"]


@dataclass(frozen=True, eq=False)
class TreeView:
    """Objects of one plane at one threshold."""

    threshold: float
    """The level that was used: the one nearest to the threshold asked for."""
    labels: npt.NDArray[np.int32]
    areas: npt.NDArray[np.int64]
    """Pixels of object 1, 2, … (object i has ``areas[i - 1]``)."""

    @property
    def count(self) -> int:
        return len(self.areas)

    @property
    def total_area(self) -> int:
        return int(self.areas.sum())


class ComponentTree:
    """Every connected component of every threshold of one probability plane.

    Thresholds are 0.0001 apart up to 0.05, 0.001 above, plus `extra_levels`; the same
    labels as `label_plane` without `split_touching` at those, to the pixel and the id.
    """

    def __init__(self, plane: npt.NDArray[np.floating], extra_levels: Iterable[float] = ()) -> None:
        raise NotImplementedError

    def at(
        self,
        threshold: float,
        options: LabelOptions | None = None,
        *,
        out: npt.NDArray[np.int32] | None = None,
    ) -> TreeView:
        """`threshold` wins over ``options.threshold``; pass `out` (Y, X) int32 to reuse it."""
        raise NotImplementedError
