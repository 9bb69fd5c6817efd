"""Comparisons of a result in the widget: which layer, which stain, and what is then shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.stain.matching import channel_names, match_stain
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.model_choice import OTHER
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

from .comparison import compare_with_real, geometry_of
from .remarks import figure_of_test
from .second_opinion import RealStain, compare_models
from .trust_panel import REAL_COMPARISON

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_cytosynth.widgets.common.jobs import Outcome
    from napari_cytosynth.zoo.card import ModelCard

    from .comparison import ComparisonResult
    from .live import LiveStain
    from .second_opinion import DisagreementResult
    from .shown.removal import LayerRemover
    from .shown.view import StainView
    from .trust_panel import TrustPanel

__all__ = ["Comparisons"]

_DIFFERENCE, _DISAGREEMENT = "difference", "disagreement"


class Comparisons:
    """Compares the result in view with a real stain and with another model's.

    Parameters
    ----------
    owner
        Qt widget of the form.
    panel
        Its controls and sentences.
    view
        Shows the difference alone.
    stain
        Function that runs the network. None: :func:`napari_cytosynth.stain`.
    nuclei
        Returns the nuclei that were found in the result, or None.
    """

    def __init__(
        self,
        owner: QWidget,
        panel: TrustPanel,
        view: StainView,
        stain: Callable[..., Any] | None,
        nuclei: Callable[[], Any],
    ) -> None:
        self._panel, self._view, self._stain, self._nuclei = panel, view, stain, nuclei
        self._live: LiveStain | None = None
        self._remover: LayerRemover | None = None
        self._real: JobRunner[ComparisonResult] = JobRunner(owner)
        self._models: JobRunner[DisagreementResult] = JobRunner(owner)
        panel.compare_with.changed.connect(self._on_layer)
        for part in (panel.compare_as, panel.compare_cells):
            part.changed.connect(self.compare)
        panel.ask.changed.connect(self._on_ask)
        panel.on_fold(REAL_COMPARISON, self._on_fold)

    @property
    def jobs(self) -> tuple[JobRunner[Any], ...]:
        """The runners of both comparisons."""
        return (self._real, self._models)

    @property
    def _card(self) -> ModelCard | None:
        """Card of the model of the result in view; None if it is not known."""
        run = None if self._live is None else self._live.staining.run
        return None if run is None else run.model.card

    def take(self, live: LiveStain, remover: LayerRemover) -> None:
        """Compare a new result from now on."""
        self._live, self._remover = live, remover
        self._panel.offer_stains(live.staining.channels)
        self._panel.offer_models(self._card)
        self._match()
        self.compare(alone=self._panel.is_open(REAL_COMPARISON))

    def drop(self) -> None:
        """Forget the result; the sentences on it go."""
        for jobs in self.jobs:
            jobs.forget()
        self._live = None
        for label in (self._panel.agreement, self._panel.opinion):
            label.value = ""
        self._panel.ask.text = "Ask it"
        self._panel.show_cells(None)

    def tell_doubt(self) -> None:
        """Compare objects again, as now the doubt of each is known."""
        if self._panel.compare_cells.value is not None:
            self.compare(alone=self._panel.is_open(REAL_COMPARISON))

    # -- with a real stain ------------------------------------------------------------------

    def _on_layer(self, *_: Any) -> None:
        self._match()
        self.compare()

    def _match(self) -> None:
        """Choose the stain that the layer, or one of its channels, is named after."""
        layer, box = self._panel.compare_with.value, self._panel.compare_as
        if layer is None or self._live is None:
            return
        stains = list(self._live.staining.channels)
        named = match_stain(layer.name, stains)
        channels = [match_stain(name, stains) for name in channel_names(layer.metadata)]
        found = named or (None if box.value in channels else next(filter(None, channels), None))
        if found is not None:
            with box.changed.blocked():
                box.value = found

    def compare(self, *_: Any, alone: bool = True) -> None:
        """Compare the chosen layer with its virtual stain, in the background.

        Parameters
        ----------
        alone
            Whether the difference is then shown alone, or hidden. Default: True.
        """
        panel, live = self._panel, self._live
        real, name, cells = (
            box.value for box in (panel.compare_with, panel.compare_as, panel.compare_cells)
        )
        self._real.forget()
        if live is None or real is None or name is None:
            panel.agreement.value = ""
            panel.show_cells(None)
            self._end_difference()
            return
        staining, place = live.staining, geometry_of(live.mean_layer(name))
        real = LayerSnapshot.of(real)
        labels = None if cells is None else LayerSnapshot.of(cells)
        nuclei = self._nuclei()
        panel.agreement.value = "Comparing …"
        self._real.start(
            lambda progress: compare_with_real(
                staining, name, real, labels, place, progress, nuclei
            ),
            lambda outcome: self._on_compared(name, outcome, alone),
        )

    def _on_compared(self, name: str, outcome: Outcome[ComparisonResult], alone: bool) -> None:
        panel = self._panel
        if outcome.value is None:
            panel.agreement.value = "" if outcome.stopped else f"⚠ {outcome.error}"
            panel.show_cells(None)
            self._end_difference()
        elif self._live is not None and self._remover is not None:
            sentences = [outcome.value.sentence, figure_of_test(self._card, name)]
            panel.agreement.value = " ".join(filter(None, sentences))
            panel.show_cells(outcome.value.table)
            with self._view.quiet():
                found = self._live.layers.show_extra(
                    _DIFFERENCE, outcome.value.layers, self._remover
                )
                found[0].visible = alone
            if alone:
                self._view.show_alone(found[0])

    def _end_difference(self) -> None:
        """Show the stains again, and remove the difference, which is of nothing now."""
        self._view.show_alone(None)
        if self._live is not None and self._remover is not None:
            with self._view.quiet():
                self._live.layers.remove_extra(self._remover, _DIFFERENCE)

    def _on_fold(self, opened: bool) -> None:
        """Show the difference alone while its part of the form is open."""
        found = [] if self._live is None else self._live.layers.extra(_DIFFERENCE)
        if not opened:
            self._view.show_alone(None)
        elif found:
            self._view.show_alone(found[0])

    # -- with another model -----------------------------------------------------------------

    def _on_ask(self, *_: Any) -> None:
        if self._models.busy:
            self._models.cancel()
        else:
            self.ask_other()

    def ask_other(self) -> None:
        """Stain the same image with the other model and show where the two disagree."""
        panel, live, stain = self._panel, self._live, self._stain
        if live is None or self._models.busy:
            return
        model = panel.other_model.value
        if model == OTHER:
            panel.opinion.value = "⚠ Choose a model first."
            return
        staining, request, real = live.staining, live.request, self._chosen_real(live)
        panel.ask.text = "Cancel"
        panel.opinion.value = "Asking …"
        self._models.start(
            lambda progress: compare_models(staining, request, model, progress, stain, real),
            lambda outcome: self._on_models_compared(live, outcome),
            lambda tick: setattr(panel.opinion, "value", f"{tick.message} …"),
        )

    def _chosen_real(self, live: LiveStain) -> RealStain | None:
        """Return the real stain that is chosen for the comparison; None without one."""
        layer, name = self._panel.compare_with.value, self._panel.compare_as.value
        if layer is None or name is None:
            return None
        return RealStain(LayerSnapshot.of(layer), name, geometry_of(live.mean_layer(name)))

    def _on_models_compared(self, live: LiveStain, outcome: Outcome[DisagreementResult]) -> None:
        panel = self._panel
        panel.ask.text = "Ask it"
        if outcome.value is None:
            panel.opinion.value = "Stopped." if outcome.stopped else f"⚠ {outcome.error}"
        elif self._remover is not None:
            panel.opinion.value = outcome.value.sentence
            with self._view.quiet():
                live.layers.show_extra(_DISAGREEMENT, outcome.value.layers, self._remover)
