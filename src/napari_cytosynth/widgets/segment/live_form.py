"""The part of the Segment widget in which labels follow the threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.widgets.common.checked_form import CheckedForm
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.parts import Steady, single_shot

from .job import count_stack, measured, relabel, relabel_only

if TYPE_CHECKING:
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.common.jobs import Outcome
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

    from .job import OwnColumns, RelabelResult, StackCounts
    from .live import LiveSegmentation, Readout
    from .panels import ThresholdPanel

__all__ = ["LiveForm"]

_SETTLE_MS = 250


class LiveForm(CheckedForm):
    """Form whose last result follows the threshold panel: at once in view, then as a whole.

    Attributes
    ----------
    readout
        The sentence about the objects at the threshold.
    """

    _panel: ThresholdPanel
    _live: LiveSegmentation | None = None
    readout: Any

    def _begin_following(self) -> None:
        """Make the workers and timers; the form has its panel by now."""
        self._updates: JobRunner[RelabelResult] = JobRunner(self.native)
        self._trees: JobRunner[Any] = JobRunner(self.native)
        self._counts: JobRunner[StackCounts] = JobRunner(self.native)
        self._settle = single_shot(self.native, _SETTLE_MS, self._relabel)
        self._look_ahead = single_shot(self.native, _SETTLE_MS, self._build_tree)
        self._steady = Steady(self.readout.native)
        self._panel.moved.connect(self._on_moved)
        self._panel.settled.connect(self._relabel)
        self._viewer.dims.events.current_step.connect(self._on_plane)

    def _intensity_snapshot(self) -> tuple[LayerSnapshot, ...]:
        """Return the layers whose intensity is measured. Default: none."""
        return ()

    def _stop_following(self) -> None:
        """Leave the last result as it is."""
        for timer in (self._settle, self._look_ahead):
            timer.stop()
        for jobs in (self._updates, self._trees, self._counts):
            jobs.forget()
        self._steady.release()
        self._live = None

    def _on_moved(self) -> None:
        if self._live is None:
            return
        self._updates.forget()
        self._steady.hold()
        readout = self._live.show(self._panel.label_options())
        self._show_readout(readout)
        if self._live.needs_tree() is not None:
            self._build_tree()
        if readout.linked and (readout.stack is None or readout.stack_threshold is not None):
            self._count()
        self._settle.start()

    def _relabel(self) -> None:
        self._settle.stop()
        self._steady.release()
        live = self._live
        if live is None:
            return
        segmentation, options = live.segmentation, self._panel.label_options()
        intensity, own = self._intensity_snapshot(), live.own_columns()

        def work(progress: Progress) -> RelabelResult:
            return relabel(segmentation, options, intensity, progress, live.stain, own)

        if "Z" in segmentation.axes and options.link_planes:
            # volumes take longer than labels, which are shown before
            self._updates.start(
                lambda progress: relabel_only(segmentation, options, progress),
                lambda outcome: self._on_labels(outcome, intensity, own),
            )
        else:
            self._updates.start(work, self._on_update)

    def _on_labels(
        self,
        outcome: Outcome[RelabelResult],
        intensity: tuple[LayerSnapshot, ...],
        own: OwnColumns | None,
    ) -> None:
        """Show the labels of a stack, then measure them."""
        self._on_update(outcome)
        live, update = self._live, outcome.value
        if live is None or update is None or outcome.stopped:
            return

        def done(table: Outcome[RelabelResult]) -> None:
            if table.value is not None and live is self._live:
                live.apply_table(table.value)
                self._show_messages(table.value)
            elif table.error and not table.stopped:
                self._show_status(f"⚠ {table.error}")

        self._updates.start(
            lambda progress: measured(update, intensity, progress, live.stain, own), done
        )

    def _on_update(self, outcome: Outcome[RelabelResult]) -> None:
        if self._live is None or outcome.stopped:
            return
        if outcome.value is None:
            self._show_status(f"⚠ {outcome.error}")
        else:
            self._show_readout(self._live.apply(outcome.value))
            self._panel.confidence.show_confidences(self._live.confidences())
            if self._live.needs_tree() is not None:  # splitting was switched on or off
                self._look_ahead.start()
            self._show_messages(outcome.value)

    def _show_messages(self, update: RelabelResult) -> None:
        if update.messages:
            self._show_status(" ".join(update.messages))

    def _build_tree(self) -> None:
        live = self._live
        plane = None if live is None else live.needs_tree()
        building = self._trees.busy and not self._trees.cancelling  # else it is of a former result
        if live is None or plane is None or building:
            return
        segmentation = live.segmentation

        def done(outcome: Outcome[Any]) -> None:
            if outcome.value is not None and live is self._live:
                live.add_tree(plane, outcome.value)
                if self._settle.isActive():
                    self._show_readout(live.show(self._panel.label_options()))

        self._trees.start(lambda progress: segmentation.tree(plane), done)

    def _count(self) -> None:
        """Count the objects of the stack in the background; if the threshold moves on, again."""
        live, options = self._live, self._panel.label_options()
        if live is None or self._counts.busy:
            return
        segmentation = live.segmentation

        def done(outcome: Outcome[StackCounts]) -> None:
            if outcome.value is None or live is not self._live:
                return
            live.linked_counts.add(options, outcome.value)
            if self._settle.isActive():
                current = self._panel.label_options()
                self._show_readout(live.show(current))
                if current != options:
                    self._count()

        self._counts.start(lambda progress: count_stack(segmentation, options, progress), done)

    def _show_readout(self, readout: Readout) -> None:
        if self._live is not None:
            readout = replace(readout, trusted=not self._live.segmentation.training.unlike)
            self.readout.value = readout.sentence(*self._live.pixel_area(readout))
            self._steady.make_room()

    def _on_plane(self, *_: Any) -> None:
        if self._live is not None:
            self._look_ahead.start()
            if self._live.segmentation.links_planes and not self._settle.isActive():
                self._show_readout(self._live.readout())
