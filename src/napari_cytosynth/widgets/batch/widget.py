"""The Batch widget: a task on many files in a process of its own, with the state of each file."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.parts import single_shot
from napari_cytosynth.widgets.common.result_settings import settings_in

from .choosing import ChoosingForm
from .file_rows import rows_of
from .inputs import find_files, saved_settings
from .opening import OpenedLayers, load_layers
from .wording import in_the_form

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from qtpy.QtCore import QModelIndex

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.batch import BatchPlan, BatchSettings
    from napari_cytosynth.tasks.batch.process.messages import BatchRequest, Ended, Event
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick

    from .file_rows import FileRow

__all__ = ["BatchWidget"]

_LOOK_MS = 300
_TAKE_MS = 100
_STOPPED = "Stopped. What is done stays; Resume goes on with the rest."
_STOPPED_ANEW = "Stopped. What is done stays."
_KEPT = " Labels that you edited stay open; save them to keep the changes."


class BatchWidget(ChoosingForm):
    """Does with many files what was done with one image, in a process of its own.

    A script drives it by value: ``widget.take_from("Segment")``, or
    ``widget.load_settings("settings.yaml")``; ``widget.inputs = ["day1"]``,
    ``widget.out.value = "results"``, ``widget.run()``, ``widget.wait()``.

    Parameters
    ----------
    napari_viewer
        The viewer, whose widgets offer their settings and which shows results.
    run_batch
        Does the batch. Default:
        :func:`~napari_cytosynth.tasks.batch.process.run.run_in_process`.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        run_batch: Callable[..., Ended] | None = None,
    ) -> None:
        self._viewer = napari_viewer
        self._run_batch = run_batch
        self._events: deque[Event] = deque()
        self._unfinished = self._anew = False
        self._files: tuple[Path, ...] = ()
        self._out_used: Path | None = None
        self._opened = OpenedLayers(napari_viewer)
        super().__init__()
        self._runs: JobRunner[Ended] = JobRunner(self.native)
        self._looks: JobRunner[BatchPlan] = JobRunner(self.native)
        self._loads: JobRunner[BatchSettings] = JobRunner(self.native)
        self._opens: JobRunner[list[Any]] = JobRunner(self.native)
        self._look_soon = single_shot(self.native, _LOOK_MS, self._look)
        self._take_soon = single_shot(self.native, _TAKE_MS, self._take_events)
        self._connect()
        self._show_inputs()
        self._show_result(())

    def _connect(self) -> None:
        segment, stain, file = self._sources
        segment.changed.connect(lambda *_: self.take_from("Segment"))
        stain.changed.connect(lambda *_: self.take_from("Stain"))
        file.changed.connect(lambda *_: self.load_settings())
        self._begin_choosing()
        self._button.changed.connect(self._on_button)
        self._show_page.changed.connect(lambda *_: self._open_outside("report.html"))
        self._show_folder.changed.connect(lambda *_: self._open_outside(""))
        self._file_list.clicked.connect(self._on_clicked)
        self._file_list.activated.connect(self._on_clicked)
        choice = self._file_list.selectionModel()
        assert choice is not None
        choice.currentRowChanged.connect(self._on_row)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self.native_parent_changed.connect(self._on_parent)

    # -- settings -----------------------------------------------------------------------------

    def take_settings(
        self, settings: BatchSettings, origin: str = "settings", remark: str = ""
    ) -> None:
        """Use settings.

        Parameters
        ----------
        settings
            Task, model and arguments.
        origin
            Where they come from, for the user. Default: "settings".
        remark
            Sentence to show. Default: none.
        """
        self._settings = settings
        self._show_settings(origin)
        self._on_choice()
        self._status.value = remark

    def take_from(self, title: str) -> None:
        """Use the settings of the result in the open widget ``"Segment"`` or ``"Stain"``."""
        found = settings_in(self._viewer, title)
        if found is None or not found.has_result:
            self._status.value = f"⚠ Open {title} and press Run there first: its settings are used."
            return
        try:
            self.take_settings(found.settings(), title, found.left_out)
        except CytosynthError as error:
            self._show_error(error)

    def load_settings(self, path: str | Path | None = None) -> None:
        """Use saved settings; without a path, ask for one."""
        path = path or self._ask_settings()
        if path:
            origin = Path(path).name
            self._loads.start(
                lambda _: saved_settings(path), lambda outcome: self._on_loaded(outcome, origin)
            )

    def _on_loaded(self, outcome: Outcome[BatchSettings], origin: str) -> None:
        if outcome.value is not None:
            self.take_settings(outcome.value, origin)
        elif outcome.error:
            self._show_error(outcome.error)

    # -- the list ----------------------------------------------------------------------------------

    def _on_choice(self, *_: Any) -> None:
        if not self._runs.busy:
            self._set_unfinished(False)
            self._look_soon.start()

    def _look(self) -> None:
        """List the files that are chosen, in the background."""
        self._look_soon.stop()
        inputs = self._chosen_inputs()
        if self._runs.busy:
            return
        if not inputs.inputs:
            self._looks.forget()
            if self.rows:
                self._file_list.files.show([])
                self._status.value = ""
            return
        self._looks.start(lambda progress: find_files(inputs, progress), self._on_found)

    def _on_found(self, outcome: Outcome[BatchPlan]) -> None:
        if self._runs.busy or outcome.stopped:
            return
        plan = outcome.value
        self._file_list.files.show([] if plan is None else rows_of(plan.items))
        self._show_result(())
        if plan is None:
            self._show_error(outcome.error)
        else:
            self._status.value = " ".join([self._file_list.files.sentence(), *plan.messages])

    # -- the run ---------------------------------------------------------------------------------

    @property
    def rows(self) -> tuple[FileRow, ...]:
        """The files with their states."""
        return tuple(self._file_list.files.rows)

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        timers = self._look_soon.isActive() or self._take_soon.isActive()
        return timers or any(jobs.busy for jobs in self._all_jobs())

    def wait(self, timeout: float = 600.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        done = self._loads.wait(timeout) and self._runs.wait(timeout)
        if self._look_soon.isActive():
            self._look()
        done = self._looks.wait(timeout) and done
        return self._opens.wait(timeout) and done

    def run(self) -> None:
        """Start, or resume; what is done already with the same settings is kept."""
        if self._runs.busy:
            return
        try:
            request = self._chosen_inputs().request()
        except CytosynthError as error:
            self._show_error(error)
            return
        self._look_soon.stop()
        self._looks.forget()
        self._events.clear()
        self._out_used, self._anew = Path(request.out), not request.resume
        self._show_result(())
        self._show_running(True)
        self._status.value = "Starting …"
        self._runs.start(self._work(request), self._on_end, self._on_tick)
        self._take_soon.start()

    def _work(self, request: BatchRequest) -> Callable[[Progress], Ended]:
        events, run_batch = self._events, self._run_batch

        def work(progress: Progress) -> Ended:
            if run_batch is not None:
                return run_batch(request, events.append, progress)
            from napari_cytosynth.tasks.batch.process.run import run_in_process

            return run_in_process(request, events.append, progress)

        return work

    def cancel(self) -> None:
        """Stop the run within a second; what is done stays."""
        if self._runs.busy:
            self._runs.cancel()
            self._button.text = "Cancelling …"
            self._button.enabled = False

    def _on_button(self, *_: Any) -> None:
        if self._runs.busy:
            self.cancel()
        else:
            self.run()

    def _on_tick(self, tick: Tick) -> None:
        self._bar.setRange(0, max(tick.total, 0))
        self._bar.setValue(tick.done)
        if tick.message:
            self._status.value = f"{tick.message} …"

    def _take_events(self) -> None:
        """Show what the process has sent since."""
        from napari_cytosynth.tasks.batch.process.messages import ItemFinished, Planned, Started

        files = self._file_list.files
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Planned):
                files.show(rows_of(event.plan.items))
            elif isinstance(event, Started):
                files.update(event.row, "running")
            elif isinstance(event, ItemFinished):
                state: Any = event.outcome.state
                files.update(event.row, state, event.outcome)
                if event.row == self._file_list.chosen():
                    self._show_detail(event.row)
        if self._runs.busy:
            self._take_soon.start()

    def _on_end(self, outcome: Outcome[Ended]) -> None:
        self._take_soon.stop()
        self._take_events()
        self._show_running(False)
        self._file_list.files.stop()
        ended = outcome.value
        # what is done anew begins anew: the next run could not tell what this one has done
        begun = any(row.finished for row in self.rows)
        self._set_unfinished(ended is None and (begun or outcome.stopped) and not self._anew)
        if ended is None:
            if outcome.stopped:
                self._status.value = _STOPPED if self._unfinished else _STOPPED_ANEW
            else:
                self._show_error(outcome.error)
            return
        self._show_result(ended.files)
        self._status.value = " ".join([self._file_list.files.sentence(), *ended.messages])

    def _show_error(self, error: Any) -> None:
        self._status.value = f"⚠ {in_the_form(str(error))}"

    def _show_running(self, running: bool) -> None:
        self._button.text = "Cancel" if running else "Start"
        self._button.enabled = True
        parts: tuple[Any, ...] = (*self._sources, *self._pick, self._browse)
        for part in (*parts, self._out, self._recursive):
            part.enabled = not running
        self._file_list.takes_files = not running
        self._bar.setRange(0, 0)
        self._bar.setVisible(running)

    def _set_unfinished(self, unfinished: bool) -> None:
        """Let the button say whether it goes on with what was stopped."""
        self._unfinished = unfinished
        if not self._runs.busy:
            self._button.text = "Resume" if unfinished and self._file_list.files.rows else "Start"

    # -- results --------------------------------------------------------------------------------

    def _show_result(self, files: tuple[Path, ...]) -> None:
        self._files = files
        shown = [path.name for path in files if path.suffix in (".csv", ".html")]
        place = files[0].parent if files else ""
        self._summary.value = f"Tables and page in {place}: {', '.join(shown)}" if shown else ""
        self._summary.visible = bool(shown)
        self._show_page.enabled = self._show_folder.enabled = bool(files)

    def _open_outside(self, ending: str) -> None:
        """Open a file of the summary, or its folder, with the system's own program."""
        for path in self._files:
            if path.name.endswith(ending):
                place = path if ending else path.parent
                QDesktopServices.openUrl(QUrl.fromLocalFile(str(place)))
                return

    def _on_row(self, *_: Any) -> None:
        self._show_detail(self._file_list.chosen())

    def _show_detail(self, number: int | None) -> None:
        rows = self._file_list.files.rows
        if number is None or number >= len(rows):
            self._detail.value = ""
            return
        row = rows[number]
        sentence = row.summary if row.state == "failed" else f"{row.summary}. {row.sentence}"
        self._detail.value = f"{row.item.title}: {sentence}"

    def _on_clicked(self, index: QModelIndex) -> None:
        self.open_row(self._file_list.row_at(index))

    def open_row(self, number: int) -> None:
        """Open image and result of a row as layers, in place of those opened before."""
        row, out = self._file_list.files.rows[number], self._out_used
        self._show_detail(number)
        if not row.finished or row.outcome is None or out is None:
            return
        outcome, title = row.outcome, row.item.title
        self._opens.start(
            lambda progress: load_layers(outcome, out, progress),
            lambda opened: self._on_opened(opened, title),
        )

    def _on_opened(self, outcome: Outcome[list[Any]], title: str) -> None:
        if outcome.value is not None:
            kept = self._opened.show(outcome.value)
            self._detail.value += _KEPT if kept else ""
        elif outcome.error:
            self._detail.value = f"⚠ {title}: {outcome.error}"

    # -- the dock -------------------------------------------------------------------------------

    def _all_jobs(self) -> tuple[JobRunner[Any], ...]:
        return (self._runs, self._looks, self._loads, self._opens)

    def _on_removed(self, *_: Any) -> None:
        self._opened.prune()

    def _on_parent(self, _: Any = None) -> None:
        if self.native.parent() is None:  # the dock was closed
            for jobs in self._all_jobs():
                jobs.close()
            self._look_soon.stop()
            self._take_soon.stop()
            self._opened.forget()
