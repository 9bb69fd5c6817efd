"""The part of the Segment widget in which objects are corrected by hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.corrected import remember_corrected
from napari_cytosynth.widgets.segment.live_form import LiveForm

from .gestures import HandGestures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        keys: dict[str, Callable[[], Any]] = {
            "A": partial(self._on_key, "accept"),
            "R": partial(self._on_key, "delete"),
            "Control-Z": self.undo,
            "Control-Shift-Z": self.redo,
        }
        self._gestures = HandGestures(
            self._viewer, self._on_gesture, self._on_first, self._refuse, keys
        )
        self._undone: list[Corrections] = []
        self._before: list[Corrections] = []
        self._hand.chosen.connect(self._on_tool)
        self._hand.undo.changed.connect(lambda *_: self.undo())
        self._hand.redo.changed.connect(lambda *_: self.redo())
        self._hand.looked_at.changed.connect(self._on_looked_at)
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
        live = self._live
        if live is None:
            raise InputError("There is nothing to correct: press Run first.")
        if not live.unedited:
            raise InputError(_EDITED)
        shown = live.labels_in_view()
        one = live.segmentation.correction(kind, list(points), live.plane(), shown)
        self._take(live.segmentation.corrections.add(one), one)

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

    # -- gestures ---------------------------------------------------------------------

    def _on_first(self, again: bool) -> None:
        why = "Both objects have to be in the same plane. " if again else ""
        self._show_status(f"{why}Now click the other object.")

    def _refuse(self, reason: str) -> None:
        self._show_status(f"⚠ {reason}")

    def _on_gesture(self, tool: str, points: list[tuple[float, float]]) -> None:
        try:
            self.correct(tool, points)
        except InputError as error:
            self._refuse(str(error))

    def _on_tool(self, tool: str) -> None:
        live = self._live
        if live is None or not tool:
            self._gestures.put_away()
        elif live.unedited:
            self._gestures.choose(tool, live.labels_layer)
        else:
            self._refuse(_EDITED)
            self._hand.put_away()

    def _keep_tool(self) -> None:
        """Keep the tool for the labels that are shown now, which may be a new layer."""
        live, tool = self._live, self._hand.tool
        if live is None or not tool:
            return
        if live.labels_layer not in self._viewer.layers:
            self._hand.put_away()  # the user deleted them
        elif live.labels_layer is not self._gestures.layer:
            self._on_tool(tool)

    def _on_key(self, kind: str) -> None:
        point = self._gestures.point_under_cursor()
        if point is not None:
            self._on_gesture(kind, [point])

    def _on_looked_at(self, seen: bool) -> None:
        live = self._live
        if live is not None:
            self._take(live.segmentation.corrections.mark(live.plane(), seen=seen))

    # -- what is shown ------------------------------------------------------------------

    def _take(self, corrections: Corrections, one: Correction | None = None) -> None:
        """Take other corrections, which can be taken back."""
        assert self._live is not None
        self._before.append(self._live.segmentation.corrections)
        self._undone.clear()
        self._use(corrections, one)

    def _use(self, corrections: Corrections, one: Correction | None = None) -> None:
        """Take other corrections: one more of them is shown at once, all of them soon."""
        assert self._live is not None
        self._updates.forget()
        self._live.correct(corrections, one)
        self._show_corrections()
        self._relabel()

    def _on_moved(self) -> None:
        super()._on_moved()
        self._keep_tool()

    def _on_update(self, outcome: Outcome[RelabelResult]) -> None:
        super()._on_update(outcome)
        self._keep_tool()
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
        if live is not None:
            remember_corrected(live.labels_layer, live.segmentation)
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
