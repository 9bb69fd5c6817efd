"""What the Look widget says about a table and its layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.tasks.look.table import Filter

    from .view import TableView

__all__ = ["about_count", "about_difference"]


def about_count(view: TableView, filters: Sequence[Filter]) -> str:
    """Return for example “212 of 340 objects”, and what is to know of them."""
    table = view.table
    said = f"{len(view.shown(filters))} of {len(view.labels)} objects"
    unknown = np.zeros(len(table.labels), bool)
    for one in filters:
        unknown |= np.isnan(table.values(one.column))
    if count := len(np.unique(table.labels[unknown])):
        said += f" · {count} without a value {'is' if count == 1 else 'are'} hidden"
    if table.repeated:
        said += (
            ". Objects have several rows: one is shown where any of them passes, in the colour of "
            "their mean."
        )
        if filters and {"t", "z"} & set(table.columns):
            said += " What is kept and saved are the planes whose rows pass."
    return said


def about_difference(view: TableView, *, filtered: bool) -> str:
    """Return what is wrong where the labels were edited after the table; empty if nothing is."""
    without_row, without_pixel = len(view.strangers()), len(view.missing())
    if not without_row and not without_pixel:
        return ""
    parts = []
    if without_row:
        shown = "hidden by the filters" if filtered else "hidden once there is a filter"
        have = "object has" if without_row == 1 else "objects have"
        parts.append(f"{without_row} {have} no row ({shown})")
    if without_pixel:
        have = "row has" if without_pixel == 1 else "rows have"
        parts.append(f"{without_pixel} {have} no object in the labels")
    return f"⚠ Labels and table differ: {', '.join(parts)}. Measure the labels again."
