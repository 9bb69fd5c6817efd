"""Runs along Z: the planes of one stack, of which a result may hold several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.link import object_areas

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["Plane", "count_in_runs", "z_runs"]

Plane = tuple[int, ...]


def z_runs(axes: str, shape: Sequence[int]) -> list[list[Plane]]:
    """Return the planes of each run along Z, as indices into the leading axes.

    Parameters
    ----------
    axes
        Letters of the axes, with Z.
    shape
        Their lengths.
    """
    leading = [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis not in "YX"]
    place = [axis for axis, _ in leading].index("Z")
    runs: dict[Plane, list[Plane]] = {}
    for plane in np.ndindex(*(size for _, size in leading)):
        runs.setdefault(plane[:place] + plane[place + 1 :], []).append(plane)
    return list(runs.values())


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
    for run in z_runs(axes, labels.shape):
        seen = np.zeros(int(labels.max(initial=0)) + 1, bool)
        for plane in run:
            areas = object_areas(labels[plane_slices(axes, plane)])
            seen[: len(areas)] |= areas > 0
        if only is not None:
            seen &= only[: len(seen)]
        counts.append(int(np.count_nonzero(seen)))
    return counts
