"""How often the checks before and after a run speak."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cytosynth.tasks.segment.result import Segmentation

__all__ = ["DoubtScores", "DoubtTally", "doubts_of"]


@dataclass(frozen=True)
class DoubtScores:
    """Images that were doubted; on images of the right kind each is a false alarm.

    Attributes
    ----------
    images
        Number of all images.
    before
        Those that look unlike the training images, before the run.
    after
        Those whose result is unlike the results on validation images, whatever their look.
    either
        Those that are doubted before or after the run.
    """

    images: int
    before: int
    after: int
    either: int

    def summary(self) -> str:
        """Return a line such as "Doubted images: 4 by their look before the run, …"."""
        return (
            f"Doubted images: {self.before} by their look before the run, {self.after} by their "
            f"result, {self.either} of {self.images} by either"
        )

    def record(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        return asdict(self)


def doubts_of(result: Segmentation) -> tuple[str, str]:
    """Return in what an image is unlike the training, and the doubt about its result alone."""
    training = replace(result.training, unlike="")
    return result.training.unlike, replace(result, training=training).doubt


class DoubtTally:
    """Doubts about the images of an evaluation."""

    def __init__(self) -> None:
        self._found: list[tuple[bool, bool]] = []

    def add(self, result: Segmentation) -> None:
        """Count the doubts about one image."""
        before, after = doubts_of(result)
        self._found.append((bool(before), bool(after)))

    def scores(self) -> DoubtScores:
        """Return the counts over all images."""
        before, after = (sum(column) for column in zip(*self._found, strict=True))
        either = sum(map(any, self._found))
        return DoubtScores(len(self._found), before, after, either)
