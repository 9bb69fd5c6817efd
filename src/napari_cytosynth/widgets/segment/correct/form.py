"""The part of the Segment widget in which objects are corrected by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.segment.live_form import LiveForm

from .gestures import HandGestures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cytosynth.tasks.correct import Correction, Corrections
    from napari_cytosynth.widgets.common.jobs import Outcome
    from napari_cytosynth.widgets.segment.job import RelabelResult

    from .panel import CorrectPanel

__all__ = ["CorrectingForm"]

_EDITED = (
    "These labels were painted with napari's brush, or are gone, which no correction can follow. "
    "Press Run, or move the threshold: new labels appear, which can be corrected here."
)


class CorrectingForm(LiveForm):
    """Form whose result can be corrected with the mouse, and by :meth:`correct`."""

    _hand: CorrectPanel

    def _begin_correcting(self) -> None:
        """Follow the panel; the form has it by now."""
        self._saves: JobRunner[list[Path]] = JobRunner(self.native)
        self._gestures = HandGestures(self._viewer, self._on_gesture, self._on_first)
        self._undone: list[Corrections] = []
        self._before: list[Corrections] = []
        self._hand.chosen.connect(self._on_tool)
        self._hand.undo.changed.connect(lambda *_: self.undo())
        self._hand.redo.changed.connect(lambda *_: self.redo())
        self._hand.looked_at.changed.connect(self._on_looked_at)
        self._hand.save.changed.connect(lambda *_: self.save_corrected())
        self._show_corrections()

    # -- for scripts ----------------------------------------------------------------

    def correct(self, kind: str, points: Sequence[tuple[float, float]]) -> None:
        """Correct objects of the plane in view, as a gesture does.

        Parameters
        ----------
        kind
            ``merge``, ``cut``, ``delete``, ``paint`` or ``accept``.
        points
            (y, x) in px of the labels: one in each object to merge; the line of a cut; the
            outline of an object to paint; else one in the object.

        Raises
        ------
        InputError
            If there is no result, no such object, or the line cuts none.
        """
        from napari_cytosynth.tasks.correct import make_correction

        live = self._live
        if live is None:
            raise InputError("There is nothing to correct: press Run first.")
        if not live.unedited:
            raise InputError(_EDITED)
        plane = live.plane()
        probability = live.segmentation.probability_plane(plane)
        one = make_correction(kind, list(points), live.labels_in_view(), probability, plane)
        self._before.append(live.segmentation.corrections)
        self._undone.clear()
        self._use(live.segmentation.corrections.add(one), one)

    def undo(self) -> None:
        """Take back the last correction."""
        if self._live is not None and self._before:
            self._undone.append(self._live.segmentation.corrections)
            self._use(self._before.pop())

    def redo(self) -> None:
        """Do again what was taken back."""
        if self._live is not None and self._undone:
            self._before.append(self._live.segmentation.corrections)
            self._use(self._undone.pop())

    def save_corrected(self, path: str | Path | None = None) -> None:
        """Save the corrected result into a folder; without one, ask for it."""
        if self._live is None:
            return
        if path is None:
            title = "Folder for the corrected labels"
            path = QFileDialog.getExistingDirectory(self.native, title)
            if not path:
                return
        segmentation, folder = self._live.segmentation, path

        def done(outcome: Outcome[list[Path]]) -> None:
            if outcome.value is not None:
                self._show_status(f"Saved {len(outcome.value)} files in {folder}")
            elif outcome.error:
                self._show_status(f"⚠ {outcome.error}")

        self._saves.start(lambda progress: segmentation.save(folder), done)

    # -- gestures ---------------------------------------------------------------------

    def _on_first(self) -> None:
        self._show_status("Now click the other object.")

    def _on_gesture(self, tool: str, points: list[tuple[float, float]]) -> None:
        try:
            self.correct(tool, points)
        except InputError as error:
            self._show_status(f"⚠ {error}")

    def _on_tool(self, tool: str) -> None:
        live = self._live
        if live is None:
            self._gestures.put_away()
            return
        layer = live.labels_layer
        self._gestures.choose(tool, layer)
        if not tool:
            return
        keys = {
            "A": lambda *_: self._on_key("accept"),
            "R": lambda *_: self._on_key("delete"),
            "Control-Z": lambda *_: self.undo(),
            "Control-Shift-Z": lambda *_: self.redo(),
        }
        for key, action in keys.items():
            layer.bind_key(key, action, overwrite=True)

    def _on_key(self, kind: str) -> None:
        point = self._gestures.point_under_cursor()
        if point is not None:
            self._on_gesture(kind, [point])

    def _on_looked_at(self, seen: bool) -> None:
        live = self._live
        if live is not None:
            self._before.append(live.segmentation.corrections)
            self._undone.clear()
            self._use(live.segmentation.corrections.mark(live.plane(), seen=seen))

    # -- what is shown ------------------------------------------------------------------

    def _use(self, corrections: Corrections, one: Correction | None = None) -> None:
        """Take other corrections: one more of them is shown at once, all of them soon."""
        assert self._live is not None
        self._updates.forget()
        self._live.correct(corrections, one)
        self._show_corrections()
        self._relabel()

    def _on_update(self, outcome: Outcome[RelabelResult]) -> None:
        super()._on_update(outcome)
        self._show_corrections()

    def _on_plane(self, *_: Any) -> None:
        super()._on_plane()
        self._show_looked_at()

    def _show_corrections(self) -> None:
        live = self._live
        made = 0 if live is None else len(live.segmentation.corrections.done)
        lost = 0 if live is None or not made else live.corrections_without_effect
        self._hand.enabled = live is not None
        self._hand.show_state(made, lost, undo=bool(self._before), redo=bool(self._undone))
        self._show_looked_at()

    def _show_looked_at(self, *_: Any) -> None:
        live, box = self._live, self._hand.looked_at
        with box.changed.blocked():
            box.value = live is not None and live.plane() in live.segmentation.corrections.looked_at

    def _stop_following(self) -> None:
        super()._stop_following()
        if hasattr(self, "_gestures"):
            self._hand.put_away()
            self._before.clear()
            self._undone.clear()
            self._show_corrections()
