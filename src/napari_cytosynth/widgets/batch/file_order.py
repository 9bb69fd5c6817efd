"""Which files of the list are shown, and in which order."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QModelIndex, QObject, QSortFilterProxyModel

if TYPE_CHECKING:
    from .file_rows import FileModel, FileRow

__all__ = ["SHOWN", "FileOrder"]

SHOWN = ("all", "to be looked at", "waiting", "running", "done", "doubtful", "failed")
"""What the list can be narrowed down to."""
_FIRST = ("failed", "doubtful", "running", "waiting", "done", "skipped")
"""States as they are sorted: what needs a look comes first."""


class FileOrder(QSortFilterProxyModel):
    """Shows the rows of a list that pass two filters, sorted by a column or as they are done.

    Parameters
    ----------
    files
        The list.
    parent
        Of Qt. Default: None.
    """

    def __init__(self, files: FileModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._files, self._states, self._name = files, SHOWN[0], ""
        self.setSourceModel(files)

    def narrow(self, states: str | None = None, name: str | None = None) -> None:
        """Show only rows of some states (of :data:`SHOWN`), and with a text in their name.

        What is None stays as it is.
        """
        self._states = self._states if states is None else states
        self._name = self._name if name is None else name.strip().casefold()
        self.invalidate()

    def filterAcceptsRow(self, number: int, _parent: QModelIndex) -> bool:
        """Return whether a row of the list is shown."""
        row = self._files.rows[number]
        return self._name in row.item.title.casefold() and _matches(row, self._states)

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """Return whether a row comes before another."""
        rows = self._files.rows
        key = _by_name if left.column() == 0 else _by_state
        return bool(key(rows[left.row()]) < key(rows[right.row()]))


def _matches(row: FileRow, states: str) -> bool:
    if states == SHOWN[0]:
        return True
    if states == "to be looked at":
        return row.doubtful or row.state == "failed"
    if states == "doubtful":
        return row.doubtful
    return row.finished if states == "done" else row.state == states


def _by_name(row: FileRow) -> tuple[Any, ...]:
    return _parts(row.item.title)


def _by_state(row: FileRow) -> tuple[int, int, tuple[Any, ...]]:
    """Return state, number of objects, name."""
    state = "doubtful" if row.doubtful else row.state
    count = None if row.outcome is None else row.outcome.count
    return _FIRST.index(state), -1 if count is None else count, _by_name(row)


@lru_cache(maxsize=100_000)
def _parts(title: str) -> tuple[Any, ...]:
    """Return a name whose numbers count as numbers: 2 comes before 10, and “a.” before “a2.”."""
    parts = re.split(r"(\d+|\.)", title.casefold())
    return tuple(
        (int(part), "") if part.isdecimal() else (-2 if part == "." else -1, part) for part in parts
    )
