"""The table of the objects of a plane that is measured block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.tasks.measure.table import measure, with_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress

    from .seams import JoinedObjects

    Integers = npt.NDArray[np.integer]

__all__ = ["MOST", "measure_blocks"]

_SIDE = 1024  # px of a block that objects begin in; they may reach as far beyond
MOST = 8 * 1024 * 1024
"""Pixels of the box around a larger object that is still measured, by itself."""


def measure_blocks(
    labels: Any,
    probability: Any,
    found: JoinedObjects,
    pixel_size: tuple[float, ...] | None,
    progress: Progress,
) -> tuple[pd.DataFrame, int]:
    """Measure the objects of a plane, each with all of its pixels.

    Parameters
    ----------
    labels, probability
        Array-like (Y, X).
    found
        Its objects.
    pixel_size
        Along Y and X in µm, or None if unknown.
    progress
        Called before each part.

    Returns
    -------
    table
        As :func:`~napari_cytosynth.tasks.measure.table.measure` returns it, with ``confidence``
        where it is known.
    left
        Number of objects that are too large: of them only the area is known.
    """
    parts = list(_parts(labels.shape, found))
    tables = [_measured(labels, probability, _NOTHING, pixel_size)]
    for done, part in enumerate(parts):
        progress(done, len(parts), "measuring the objects")
        tables.append(_measured(labels, probability, part, pixel_size))
    progress(len(parts), len(parts), "measuring the objects")
    table = pd.concat([one for one in tables if len(one)] or tables, ignore_index=True)
    missing = np.setdiff1d(np.arange(1, len(found.area) + 1), table["label"])
    if len(missing):
        table = pd.concat([table, _areas(missing, found, pixel_size)], ignore_index=True)
    table = table.sort_values("label", ignore_index=True)
    if found.confidence is not None:
        after = list(table).index("mean_probability") + 1
        table.insert(after, "confidence", found.confidence[table["label"].to_numpy() - 1])
    return with_index(table), len(missing)


_NOTHING: tuple[Integers, tuple[int, int, int, int]] = (np.zeros(0, int), (0, 0, 0, 0))


def _parts(
    shape: tuple[int, int], found: JoinedObjects
) -> Iterator[tuple[Integers, tuple[int, int, int, int]]]:
    """Yield the objects (numbers) that are measured together, and the box around all of them."""
    high, wide = (found.box[:, 2:] - found.box[:, :2]).T
    small = (high <= _SIDE) & (wide <= _SIDE)
    across = -(-shape[1] // _SIDE)
    begin = found.box[:, 0] // _SIDE * across + found.box[:, 1] // _SIDE
    order = np.flatnonzero(small)
    order = order[np.argsort(begin[order], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(begin[order])) + 1)
    alone = np.flatnonzero(~small & (high * wide <= MOST))
    for group in [*groups, *alone[:, None]]:
        if len(group):
            box = found.box[group]
            top, left = (int(one) for one in box[:, :2].min(0))
            bottom, right = (int(one) for one in box[:, 2:].max(0))
            yield group + 1, (top, left, bottom, right)


def _measured(
    labels: Any,
    probability: Any,
    part: tuple[Integers, tuple[int, int, int, int]],
    pixel_size: tuple[float, ...] | None,
) -> pd.DataFrame:
    numbers, (top, left, bottom, right) = part
    where = slice(top, bottom), slice(left, right)
    here = np.asarray(labels[where])
    wanted = np.zeros(max(int(numbers.max(initial=0)), int(here.max(initial=0))) + 1, bool)
    wanted[numbers] = True
    here = here * wanted[here]
    table = measure(
        here, pixel_size=pixel_size, axes="YX", probability=np.asarray(probability[where])
    )
    for axis, start in (("y", top), ("x", left)):
        table[f"centroid_{axis}_px"] += start
        if pixel_size is not None:
            table[f"centroid_{axis}_um"] += start * pixel_size["yx".index(axis)]
    return table.drop(columns="index")


def _areas(
    missing: Integers, found: JoinedObjects, pixel_size: tuple[float, ...] | None
) -> pd.DataFrame:
    """Return rows of objects of which only the area is known."""
    area = found.area[missing - 1]
    rows = pd.DataFrame({"label": missing, "area_px": area})
    if pixel_size is not None:
        rows["area_um2"] = area * pixel_size[0] * pixel_size[1]
    return rows
