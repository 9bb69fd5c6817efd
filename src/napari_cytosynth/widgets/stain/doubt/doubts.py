"""Doubt in the widget: the search, the outlines, the way through the nuclei, and what is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.stain.objects.doubt import doubt_of
from napari_cytosynth.tasks.stain.objects.task import object_stain
from napari_cytosynth.widgets.common.canvas import look_at
from napari_cytosynth.widgets.common.jobs import JobRunner

from . import sentences
from .outlines import OutlineLayer
from .search import find_nuclei

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_cytosynth.widgets.common.jobs import Outcome, Tick
    from napari_cytosynth.widgets.stain.hiding import HidingLayers
    from napari_cytosynth.widgets.stain.live import LiveStain
    from napari_cytosynth.widgets.stain.shown.removal import LayerRemover
    from napari_cytosynth.widgets.stain.shown.view import StainView

    from .panel import DoubtPanel
    from .search import FoundNuclei

__all__ = ["Doubts"]

_KIND, _OUTLINES = "nuclei", "outlines"
_GONE = "⚠ The layers of this nucleus were deleted. Find the nuclei again."


class Doubts:
    """Tells which nuclei of the result in view are doubtful, and hides what is doubtful.

    Attributes
    ----------
    on_found
        Called when nuclei were found.

    Parameters
    ----------
    owner
        Qt widget of the form.
    viewer
        The napari viewer.
    panel
        Its controls and sentences.
    view
        Decides what is shown.
    find
        Function that finds nuclei. None: the result's own ``objects``.
    """

    def __init__(
        self,
        owner: QWidget,
        viewer: Any,
        panel: DoubtPanel,
        view: StainView,
        find: Callable[..., Any] | None,
    ) -> None:
        self._viewer, self._panel, self._view, self._find = viewer, panel, view, find
        self._live: LiveStain | None = None
        self._remover: LayerRemover | None = None
        self._hiding: HidingLayers | None = None
        self._found: FoundNuclei | None = None
        self._stain: str | None = None
        self._block: Any = None
        self._at, self._paused, self._searching = -1, False, False
        self.on_found: Callable[[], None] = lambda: None
        self.jobs: JobRunner[FoundNuclei] = JobRunner(owner)
        panel.find.changed.connect(self._on_find)
        panel.next.changed.connect(lambda *_: self.step(1))
        panel.previous.changed.connect(lambda *_: self.step(-1))
        panel.hide_doubtful.changed.connect(self.hide)
        self.drop()

    @property
    def nuclei(self) -> Any:
        """The nuclei that were found, or None."""
        return None if self._found is None else self._found.objects

    # -- the result -----------------------------------------------------------------------

    def take(self, live: LiveStain, remover: LayerRemover) -> None:
        """Doubt a new result from now on."""
        self.drop()
        self._live, self._remover = live, remover
        staining, panel = live.staining, self._panel
        inference = None if staining.run is None else staining.run.model.card.inference
        known = [] if inference is None else inference.doubt
        self._stain = object_stain(staining.channels, tuple(one.stain for one in known))
        self._hiding = live.make_hiding()
        panel.find.enabled = self._stain is not None
        if self._stain is None:
            panel.found.value = sentences.nothing_to_find(staining.channels)
        else:
            self._block = None if inference is None else doubt_of(inference, self._stain)
            panel.found.value = sentences.what_it_will_tell(self._stain, self._block)
        self._offer_hiding()

    def drop(self) -> None:
        """Forget the result: all that is hidden is shown again, the sentences go."""
        self.jobs.forget()
        if self._hiding is not None:
            self._hiding.restore()
        self._live = self._hiding = self._found = self._stain = self._block = None
        self._at, self._paused, self._searching = -1, False, False
        panel = self._panel
        panel.show_running(False)
        panel.show_found(count=0, known=False)
        panel.find.enabled = panel.hide_doubtful.enabled = False
        with panel.hide_doubtful.changed.blocked():
            panel.hide_doubtful.value = 0
        panel.found.value = "After a run, the nuclei in it can be found and doubted one by one."
        panel.hidden.value = ""

    def pause(self) -> None:
        """End the search and show what is hidden, while a run writes into the same layers."""
        self._paused = True
        self.stop()
        self._panel.find.enabled = self._panel.hide_doubtful.enabled = False
        if self._hiding is not None:
            self._hiding.hide(0)

    def resume(self) -> None:
        """Hide again what was hidden, as the run came to nothing."""
        self._paused = False
        if self._live is not None:
            self._panel.find.enabled = self._stain is not None and not self._searching
            self._offer_hiding()
            if self._panel.hide_doubtful.value:
                self.hide()

    # -- the search -------------------------------------------------------------------------

    def _on_find(self, *_: Any) -> None:
        if self._searching:
            self.stop()
        else:
            self.find()

    def find(self) -> None:
        """Find the nuclei in the background."""
        live, stain, find, panel = self._live, self._stain, self._find, self._panel
        if live is None or stain is None or self._searching:
            return
        staining, self._searching = live.staining, True
        panel.show_running(True)
        panel.found.value = "Starting …"
        self.jobs.start(
            lambda progress: find_nuclei(staining, stain, find, progress),
            self._on_found,
            self._on_tick,
        )

    def stop(self) -> None:
        """Stop the search at its next step."""
        if self._searching:
            self.jobs.cancel()
            self._panel.find.text = "Cancelling …"
            self._panel.find.enabled = False

    def _on_tick(self, tick: Tick) -> None:
        self._panel.show_progress(tick.done, tick.total, tick.message)

    def _on_found(self, outcome: Outcome[FoundNuclei]) -> None:
        panel, self._searching = self._panel, False
        panel.show_running(False)
        panel.find.enabled = self._stain is not None and not self._paused
        if outcome.value is None:
            stopped = "Stopped. Nothing was changed."
            panel.found.value = stopped if outcome.stopped else f"⚠ {outcome.error}"
        elif self._live is not None:
            self._show(outcome.value)

    def _show(self, found: FoundNuclei) -> None:
        live, panel, hiding = self._live, self._panel, self._hiding
        assert live is not None
        assert hiding is not None
        assert self._remover is not None
        hiding.remove(_OUTLINES)
        active = self._viewer.layers.selection.active
        with self._view.quiet():
            layers = [found.labels, found.outlines] if found.stops else []
            shown = live.layers.show_extra(_KIND, layers, self._remover)
        if active in self._viewer.layers:  # napari's controls stay those of the stain
            self._viewer.layers.selection.active = active
        self._found, self._at = found, -1
        stain, known = found.objects.stain, found.objects.doubt is not None
        rule = found.rule if known and found.rule.count else live.rules.get(stain)
        hiding.remove(stain)
        if rule is not None:
            hiding.add(stain, live.hiding_layer(stain, rule))
        if shown:
            data, labels = found.outlines[0], found.labels[0]
            hiding.add(_OUTLINES, OutlineLayer(shown[1], data, found.rule, labels))
        panel.show_found(count=len(found.stops), known=known)
        panel.found.value = sentences.about_nuclei(found.objects)
        self._enable_steps()
        self._offer_hiding()
        self.hide()
        self.on_found()

    # -- the way through them -----------------------------------------------------------------

    def step(self, by: int) -> None:
        """Look at the next nucleus (1), or at the previous one (-1)."""
        found, panel = self._found, self._panel
        at = self._at + by
        if found is None or self._live is None or not 0 <= at < len(found.stops):
            return
        outlines = None if self._hiding is None else self._hiding.get(_OUTLINES)
        layer = self._live.mean_layer(found.objects.stain) if outlines is None else outlines.layer
        if layer is None:
            panel.row.value = _GONE
            return
        self._at, stop = at, found.stops[at]
        if isinstance(outlines, OutlineLayer):
            outlines.mark(stop.label)
        look_at(self._viewer, layer, stop.place, stop.diameter_px)
        if self._hiding is not None:
            self._hiding.refresh()
        hidden = " · hidden now" if self._hides(stop.doubt) else ""
        panel.row.value = f"{at + 1} of {len(found.stops)} · {stop.row}{hidden}"
        self._enable_steps()

    def _hides(self, doubt: float | None) -> bool:
        if self._found is None or doubt is None:
            return False
        fraction = self._panel.hide_doubtful.value / 100
        return fraction > 0 and doubt >= self._found.rule.limit(fraction)

    def _enable_steps(self) -> None:
        count = 0 if self._found is None else len(self._found.stops)
        self._panel.previous.enabled = self._at > 0
        self._panel.next.enabled = self._at + 1 < count

    # -- hiding ---------------------------------------------------------------------------------

    def hide(self, *_: Any) -> None:
        """Hide the percentage of the slider, and say what that is."""
        live, hiding, panel = self._live, self._hiding, self._panel
        if live is None or hiding is None or not panel.hide_doubtful.enabled:
            return
        fraction = panel.hide_doubtful.value / 100
        hiding.hide(fraction)
        rules, gone = hiding.rules(live.staining.channels)
        panel.hidden.value = sentences.about_hidden(
            fraction, rules, gone, self._block, self._unknown(rules)
        )

    def _offer_hiding(self) -> None:
        """Enable the slider where something can be hidden; else say why not."""
        if self._live is None or self._hiding is None:
            return
        rules, _ = self._hiding.rules(self._live.staining.channels)
        self._panel.hide_doubtful.enabled = bool(rules)
        self._panel.hidden.value = "Nothing is hidden." if rules else self._unknown(rules)

    def _unknown(self, rules: dict[str, Any]) -> str:
        """Return why stains without a rule are not hidden; empty where all have one."""
        live = self._live
        without = [] if live is None else [n for n in live.staining.channels if n not in rules]
        if live is None or not without:
            return ""
        waits = self._found is None and self._block is not None and self._stain in without
        if waits and len(without) == 1:
            return f"Find the nuclei first: {self._stain} is hidden by their doubt."
        why = live.why_no_rule or "there is nothing to go by"
        first = f"Find the nuclei first: {self._stain} is hidden by their doubt. " if waits else ""
        others = [name for name in without if not (waits and name == self._stain)]
        return f"{first}{sentences.joined(others)} cannot be hidden by doubt: {why}."
