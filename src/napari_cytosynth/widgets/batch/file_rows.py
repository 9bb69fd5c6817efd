"""The images of the list with the state of each, as a table whose rows are painted when seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from napari_cytosynth.widgets.common.row_list import RowTable
from napari_cytosynth.zoo.text import one_line

from .wording import in_the_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.tasks.batch import BatchItem, BatchOutcome

__all__ = ["FileModel", "FileRow", "rows_of"]

RowState = Literal["waiting", "running", "done", "skipped", "failed"]
_LONGEST = 200  # characters of a name


@dataclass(frozen=True)
class FileRow:
    """One image of the list.

    Attributes
    ----------
    item
        What is read, and where its result goes.
    state
        ``waiting``, ``running``, ``done``, ``skipped`` (done by an earlier run) or ``failed``.
    outcome
        What became of it. Default: None, nothing yet.
    """

    item: BatchItem
    state: RowState = "waiting"
    outcome: BatchOutcome | None = None

    @property
    def finished(self) -> bool:
        """Whether there is a result."""
        return self.state in ("done", "skipped")

    @property
    def doubtful(self) -> bool:
        """Whether the result is to be looked at."""
        return self.finished and self.outcome is not None and bool(self.outcome.doubt)

    @property
    def summary(self) -> str:
        """State in a few words, the number of objects first."""
        if not self.finished or self.outcome is None:
            return f"✗ failed: {self.sentence}" if self.state == "failed" else self.state
        count = self.outcome.count
        earlier = self.state == "skipped"
        words = [] if count is None else [f"{count:,} object{'s' * (count != 1)}"]
        words += ["doubtful"] if self.doubtful else []
        words += ["done earlier"] if earlier else ["done"] if count is None else []
        return f"{'⚠' if self.doubtful else '✓'} {', '.join(words)}"

    @property
    def sentence(self) -> str:
        """Everything that the user ought to know of it."""
        if self.outcome is None:
            return self.item.problem
        outcome = self.outcome
        texts = (outcome.doubt, outcome.sentence, *outcome.messages)
        return in_the_form(" ".join(dict.fromkeys(text for text in texts if text)))


def rows_of(items: Sequence[BatchItem]) -> list[FileRow]:
    """Return the rows of a plan; what cannot be read has failed already."""
    return [FileRow(item, "failed" if item.problem else "waiting") for item in items]


class FileModel(RowTable):
    """The rows, with file and state as columns."""

    headers = ("file", "state")
    rows: list[FileRow]

    def text(self, row: FileRow, column: int) -> str:
        """Return the text of a cell."""
        return one_line(row.item.title if column == 0 else row.summary, _LONGEST)

    def tip(self, row: FileRow) -> str:
        """Return the path, and everything that is to be known of the image."""
        tip = "Click to open image and result." if row.finished else ""
        return "\n".join(text for text in (str(row.item.path), row.sentence, tip) if text)

    def update(self, number: int, state: RowState, outcome: BatchOutcome | None = None) -> None:
        """Give a row another state."""
        self.rows[number] = replace(self.rows[number], state=state, outcome=outcome)
        self.dataChanged.emit(self.index(number, 0), self.index(number, 1))

    def stop(self) -> None:
        """Let what is running wait again, as its process has ended."""
        for number, row in enumerate(self.rows):
            if row.state == "running":
                self.update(number, "waiting")

    def counts(self) -> dict[str, int]:
        """Return how many rows are in each state, and how many results are doubtful."""
        states = ("waiting", "running", "done", "skipped", "failed")
        counts = dict.fromkeys((*states, "doubtful"), 0)
        for row in self.rows:
            counts[row.state] += 1
            counts["doubtful"] += row.doubtful
        return counts

    def sentence(self) -> str:
        """Return how many images there are in each state."""
        counts, total = self.counts(), len(self.rows)
        words = {
            "done": "done", "skipped": "done earlier", "doubtful": "doubtful", "failed": "failed",
            "waiting": "waiting",
        }  # fmt: skip
        parts = [f"{counts[state]:,} {word}" for state, word in words.items() if counts[state]]
        return f"{total:,} image{'s' * (total != 1)}: {', '.join(parts)}."
