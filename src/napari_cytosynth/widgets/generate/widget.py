"""The Generate widget: synthetic images with live previews, each with its seed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.opening import open_widget
from napari_cytosynth.widgets.common.parts import heading, make_scrollable
from napari_cytosynth.widgets.common.preview_queue import PreviewQueue

from .form import GenerateForm
from .job import compute, describe, look_up
from .live import LiveGeneration
from .panel import GeneratePanel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick

    from .job import GenerateJob, GenerationPreview, NearestResult, RunResult, Tasks

__all__ = ["GenerateWidget"]


class GenerateWidget(GenerateForm):
    """Makes synthetic images, one for each seed.

    A script drives it by value: ``widget.model.value = "nuclei-ddpm"``,
    ``widget.how_many.value = 16``, ``widget.seed.value = 7``, ``widget.run()``,
    ``widget.wait()``, ``widget.show_as_grid.value = True``.

    Parameters
    ----------
    napari_viewer
        The viewer that gets the images.
    tasks
        Functions that run the model. None (default): those of this package.

    Attributes
    ----------
    model, class_name, how_many, seed, image_size
        Options of a run: magicgui widgets, each with a ``value``.
    sampler, steps, guidance, conditions, keep_trajectory, device
        The same, folded under “Advanced”.
    show_as_grid
        All images side by side.
    seed_from, seed_to, walk_images
        The walk between two seeds that `vary` makes.
    training_data
        Folder of the training data, for `look_up_nearest`.
    status, in_view, distances
        The sentences that the user reads.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, tasks: Tasks | None = None) -> None:
        self._tasks = tasks
        self._live: LiveGeneration | None = None
        self._running: LiveGeneration | None = None
        self._queue: PreviewQueue[GenerationPreview] = PreviewQueue()
        self._enough = threading.Event()
        super().__init__(napari_viewer)
        self._lay_out()
        self._look_ups: JobRunner[NearestResult] = JobRunner(self.native)
        self._files: JobRunner[str] = JobRunner(self.native)
        self._connect()
        self._on_model()
        self._enable_result()

    # -- building -----------------------------------------------------------------------

    def _lay_out(self) -> None:
        layout = self.native.layout()
        self._panel = GeneratePanel()
        for part in (
            self._messages, self._advanced,
            heading("The images"), self._panel.native,
        ):  # fmt: skip
            layout.addWidget(part)
        for name, part in self._panel.parts().items():
            object.__setattr__(self, name, part)
        self.in_view = self._panel.in_view
        self.distances = self._panel.distances
        make_scrollable(self.native)

    def _connect(self) -> None:
        panel = self._panel
        panel.show_as_grid.changed.connect(self._on_grid)
        panel.save.changed.connect(lambda *_: self.save())
        panel.save_animation.changed.connect(lambda *_: self.save_animation())
        panel.script.changed.connect(lambda *_: self.copy_as_python())
        panel.take_from.changed.connect(lambda *_: self._take_seed(panel.seed_from))
        panel.take_to.changed.connect(lambda *_: self._take_seed(panel.seed_to))
        panel.teach.changed.connect(lambda *_: self.use_for_training())
        panel.walk.changed.connect(lambda *_: self.vary())
        panel.look_up.changed.connect(lambda *_: self.look_up_nearest())
        self._viewer.dims.events.current_step.connect(self._on_step)
        self._viewer.layers.events.removed.connect(self._on_removed)

    # -- for scripts ----------------------------------------------------------------------

    @property
    def generation(self) -> Any:
        """The result in view, or None before the first run."""
        return None if self._live is None else self._live.generation

    @property
    def busy(self) -> bool:
        """Whether a run, a look-up or saving is under way."""
        return any(jobs.busy for jobs in self._all_jobs())

    def wait(self, timeout: float = 600.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        return all(jobs.wait(timeout) for jobs in self._all_jobs())

    def unfold(self, title: str) -> None:
        """Open a folded part by its title, such as “Nearest training image”."""
        self._panel.unfold(title)

    def vary(self) -> None:
        """Make the images between two seeds, with the settings of the form."""
        panel = self._panel
        ends = panel.seed_from.value, panel.seed_to.value
        self._launch(lambda: self._prepared(self._job(ends, panel.walk_images.value)))

    def cancel(self) -> None:
        """Stop after the step that is being computed, and keep the images that are finished."""
        if self._runs.busy:
            self._enough.set()
            self._run_button.text = "Cancelling …"
            self._run_button.enabled = False

    # -- the run ----------------------------------------------------------------------------

    def _work(self) -> Callable[[Progress], RunResult]:
        return self._prepared(self._job())

    def _prepared(self, job: GenerateJob) -> Callable[[Progress], RunResult]:
        self._queue, self._enough = PreviewQueue(), threading.Event()
        self._running = LiveGeneration(self._viewer)
        queue, enough, tasks = self._queue, self._enough, self._tasks
        return lambda progress: compute(job, progress, queue, enough, tasks)

    def _on_tick(self, tick: Tick) -> None:
        super()._on_tick(tick)
        for preview in self._queue.take():
            if self._running is not None:
                if self._live is not None:  # it lies at the same place
                    self._live.hide()
                self._running.update(preview)

    def _accept(self, value: RunResult) -> None:
        if self._live is not None:
            self._live.hide()
            self._forget_result()
        live, self._running = self._running, None
        assert live is not None
        live.finish(value)
        self._live = live
        if over := self._foreign_axes(value):  # else the slider may stand beyond the samples
            self._viewer.dims.set_current_step(over, 0)
        self._enable_result()
        self._on_step()

    def _foreign_axes(self, value: RunResult) -> int:
        """Return how many axes other layers have more: napari aligns the last ones of all."""
        own = 3 + (value.generation.trajectory is not None)
        return max(0, int(self._viewer.dims.ndim) - own)

    def _reject(self) -> None:
        if self._running is not None:
            self._running.discard()
            self._running = None
            if self._live is not None:
                self._live.show_again()

    def _headline(self, value: RunResult) -> str:
        done, wanted = len(value.generation), value.job.options.count
        noun = "image" if done == 1 else "images"
        if done < wanted:
            return f"Stopped: {done} of {wanted} images are finished and kept."
        text = f"Done: {done} synthetic {noun}."
        if self._foreign_axes(value):
            text += (
                " Other layers have a slider more, so that these samples move with the one named "
                "“step”: remove those layers to have them move with “sample”."
            )
        return text

    def _show_running(self, running: bool) -> None:
        super()._show_running(running)
        self._panel.walk.enabled = not running

    def _provenance(self) -> dict[str, Any] | None:
        return None if self._live is None else dict(self._live.generation.provenance)

    def _all_jobs(self) -> tuple[JobRunner[Any], ...]:
        return (self._runs, self._look_ups, self._files)

    # -- the result ---------------------------------------------------------------------------

    def _on_grid(self, wanted: bool) -> None:
        if self._live is not None:
            self._live.show_grid(wanted)
            self._on_step()

    def _on_step(self, *_: Any) -> None:
        live = self._live
        number = None if live is None else live.sample_in_view()
        if live is None or number is None:
            self._panel.in_view.value = ""
            return
        self._panel.in_view.value = describe(live.generation, number)

    def _take_seed(self, box: Any) -> None:
        number = None if self._live is None else self._live.sample_in_view()
        if self._live is not None and number is not None:
            box.value = self._live.generation.seeds[number]

    def look_up_nearest(self) -> None:
        """Look up the nearest training image of each image."""
        live = self._live
        if live is None or self._look_ups.busy:
            return
        result, tasks = live.result, self._tasks
        folder = self._panel.training_data.value.strip() or None
        self._panel.distances.value = "Looking it up …"
        self._look_ups.start(
            lambda progress: look_up(result, folder, progress, tasks),
            lambda outcome: self._on_looked_up(live, outcome),
        )

    def _on_looked_up(self, live: LiveGeneration, outcome: Outcome[NearestResult]) -> None:
        if outcome.value is None:
            self._panel.distances.value = "" if outcome.stopped else f"⚠ {outcome.error}"
            self._panel.show_table(None)
            return
        self._panel.distances.value = outcome.value.sentence
        self._panel.show_table(outcome.value.table)
        live.show_neighbours(outcome.value.layers)
        self._on_step()

    def use_for_training(self) -> None:
        """Open Train, which learns from these images and their masks."""
        if self._live is not None and self._live.generation.masks is not None:
            open_widget(self._viewer, "Train").use_synthetic(self._live.generation)

    # -- files ----------------------------------------------------------------------------------

    def save(self, path: str | Path | None = None) -> None:
        """Save the result into a new folder; without a path, ask for one."""
        if self._live is None:
            return
        path = path or self._ask("Save into a new folder", "synthetic", "")
        if path:
            generation = self._live.generation
            self._write(lambda: generation.save(path), path)

    def save_animation(self, path: str | Path | None = None) -> None:
        """Save the images emerging, or the walk, as a GIF; without a path, ask for one."""
        if self._live is None:
            return
        asked = path is None  # the dialog has asked about a file that is there already
        path = path or self._ask("Save animation", "synthetic.gif", "GIF (*.gif)")
        if path:
            generation = self._live.generation
            self._write(lambda: generation.save_animation(path, overwrite=asked), path)

    def _ask(self, title: str, name: str, kind: str) -> str:
        path, _ = QFileDialog.getSaveFileName(self.native, title, name, kind)
        return str(path)

    def _write(self, write: Callable[[], Any], path: str | Path) -> None:
        def work(progress: Progress) -> str:
            progress(0, 0, "Saving")
            write()
            return f"Saved {path}"

        def done(outcome: Outcome[str]) -> None:
            self._show_status(outcome.value or f"⚠ {outcome.error}")

        self._show_status("Saving …")
        self._files.start(work, done)

    # -- events of the viewer and the dock ---------------------------------------------------

    def _on_removed(self, *_: Any) -> None:
        if self._live is not None and not self._live.alive:
            self._forget_result()

    def _forget_result(self) -> None:
        self._look_ups.forget()
        self._live = None
        with self._panel.show_as_grid.changed.blocked():
            self._panel.show_as_grid.value = False
        for label in (self._panel.in_view, self._panel.distances):
            label.value = ""
        self._panel.show_table(None)
        self._enable_result()

    def _enable_result(self) -> None:
        there = self._live is not None
        generation = self.generation
        film = there and (generation.trajectory is not None or generation.walk is not None)
        masks = there and generation.masks is not None
        self._panel.enable(result=there, film=film, masks=masks)
