"""Progress of a run over blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_cytosynth.progress import Progress

__all__ = ["Stages", "part_of"]

_STAGES = {"network": 0.88, "objects": 0.06, "table": 0.03, "pyramid": 0.03}
"""About how the time of a run is spent."""
_UNITS = 100_000  # of progress


class Stages:
    """Progress of a run of several stages, as one."""

    def __init__(self, tick: Progress) -> None:
        self._tick = tick

    def of(self, stage: str, part: tuple[float, float] = (0, 1)) -> Progress:
        """Return the callable of a stage, or of a part of it."""
        names = list(_STAGES)
        before = sum(_STAGES[name] for name in names[: names.index(stage)])
        start, length = before + _STAGES[stage] * part[0], _STAGES[stage] * (part[1] - part[0])

        def report(done: int, total: int, message: str, /) -> None:
            share = start + length * done / max(total, 1)
            # the end is that of the files
            self._tick(min(int(_UNITS * share), _UNITS - 1), _UNITS, message)

        return report

    def end(self) -> None:
        """Report that everything is done."""
        self._tick(_UNITS, _UNITS, "done")


def part_of(progress: Progress, number: int, count: int) -> Progress:
    """Return the progress of one of several parts of a run, in thousandths of it."""
    if count == 1:
        return progress

    def report(done: int, total: int, message: str, /) -> None:
        whole = 1000 * number + 1000 * done // max(total, 1)
        progress(whole, 1000 * count, f"{message} (block {number + 1} of {count})")

    return report
