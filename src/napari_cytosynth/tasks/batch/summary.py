"""The summary of a batch beside its results: tables and page, saved as any result is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.common.provenance import made_now
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.saving import check_beforehand, saving

from .names import RESERVED
from .report.page import batch_page

if TYPE_CHECKING:
    from napari_cytosynth.tasks.export.destination import Destination

    from .records import BatchPlan
    from .result import BatchResult
    from .worker import Worker

__all__ = ["Summary"]


class Summary:
    """Writes ``batch-files.csv``, ``batch-table.csv`` and ``batch-report.html``.

    Parameters
    ----------
    plan
        The images, and the folder.
    worker
        Settings, model, and whether files of others may be replaced.
    """

    def __init__(self, plan: BatchPlan, worker: Worker) -> None:
        self.plan, self.worker = plan, worker
        self.sources = [item.path for item in plan.items]

    def check(self) -> None:
        """Check that it can be written, before the first image is read.

        Raises
        ------
        OutputError
            If the folder cannot be written, or files of others would be replaced.
        """
        destination = self._destination(has_objects=True)
        check_beforehand(destination, self.sources, overwrite=self.worker.overwrite)

    def write(self, result: BatchResult) -> BatchResult:
        """Write it, and return the result with the names of its files.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        settings = result.settings
        has_objects = settings.task != "stain" or settings.parameters.get("objects") is not None
        destination = self._destination(has_objects)
        with saving(
            destination, self._record(result), self.sources, overwrite=self.worker.overwrite
        ) as files:
            others = dict(zip(("files", "report", "table"), destination.others, strict=False))
            result.file_table.to_csv(files.place(others["files"]), index=False, errors="replace")
            page = batch_page(settings.task, result.outcomes, self._facts())
            files.place(others["report"]).write_text(page, encoding="utf-8")
            if has_objects:
                table = files.place(others["table"])
                result.table.to_csv(table, index=False, errors="replace")
        return replace(result, files=tuple(destination.files))

    def _destination(self, has_objects: bool) -> Destination:
        others = ("files.csv", "report.html", *(("table.csv",) if has_objects else ()))
        return find_destination(self.plan.out, "batch", others=others, stem=RESERVED)

    def _record(self, result: BatchResult) -> dict[str, Any]:
        model, settings = self.worker.load(), result.settings
        states = ("done", "skipped", "failed")
        return {
            **made_now(),
            "model": None if model is None else _described(model),
            "parameters": {"task": settings.task, **settings.parameters},
            "objects": {state: len(result.of_state(state)) for state in states},
        }

    def _facts(self) -> list[tuple[str, str]]:
        model, settings = self.worker.load(), self.worker.settings
        known = [] if model is None else [("model", f"{model.card.name} ({model.sha256[:12]})")]
        values = ", ".join(f"{name} {value}" for name, value in settings.parameters.items())
        return [*known, *([("settings", values)] if values else [])]


def _described(model: Any) -> dict[str, Any]:
    return {"name": model.card.name, "source": str(model.source), "sha256": model.sha256}
