"""Runs along Z: the planes of one stack, of which a result may hold several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.tasks.common.axes import plane_slices, runs_along_z
from napari_cytosynth.tasks.link import object_areas

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["count_in_runs"]


def count_in_runs(
    labels: npt.NDArray[np.int32], axes: str, only: npt.NDArray[np.bool_] | None = None
) -> list[int]:
    """Return the number of labels in each run along Z.

    Parameters
    ----------
    labels
        int32 labels of a stack.
    axes
        Letters of its axes, with Z.
    only
        Which labels are counted, from 0 on. Default: None, all of them.
    """
    counts = []
    for run in runs_along_z(axes, labels.shape).values():
        seen = np.zeros(int(labels.max(initial=0)) + 1, bool)
        for plane in run:
            areas = object_areas(labels[plane_slices(axes, plane)])
            seen[: len(areas)] |= areas > 0
        if only is not None:
            seen &= only[: len(seen)]
        counts.append(int(np.count_nonzero(seen)))
    return counts
