"""The Stain widget: virtual stains with live previews, uncertainty and comparisons."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from magicgui.widgets import PushButton
from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import OutputError
from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.model_choice import OTHER
from napari_cytosynth.widgets.common.parts import heading, make_scrollable
from napari_cytosynth.widgets.common.preview_queue import PreviewQueue
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

from .comparison import compare_with_real
from .form import StainForm
from .job import StainRequest, compute
from .live import LiveStain
from .second_opinion import compare_models
from .trust_panel import TrustPanel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick

    from .comparison import ComparisonResult
    from .job import StainPreview, StainRunResult
    from .second_opinion import DisagreementResult

__all__ = ["StainWidget"]


class StainWidget(StainForm):
    """Predicts fluorescent stains from an image, with an uncertainty for every pixel.

    A script drives it by value: ``widget.image.value = layer``,
    ``widget.model.value = "u2os-brightfield-pix2pixhd"``, ``widget.samples.value = 16``,
    ``widget.run()``, ``widget.wait()``, ``widget.hide_uncertain.value = 20``.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered and that gets the result.
    stain
        Function that runs the network. Default: :func:`napari_cytosynth.stain`.
    check_image
        Function that checks an image against a model's card before the run. Default:
        :func:`napari_cytosynth.tasks.common.input_check.check_image`.

    Attributes
    ----------
    image, model, stains, samples, axes, planes, resample
        Input of a run: magicgui widgets, each with a ``value``.
    focal_planes
        For a model of several focal planes: ``focal_planes.chosen`` are the planes of a stack
        that it takes, None for an automatic choice.
    seed, tolerance, keep_samples, inject_dropout, device, pixel_size
        The same, folded under “Advanced”.
    hide_uncertain
        Percentage of the pixels to hide, the least certain first.
    compare_with, compare_as, compare_cells
        A layer with the real stain, the virtual stain that it stands for, and labels.
    other_model
        The model to compare with.
    status, hidden, agreement, opinion
        The sentences that the user reads.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        stain: Callable[..., Any] | None = None,
        check_image: Callable[..., list[str]] | None = None,
    ) -> None:
        self._stain = stain
        self._live: LiveStain | None = None
        self._running: LiveStain | None = None
        self._queue: PreviewQueue[StainPreview] = PreviewQueue()
        self._enough = threading.Event()
        super().__init__(napari_viewer, check_image)
        self._lay_out()
        self._comparisons: JobRunner[ComparisonResult] = JobRunner(self.native)
        self._model_comparisons: JobRunner[DisagreementResult] = JobRunner(self.native)
        self._connect()
        self._choose_active_layer()
        self._on_model()
        self._on_image()
        self._enable_result()
        self._on_check_input()

    # -- building -----------------------------------------------------------------------

    def _lay_out(self) -> None:
        layout = self.native.layout()
        self._panel = TrustPanel(self._real_images, self._label_layers)
        self._script = PushButton(
            text="Copy as Python", tooltip="Copy a script that makes this result again."
        )
        for part in (
            self._bar, self.status.native,
            heading("Can it be trusted?"), self._panel.native, self._script.native,
            self._advanced,
        ):  # fmt: skip
            layout.addWidget(part)
        for name, part in self._panel.parts().items():
            object.__setattr__(self, name, part)
        self.hidden = self._panel.hidden
        self.agreement = self._panel.agreement
        self.opinion = self._panel.opinion
        make_scrollable(self.native)

    def _connect(self) -> None:
        panel = self._panel
        panel.hide_uncertain.changed.connect(self._on_hide)
        for part in (panel.compare_with, panel.compare_as, panel.compare_cells):
            part.changed.connect(self._on_compare)
        panel.save_cells.changed.connect(lambda *_: self.save_csv())
        panel.ask.changed.connect(self._on_compare_models)
        self._script.changed.connect(lambda *_: self.copy_as_python())
        self._viewer.layers.events.removed.connect(self._on_removed)

    def _real_images(self, _: Any = None) -> list[Any]:
        return layers.image_layers(self._viewer)

    def _label_layers(self, _: Any = None) -> list[Any]:
        return layers.label_layers(self._viewer)

    def reset_choices(self, *_: Any) -> None:
        """List layers and models again; napari calls this when layers come and go."""
        super().reset_choices()
        if hasattr(self, "_panel"):
            self._panel.reset_choices()

    # -- for scripts ----------------------------------------------------------------------

    @property
    def staining(self) -> Any:
        """The result in view, or None before the first run."""
        return None if self._live is None else self._live.staining

    @property
    def busy(self) -> bool:
        """Whether a run or a comparison is under way."""
        return any(jobs.busy for jobs in self._all_jobs())

    def wait(self, timeout: float = 600.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        self._focus.wait(timeout)  # the check waits for it
        if self._check_soon.isActive():
            self._start_check()
        return all(jobs.wait(timeout) for jobs in self._all_jobs())

    def unfold(self, title: str) -> None:
        """Open a folded part by its title, such as “Compare with a real stain”."""
        self._panel.unfold(title)

    def enough(self, *_: Any) -> None:
        """Stop drawing samples and keep those that were drawn."""
        if self._runs.busy:
            self._enough.set()
            self._enough_button.enabled = False
            self._show_status("Finishing with the samples drawn so far …")

    def save_csv(self, path: str | Path | None = None) -> None:
        """Save the table of the comparison; without a path, ask for one."""
        table = self._panel.table
        if table is None:
            return
        if path is None:
            path, _ = QFileDialog.getSaveFileName(
                self.native, "Save table", "comparison.csv", "CSV (*.csv)"
            )
            if not path:
                return
        try:
            layers.save_table(table, path)
        except OutputError as error:
            self._show_status(f"⚠ {error}")
        else:
            self._show_status(f"Saved {path}")

    # -- the run ----------------------------------------------------------------------------

    def _work(self) -> Callable[[Progress], StainRunResult]:
        request = self._request()
        self._queue, self._enough = PreviewQueue(), threading.Event()
        self._running = LiveStain(self._viewer)
        queue, enough, stain = self._queue, self._enough, self._stain
        return lambda progress: compute(request, progress, queue, enough, stain)

    def _request(self) -> StainRequest:
        return StainRequest(
            stains=self._chosen_stains(),
            samples=self._samples.value,
            seed=self.seed.value,
            tolerance=self.tolerance.value / 100 or None,
            keep_samples=self.keep_samples.value,
            inject_dropout=self.inject_dropout.value or None,
            **self._common_request(),
        )

    def _on_tick(self, tick: Tick) -> None:
        if not self._enough.is_set():
            super()._on_tick(tick)
        for preview in self._queue.take():
            if self._running is not None:
                self._running.update(preview)

    def _accept(self, value: StainRunResult) -> None:
        self._forget_result()
        live, self._running = self._running, None
        assert live is not None
        live.finish(value)
        self._live = live
        self._panel.offer_stains(live.staining.channels)
        self._enable_result()
        self._on_compare()

    def _reject(self) -> None:
        if self._running is not None:
            self._running.discard()
            self._running = None

    def _provenance(self) -> dict[str, Any] | None:
        return None if self._live is None else dict(self._live.staining.provenance)

    def _all_jobs(self) -> tuple[JobRunner[Any], ...]:
        others = (self._comparisons, self._model_comparisons)
        return (self._runs, self._focus, self._checks, *others)

    # -- trust --------------------------------------------------------------------------------

    def _on_hide(self, percent: int) -> None:
        if self._live is not None:
            self._panel.hidden.value = self._live.hide(percent / 100)

    def _on_compare(self, *_: Any) -> None:
        live, real, name = self._live, self.compare_with.value, self.compare_as.value
        self._comparisons.forget()
        if live is None or real is None or name is None:
            self._panel.agreement.value = ""
            self._panel.show_cells(None)
            return
        labels, staining = self.compare_cells.value, live.staining
        real = LayerSnapshot.of(real)
        cells = None if labels is None else LayerSnapshot.of(labels)
        self._panel.agreement.value = "Comparing …"
        self._comparisons.start(
            lambda progress: compare_with_real(staining, name, real, cells, progress),
            self._on_compared,
        )

    def _on_compared(self, outcome: Outcome[ComparisonResult]) -> None:
        if outcome.value is None:
            self._panel.agreement.value = "" if outcome.stopped else f"⚠ {outcome.error}"
            self._panel.show_cells(None)
        elif self._live is not None:
            self._panel.agreement.value = outcome.value.sentence
            self._panel.show_cells(outcome.value.table)
            self._live.show_extra("difference", outcome.value.layers)

    def _on_compare_models(self, *_: Any) -> None:
        if self._model_comparisons.busy:
            self._model_comparisons.cancel()
        else:
            self.ask_other()

    def ask_other(self) -> None:
        """Stain the same image with the other model and show where the two disagree."""
        if self._live is None or self._model_comparisons.busy:
            return
        model = self.other_model.value
        if model == OTHER:
            self._panel.opinion.value = "⚠ Choose a model first."
            return
        live, stain = self._live, self._stain
        staining, request = live.staining, live.request
        self._panel.ask.text = "Cancel"
        self._panel.opinion.value = "Asking …"
        self._model_comparisons.start(
            lambda progress: compare_models(staining, request, model, progress, stain),
            lambda outcome: self._on_models_compared(live, outcome),
            lambda tick: setattr(self._panel.opinion, "value", f"{tick.message} …"),
        )

    def _on_models_compared(self, live: LiveStain, outcome: Outcome[DisagreementResult]) -> None:
        self._panel.ask.text = "Ask it"
        if outcome.value is None:
            self._panel.opinion.value = "Stopped." if outcome.stopped else f"⚠ {outcome.error}"
        else:
            self._panel.opinion.value = outcome.value.sentence
            live.show_extra("disagreement", outcome.value.layers)

    # -- events of the viewer and the dock ---------------------------------------------------

    def _on_removed(self, *_: Any) -> None:
        if self._live is not None and not self._live.alive:
            self._forget_result()

    def _forget_result(self) -> None:
        for jobs in (self._comparisons, self._model_comparisons):
            jobs.forget()
        if self._live is not None:
            self._live.release()
            self._live = None
        with self._panel.hide_uncertain.changed.blocked():
            self._panel.hide_uncertain.value = 0
        for label in (self._panel.hidden, self._panel.agreement, self._panel.opinion):
            label.value = ""
        self._panel.ask.text = "Ask it"
        self._panel.show_cells(None)
        self._enable_result()

    def _enable_result(self) -> None:
        there = self._live is not None
        sure = self._live is not None and self._live.staining.std is not None
        self._panel.enable(result=there, uncertainty=sure)
        self._script.enabled = there
