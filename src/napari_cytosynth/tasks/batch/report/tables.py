"""The tables of a batch: one of all objects, and one of all files."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_cytosynth.tasks.batch.records import BatchItem, BatchOutcome, BatchPlan

__all__ = ["file_table", "object_table"]

_FIRST = ("file", "series", "plane")


def object_table(outcomes: Iterable[BatchOutcome], plan: BatchPlan) -> pd.DataFrame:
    """Return the objects of all files, as their own tables have them.

    Parameters
    ----------
    outcomes
        Those of the images, in their order.
    plan
        Where the tables lie, and which columns the name pattern fills.
    """
    tables = []
    for outcome in outcomes:
        path = plan.out / outcome.item.folder / f"{outcome.item.stem}-table.csv"
        named = path.relative_to(plan.out).as_posix() in outcome.files
        if named and path.is_file():
            tables.append(_with_head(_read(path), outcome.item, plan))
    head = [*_FIRST, *plan.columns]
    if not tables:
        return pd.DataFrame(columns=head)
    columns = dict.fromkeys(name for table in tables for name in table)
    filled = [table for table in tables if len(table)] or tables[:1]
    joined = pd.concat(filled, ignore_index=True) if len(filled) > 1 else filled[0]
    return joined.reindex(columns=list(columns))


def _read(path: Path) -> pd.DataFrame:
    """Return a table with exactly the numbers that were written, whatever pandas' version."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    names, rows = (rows[0], rows[1:]) if rows else ([], [])
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pd.DataFrame({n: _numbers(values) for n, values in zip(names, columns, strict=True)})


def _numbers(values: Sequence[str]) -> list[Any]:
    """Return whole numbers or numbers where all texts of a column are such; "" is NaN."""
    try:
        return [int(value) for value in values]
    except ValueError:
        pass
    try:
        return [float(value) if value else math.nan for value in values]
    except ValueError:
        return list(values)


def _with_head(table: pd.DataFrame, item: BatchItem, plan: BatchPlan) -> pd.DataFrame:
    planes = [name for name in table if len(str(name)) == 1]
    parts = [f"{name}=" + table[name].astype(str) for name in planes]
    plane: Any = parts[0] if parts else [""] * len(table)
    for part in parts[1:]:
        plane = plane + " " + part
    head: dict[str, Any] = {"file": item.name, "series": _series(item), "plane": plane}
    head |= {name: item.columns.get(name, "") for name in plan.columns}
    first = pd.DataFrame(head, index=table.index)
    return pd.concat([first, table], axis=1)


def _series(item: BatchItem) -> str:
    return "" if item.series is None else str(item.series)


def file_table(outcomes: Iterable[BatchOutcome], plan: BatchPlan) -> pd.DataFrame:
    """Return a row for each image.

    Parameters
    ----------
    outcomes, plan
        See :func:`object_table`.
    """
    rows = []
    for outcome in outcomes:
        item, row = outcome.item, dict[str, Any]()
        row |= {"file": item.name, "series": _series(item)}
        row |= {name: item.columns.get(name, "") for name in plan.columns}
        row |= {
            "state": outcome.state,
            "objects": outcome.count,
            "mean_confidence": outcome.confidence,
            "doubt": outcome.doubt,
            "reason": outcome.sentence,
            "messages": " ".join(outcome.messages),
            "result": (item.folder / item.stem).as_posix() if outcome.files else "",
        }
        rows.append(row)
    return pd.DataFrame(rows).astype({"objects": "Int64"})
