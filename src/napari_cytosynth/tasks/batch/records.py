"""What goes into a batch and comes out of it: items, plans, outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from napari_cytosynth.images.facts import SeriesFacts

__all__ = ["BatchItem", "BatchOutcome", "BatchPlan", "State"]

State = Literal["planned", "done", "skipped", "failed"]
"""``skipped`` is what an earlier run has done, as its provenance proves."""


@dataclass(frozen=True)
class BatchItem:
    """One image (series) of one file, and where its result goes.

    Attributes
    ----------
    path
        The file, or the OME-Zarr.
    name
        Its path below the folder that all inputs lie in, with “/”.
    series
        Number or name of the image in a file of several. Default: None, the only one.
    facts
        What the file says about it. Default: None, it cannot be read.
    folder
        Folder of the result, below that of all results. Default: the same.
    stem
        What the names of the result's files begin with. Default: "".
    columns
        Values of the named groups of the name pattern. Default: none.
    problem
        Why it cannot be done. Default: "", it can.
    intensity
        Image in which the objects of a label image are measured. Default: None.
    zarr
        Whether the result is the field :attr:`stem` of a plate, in the well :attr:`folder`, and
        no TIFFs. Default: False.
    """

    path: Path
    name: str
    series: int | str | None = None
    facts: SeriesFacts | None = None
    folder: Path = field(default_factory=Path)
    stem: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    intensity: Path | None = None
    zarr: bool = False

    @property
    def title(self) -> str:
        """Name for the user, with the series."""
        return self.name if self.series is None else f"{self.name} [{self.series}]"

    @property
    def place(self) -> Path:
        """What is read: an image inside a Zarr by its own folder."""
        inside = None if self.facts is None else self.facts.place
        return inside or self.path

    @property
    def read_series(self) -> int | str | None:
        """Which series of :attr:`place` is read."""
        return None if self.place != self.path else self.series


@dataclass(frozen=True)
class BatchPlan:
    """All items of a batch.

    Attributes
    ----------
    out
        Folder of the results.
    items
        In the order in which they are done.
    messages
        What the user ought to know of the inputs.
    columns
        Names of the columns that the name pattern fills.
    """

    out: Path
    items: tuple[BatchItem, ...]
    messages: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchOutcome:
    """What became of an item.

    Attributes
    ----------
    item
        The item.
    state
        ``done``, ``skipped``, ``failed`` or ``planned``.
    sentence
        Why it failed, or what is to be known of a skipped one. Default: "".
    messages
        Notes and warnings of the run. Default: none.
    count
        Number of objects; None (default) where none are looked for.
    confidence
        Mean confidence in the objects; None (default) where it is unknown.
    doubt
        Sentence that says why the result is doubtful. Default: "", it is not.
    files
        Names of the result's files, below the folder of all results. Default: none.
    seconds
        How long it took. Default: 0.
    thumbnail
        PNG of the image with the outlines; empty (default) if there is none.
    """

    item: BatchItem
    state: State
    sentence: str = ""
    messages: tuple[str, ...] = ()
    count: int | None = None
    confidence: float | None = None
    doubt: str = ""
    files: tuple[str, ...] = ()
    seconds: float = 0.0
    thumbnail: bytes = b""

    @property
    def attention(self) -> tuple[bool, float]:
        """How early it is to be looked at: the greater, the earlier."""
        return bool(self.doubt), 0.0 if self.confidence is None else 1.0 - self.confidence

    def facts(self) -> dict[str, Any]:
        """Return what the result's own record keeps of it."""
        return {
            "messages": [str(message) for message in self.messages],
            "count": self.count,
            "confidence": self.confidence,
            "doubt": self.doubt,
        }
