"""The Stain widget: virtual stains with live previews, uncertainty and comparisons."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from magicgui.widgets import PushButton
from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import OutputError
from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.in_view import FieldLayers
from napari_cytosynth.widgets.common.parts import heading, make_scrollable
from napari_cytosynth.widgets.common.preview_queue import PreviewQueue
from napari_cytosynth.widgets.common.result_settings import ResultSettings

from .comparing import Comparisons
from .doubt.doubts import Doubts
from .doubt.panel import DoubtPanel
from .field import compute_in_view_first
from .form import StainForm
from .job import StainRequest
from .live import LiveStain
from .remarks import worth_of_spreads
from .shown.panel import ShownPanel
from .shown.removal import LayerRemover
from .shown.result_layers import StainRegister
from .shown.view import StainView
from .trust_panel import TrustPanel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer
    from qtpy.QtWidgets import QWidget

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.jobs import JobRunner, Tick

    from .job import StainPreview, StainRunResult

__all__ = ["StainWidget"]

_KEPT = "What you put into a layer yourself is kept; the new stain is in a layer of its own."


class StainWidget(StainForm):
    """Predicts fluorescent stains from an image, with an uncertainty for every pixel.

    A script drives it by value: ``widget.image.value = layer``,
    ``widget.model.value = "u2os-brightfield-pix2pixhd"``, ``widget.samples.value = 16``,
    ``widget.run()``, ``widget.wait()``, ``widget.find_nuclei()``,
    ``widget.hide_doubtful.value = 20``.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered and that gets the result.
    stain
        Function that runs the network. Default: :func:`napari_cytosynth.stain`.
    check_image
        Function that checks an image against a model's card before the run. Default:
        :func:`napari_cytosynth.tasks.common.input_check.check_image`.
    find_nuclei
        Function that finds the nuclei of a result in a stain. Default: the result's ``objects``.

    Attributes
    ----------
    image, model, stains, views, samples, axes, planes, resample
        Input of a run: magicgui widgets, each with a ``value``.
    focal_planes
        For a model of several focal planes: ``focal_planes.chosen`` are the planes of a stack
        that it takes, None for an automatic choice.
    region, at_border, seed, tolerance, keep_samples, inject_dropout, device, pixel_size
        The same, folded under “Advanced”.
    ticks
        Tick boxes of what is visible: ``ticks.stains["DNA"]``, ``ticks.sigma``, ``ticks.source``
        and ``ticks.side_by_side``, each with a ``value``.
    doubt
        Buttons and sentences on doubtful nuclei: ``doubt.next``, ``doubt.found``, ``doubt.row``.
    hide_doubtful
        Percentage to hide, the most doubtful first.
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
        find_nuclei: Callable[..., Any] | None = None,
    ) -> None:
        self._stain = stain
        self._live: LiveStain | None = None
        self._running: LiveStain | None = None
        self._queue: PreviewQueue[StainPreview] = PreviewQueue()
        self._enough = threading.Event()
        self._register = StainRegister(napari_viewer)
        self._remover: LayerRemover | None = None
        self._field = FieldLayers(napari_viewer)
        super().__init__(napari_viewer, check_image)
        self._lay_out()
        self._view = StainView(napari_viewer, self._on_view)
        self._doubts = Doubts(self.native, napari_viewer, self.doubt, self._view, find_nuclei)
        self._comparisons = Comparisons(
            self.native, self._panel, self._view, stain, lambda: self.nuclei
        )
        self._doubts.on_found = self._comparisons.tell_doubt
        self._connect()
        self._choose_active_layer()
        self._on_model()
        self._on_image()
        self._enable_result()
        self._on_check_input()

    # -- building -----------------------------------------------------------------------

    def _lay_out(self) -> None:
        layout = self.native.layout()
        self.ticks = ShownPanel()
        self.doubt = DoubtPanel()
        self._panel = TrustPanel(self._real_images, self._label_layers)
        self._script = PushButton(
            text="Copy as Python", tooltip="Copy a script that makes this result again."
        )
        self._for_files = ResultSettings(self._viewer, "Stain", self._provenance, self._show_status)
        for part in (
            self._messages, heading("Shown"), *self._result_panels(),
            heading("Can it be trusted?"), self.doubt.native, self._panel.native,
            self._script.native, self._for_files.native, self._advanced,
        ):  # fmt: skip
            layout.addWidget(part)
        for name, part in self._panel.parts().items():
            object.__setattr__(self, name, part)
        self.hide_doubtful, self.hidden = self.doubt.hide_doubtful, self.doubt.hidden
        self.agreement = self._panel.agreement
        self.opinion = self._panel.opinion
        make_scrollable(self.native)

    def _result_panels(self) -> list[QWidget]:
        """Return what stands below the messages on the result that is in view, in order."""
        return [self.ticks.native]

    def _connect(self) -> None:
        panel = self._panel
        self.ticks.connect(self._view)
        panel.save_cells.changed.connect(lambda *_: self.save_csv())
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
            self._inside.region.reset_choices()

    # -- for scripts ----------------------------------------------------------------------

    @property
    def staining(self) -> Any:
        """The result in view, or None before the first run."""
        return None if self._live is None else self._live.staining

    @property
    def nuclei(self) -> Any:
        """The nuclei that were found in the result in view, with their doubt; or None."""
        return self._doubts.nuclei

    @property
    def busy(self) -> bool:
        """Whether a run, a search or a comparison is under way."""
        return any(jobs.busy for jobs in self._all_jobs())

    def wait(self, timeout: float = 600.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        self._focus.wait(timeout)  # the check waits for it
        if self._check_soon.isActive():
            self._start_check()
        done = all(jobs.wait(timeout) for jobs in self._all_jobs())
        return done and (self._remover is None or self._remover.wait(timeout))

    def unfold(self, title: str) -> None:
        """Open a folded part by its title, such as “Compare with a real stain”."""
        self._panel.unfold(title)

    def enough(self, *_: Any) -> None:
        """Stop drawing samples and keep those that were drawn."""
        if self._runs.busy:
            self._enough.set()
            self._enough_button.enabled = False
            self._show_status("Finishing with what has been drawn so far …")

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

    def save_settings(self, path: str | Path | None = None) -> None:
        """Save what made the result, for ``cytosynth run``; without a path, ask for one."""
        self._for_files.save(path)

    def apply_to_files(self) -> Any:
        """Hand what made the result to the Batch widget, and return that."""
        return self._for_files.apply()

    # -- the run ----------------------------------------------------------------------------

    def _work(self) -> Callable[[Progress], StainRunResult]:
        request = self._request()
        self._queue, self._enough = PreviewQueue(), threading.Event()
        self._running = self._begin_live(request)
        queue, enough, stain = self._queue, self._enough, self._stain
        field = self._field.begin(self._image.value, request.axes)
        return lambda progress: compute_in_view_first(
            request, progress, queue, enough, stain, field
        )

    def _begin_live(self, request: StainRequest) -> LiveStain:
        source = self._image.value
        layers = self._register.find(source, request.channels, request.planes)
        if self._remover is None:
            self._remover = LayerRemover(self._viewer, self.native.window())
        return LiveStain(self._viewer, layers, self._view, weakref.ref(source), self._remover)

    def _request(self) -> StainRequest:
        return StainRequest(
            stains=self._chosen_stains(),
            views=self._views.value,
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
        self._field.update()
        for preview in self._queue.take():
            self._field.end()
            if self._running is not None:
                self._pause_doubts(self._running)
                self._running.update(preview)

    def _pause_doubts(self, running: LiveStain) -> None:
        """Show what is hidden in layers which another run begins to write into."""
        if self._live is not None and self._live.layers is running.layers:
            self._doubts.pause()

    def _accept(self, value: StainRunResult) -> None:
        self._field.end()
        self._forget_result()
        live, self._running = self._running, None
        assert live is not None
        live.finish(value)
        if live.kept_edits:
            value.messages.append(_KEPT)
        self._live = live
        self._enable_result()
        assert self._remover is not None
        self._comparisons.take(live, self._remover)
        self._doubts.take(live, self._remover)
        self.ticks.explain(*worth_of_spreads(live.staining))

    def _reject(self) -> None:
        self._field.end()
        if self._running is not None:
            self._running.discard()
            self._running = None
        if self._live is not None:
            self._doubts.resume()
            self._enable_result()

    def _provenance(self) -> dict[str, Any] | None:
        if self._live is None:
            return None
        nuclei = self.nuclei
        return {**self._live.staining.provenance, **({} if nuclei is None else nuclei.record)}

    def _all_jobs(self) -> tuple[JobRunner[Any], ...]:
        return (
            self._runs, self._focus, self._checks, *self._comparisons.jobs, self._doubts.jobs,
        )  # fmt: skip

    # -- trust --------------------------------------------------------------------------------

    def find_nuclei(self) -> None:
        """Find the nuclei of the result in the background, and how doubtful each of them is."""
        self._doubts.find()

    def look_at_next(self, by: int = 1) -> None:
        """Look at the next nucleus, the most doubtful first; at the one before with -1."""
        self._doubts.step(by)

    def ask_other(self) -> None:
        """Stain the same image with the other model and show where the two disagree."""
        self._comparisons.ask_other()

    # -- events of the viewer and the dock ---------------------------------------------------

    def _on_view(self) -> None:
        self.ticks.follow(self._view)

    def _on_model(self, *_: Any) -> None:
        super()._on_model()
        if hasattr(self, "_view") and not self._view.stains:
            self.ticks.offer(self._stain_choices())
            self._on_view()

    def _on_removed(self, *_: Any) -> None:
        self._register.prune()
        if self._live is not None and not self._live.alive:
            self._forget_result()
        self._view.refresh()

    def _on_parent(self, parent: Any = None) -> None:
        super()._on_parent(parent)
        if self.native.parent() is None and hasattr(self, "_view"):
            self._view.release()

    def _forget_result(self) -> None:
        self._comparisons.drop()
        self._doubts.drop()
        self._live = None
        self._enable_result()

    def _enable_result(self) -> None:
        there = self._live is not None
        self._panel.enable(result=there)
        self._script.enabled = there
        self._for_files.enable(there)
