"""The Train widget: form, training in another process, result that is kept or discarded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QMessageBox

from napari_cytosynth.errors import CytosynthError
from napari_cytosynth.widgets.common.closing import CloseGuard
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.opening import open_widget

from .job import check_folder
from .proposal.finder import PlaceFinder
from .result.comparison import ModelComparison
from .result.wording import describe
from .running import RunningForm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer

    from napari_cytosynth.training.teach.process.messages import Tuned
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick

    from .job import TrainResult
    from .proposal.finding import Proposal

__all__ = ["TrainWidget"]

_WIDGETS = {"segment": "Segment", "stain": "Stain", "generate": "Generate"}
_BUTTONS = QMessageBox.StandardButton


class TrainWidget(RunningForm):
    """Teaches a model the user's images: from strokes or objects, stains, or images alone.

    A script drives it by value: ``widget.model.value = "em-mitochondria-unet"``,
    ``widget.pairs.value = [(image, strokes)]``, ``widget.minutes.value = 3``, ``widget.run()``,
    ``widget.wait()``, ``widget.keep()``.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered and that shows the comparison.
    tune
        Does the training. Default:
        :func:`~napari_cytosynth.training.teach.process.run.tune_in_process`.

    Attributes
    ----------
    teaches, model, kind, pairs, sparse, stains, images, folder, minutes, new_name, seed, steps
        What is trained: parts with a ``value``.
    status
        The sentence that the user reads.
    curves
        Loss and score of the training that runs.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        tune: Callable[..., Tuned] | None = None,
    ) -> None:
        self._comparison = ModelComparison(napari_viewer)
        super().__init__(napari_viewer, tune)
        self._checks: JobRunner[list[tuple[str, str]]] = JobRunner(self.native)
        self._folder.chosen.connect(self.check)
        self._keep.changed.connect(lambda *_: self.keep())
        self._guard = CloseGuard(self.native, self._may_close)
        self._finder = PlaceFinder(napari_viewer, self.native, self._on_place)
        self._next.changed.connect(lambda *_: self.propose())
        self._newest = ""
        self._model.changed.connect(self._forget_newest)

    # -- the folder -------------------------------------------------------------------------

    def check(self) -> None:
        """Look at the chosen folder in the background, and list what is found."""
        try:
            folder, model = self._chosen_folder(), self._chosen_model()
        except CytosynthError as error:
            self._show_status(f"⚠ {error}")
            return
        card = self._model.card(model)
        if card is None:
            return
        self._checks.start(lambda _: check_folder(card, model, folder), self._on_checked)

    def _on_checked(self, outcome: Outcome[list[tuple[str, str]]]) -> None:
        if outcome.value is not None:
            self._folder.show_findings(outcome.value)
        elif outcome.error:
            self._folder.show_findings([("error", outcome.error)])

    def _on_model(self, *arguments: Any) -> None:
        super()._on_model(*arguments)
        if hasattr(self, "_checks") and self._folder.path.value and self._folder.visible:
            self.check()

    # -- where to paint next -----------------------------------------------------------------

    def propose(self) -> None:
        """Go to the place of which the model is least certain; while it looks, stop that.

        The model is the one that was trained last, if it is kept or waits to be, else the one to
        start from.
        """
        if self._finder.jobs.busy:
            self._finder.jobs.cancel()
            return
        try:
            found = self._found
            model = str(found.tuned.model) if found and found.tuned.better else self._newest
            self._finder.start(self._pairs.value, model or self._chosen_model(), self._on_looking)
        except CytosynthError as error:
            self._show_status(f"⚠ {error}")
            return
        self._next.text = "Stop looking"
        self._bar.setRange(0, 0)
        self._bar.setVisible(True)
        self._show_status("Looking for the place of which the model is least certain …")

    def _on_looking(self, tick: Tick) -> None:
        if not self._runs.busy:
            self._bar.setRange(0, max(tick.total, 0))
            self._bar.setValue(tick.done)

    def _on_place(self, place: Proposal | None, sentence: str) -> None:
        self._next.text = "Where next?"
        self._bar.setVisible(self._runs.busy)
        self._show_status(sentence)
        if place is None:
            return
        image = place.candidate.layer
        labels = next((labels for one, labels in self._pairs.value if one is image), None)
        if labels is None:
            self.paint()
            self._show_status(sentence)
        elif labels in self._viewer.layers:
            self._viewer.layers.selection.active = labels
            labels.mode = "paint"

    def _forget_newest(self, *_: Any) -> None:
        self._newest = ""

    # -- the result ---------------------------------------------------------------------------

    @property
    def result(self) -> TrainResult | None:
        """The training that is over, and neither kept nor discarded."""
        return self._found

    def _show_result(self, result: TrainResult) -> None:
        self._found = result
        self._show_status(describe(result))
        self._comparison.show(result)

    def _forget_result(self) -> None:
        self._found = None

    def _clear_result(self) -> None:
        self._found = None
        self._comparison.remove()
        self._sharing.offer(None)
        self._finder.mark.remove()

    def keep(self) -> Path | None:
        """Put the new model among the user's own and choose it in its widget; return its folder."""
        found = self._found
        if found is None or not found.tuned.better:
            return None
        from napari_cytosynth.training.teach.runs import keep_model

        try:
            place = keep_model(found.run, found.tuned.model)
        except CytosynthError as error:
            self._show_status(f"⚠ {error}")
            return None
        self._run = None
        self._clear_result()
        self._show_waiting()
        self._model.refresh()
        title = _WIDGETS[found.tuned.task]
        self._choose_in(title, place)
        self._newest = str(place)
        self._sharing.offer(place)
        self._show_status(f"Kept in {place}, and chosen in {title}.")
        return place

    def _choose_in(self, title: str, place: Path) -> None:
        widget = open_widget(self._viewer, title)
        widget.model.refresh()
        widget.model.value = place.name  # own models are known by their names

    # -- the window and the dock ----------------------------------------------------------------

    def _all_jobs(self) -> tuple[JobRunner[Any], ...]:
        return (self._runs, self._checks, self._finder.jobs, self._sharing.jobs)

    def _may_close(self) -> bool:
        """Ask whether a training is to be paused; return whether napari may close."""
        if not self._runs.busy:
            return True
        answer = QMessageBox.warning(
            self.native,
            "A training is under way",
            "It is paused when napari closes: Train offers to go on with it from the last whole "
            "epoch the next time.",
            _BUTTONS.Close | _BUTTONS.Cancel,
            _BUTTONS.Cancel,
        )
        return bool(answer == _BUTTONS.Close)

    def _on_parent(self, parent: Any = None) -> None:
        super()._on_parent(parent)
        if self.native.parent() is None:
            self._take_soon.stop()
