"""The Look widget: filter, colour, click and walk through the objects of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.look.table import ObjectTable
from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.canvas import look_at
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.parts import single_shot

from . import sentences
from .colour_bar import colours_of
from .form import LookForm
from .keeping import Kept, KeptRequest, keep
from .layer_colours import LayerColours
from .picking import ObjectPicker
from .view import Look, TableView
from .watching import LayerWatch

if TYPE_CHECKING:
    import napari.viewer

    from napari_cytosynth.tasks.look.pixels import Boxes
    from napari_cytosynth.widgets.common.jobs import Outcome, Tick

    from .plots import PlotPanel

__all__ = ["LookWidget"]

_SOON, _AFTER = 30, 150  # ms: between drawings of a drag; after the last change of a table
_NO_LAYER = "⚠ There is no labels layer to look at. Segment an image first."


class LookWidget(LookForm):
    """Looks at the objects of any labels layer with a table (its ``features``).

    The layer's data are never changed, and its colours come back with **Reset**, when another
    layer is chosen and when the widget is closed.

    Parameters
    ----------
    napari_viewer
        The viewer whose labels are offered.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self._layer: Any = None
        self._view: TableView | None = None
        self._watch: LayerWatch | None = None
        self._selected: frozenset[int] = frozenset()
        self._seen_label, self._by, self._closed = 0, 0, False
        self._plots: PlotPanel | None = None
        self._dock: Any = None
        super().__init__(napari_viewer)
        self._finder: JobRunner[Boxes] = JobRunner(self.native)
        self._writer: JobRunner[Kept] = JobRunner(self.native)
        self._picker = ObjectPicker(napari_viewer, self.select)
        self._soon = single_shot(self.native, _SOON, self._apply)
        self._reload = single_shot(self.native, _AFTER, self._read_table)
        self.objects.changed.connect(self._on_objects)
        self.colour_by.changed.connect(self.refresh)
        self.filters.changed.connect(self.refresh)
        self.add_button.changed.connect(lambda *_: self.filters.add())
        self.reset_button.changed.connect(lambda *_: self.reset_look())
        self.keep_button.changed.connect(lambda *_: self.keep_shown())
        self.show_button.changed.connect(lambda *_: self._show_table())
        self.plot_button.changed.connect(lambda *_: self.show_plots())
        self.next_button.changed.connect(lambda *_: self.step(1))
        self.previous_button.changed.connect(lambda *_: self.step(-1))
        self.native_parent_changed.connect(self._on_parent)
        self.reset_choices()
        self._on_objects()

    # -- the layer and its table --------------------------------------------------------------

    def reset_choices(self, *_: Any) -> None:
        """List the layers again; napari calls this when layers come and go."""
        super().reset_choices()
        if self.objects.value is not self._layer:
            self._on_objects()

    def _colour_choices(self) -> list[Any]:
        if self._view is None:
            return []
        return [(str(column), column) for column in self._view.table.columns]

    def _on_objects(self, *_: Any) -> None:
        layer = self.objects.value
        if self._closed or (layer is self._layer and layer is not None):
            return
        self._leave()
        self._layer = layer
        if layer is None:
            self.enable(False)
            self.shown_count.value, self.status.value = "", _NO_LAYER
            return
        self._seen_label = layer.selected_label
        self._watch = LayerWatch(layer, self._reload.start, self._on_label, self._on_colours)
        self._picker.layer = layer
        self._read_table()

    def _leave(self) -> None:
        """Give the layer its own look back, and forget it."""
        self._finder.forget()
        if self._watch is not None:
            self._watch.close()
        if self._view is not None:
            self._view.colours.restore()
        self.filters.clear()
        self._picker.layer = self._layer = self._view = self._watch = None
        self._selected, self._by = frozenset(), 0
        self.row.show_values({})
        self._show_table_of(None)

    def _read_table(self) -> None:
        """Read the table of the layer, anew where it has changed."""
        layer, old = self._layer, self._view
        if layer is None:
            return
        colours = LayerColours(layer) if old is None else old.colours
        try:
            table = ObjectTable.of(layer.features, layer.name)
        except InputError as error:
            colours.restore()
            self._view = None
            self._show_table_of(None)
            self.enable(False)
            self.shown_count.value, self.status.value = "", f"⚠ {error}"
            return
        self._view = TableView(layer, table, colours)
        self.enable(True)
        gone = self._show_table_of(table)
        self.status.value = (
            f"⚠ The table has no numbers in {', '.join(gone)} any more: its filter was removed."
            if gone
            else ""
        )
        self._show_row()
        self._apply()
        if isinstance(layer.data, np.ndarray):  # else it is read when it is needed
            self._find()

    def _show_table_of(self, table: ObjectTable | None) -> list[str]:
        gone = self.filters.show_table(table)
        with self.colour_by.changed.blocked():
            self.colour_by.reset_choices()
        return gone

    def _find(self) -> None:
        """Find the objects in the labels, in the background."""
        layer = self._layer
        data = layer.data[0] if layer.multiscale else layer.data

        def work(progress: Any) -> Boxes:
            from napari_cytosynth.tasks.look.pixels import find_boxes

            return find_boxes(data, progress)

        self._finder.start(work, self._on_found)

    def _on_found(self, outcome: Outcome[Boxes]) -> None:
        view, by = self._view, self._by
        self._by = 0
        if view is None:
            return
        if outcome.value is None:
            if outcome.error:
                self.status.value = f"⚠ {outcome.error}"
            return
        view.boxes = outcome.value
        if said := sentences.about_difference(view, filtered=bool(self.filters.filters)):
            self.status.value = said
            self._apply()
        if by:
            self.step(by)

    # -- filters and colours ------------------------------------------------------------------

    @property
    def look(self) -> Look:
        """What is shown, as it is set."""
        return Look(tuple(self.filters.filters), self.colour_by.value, self._selected)

    def refresh(self, *_: Any) -> None:
        """Show filters and colours at once; many changes in a row are drawn together."""
        if not self._soon.isActive():
            self._soon.start()

    def _apply(self) -> None:
        view = self._view
        if view is None or self._closed:
            return
        look = self.look
        view.show(look)
        self.shown_count.value = sentences.about_count(view, look.filters)
        self._show_in_plots(look)
        self.bar.setVisible(look.column is not None)
        if look.column is not None:
            values = view.table.by_label(look.column)[1]
            missing = int(np.isnan(values).sum())
            self.bar.show_limits(*view.table.limits(look.column), missing)

    def _on_colours(self) -> None:
        if self._view is not None and self._view.colours.foreign:
            self.refresh()  # the user's new colours, with what is hidden still hidden

    def reset_look(self) -> None:
        """Remove filters, colours and selection: the layer looks as before."""
        self.filters.clear()
        with self.colour_by.changed.blocked():
            self.colour_by.value = None
        self.select(0)

    # -- the selected object ------------------------------------------------------------------

    @property
    def selected(self) -> frozenset[int]:
        """Numbers of the objects that are selected."""
        return self._selected

    def select(self, label: int) -> None:
        """Select an object; 0, or one that is hidden, selects none."""
        self.select_all(frozenset([label] if label else []))

    def select_all(self, labels: frozenset[int]) -> None:
        """Select several objects; those that are hidden are left out."""
        view, filters = self._view, self.filters.filters
        if view is None:
            return
        if filters:
            labels &= set(view.shown(filters).tolist())
        if not self.status.value.startswith("⚠"):
            self.status.value = ""  # of the walk, which is elsewhere
        self._selected = labels
        if len(labels) == 1:
            (self._seen_label,) = labels
            self._layer.selected_label = self._seen_label
        self._show_row()
        self._apply()

    def _on_label(self) -> None:
        """Follow the label that is selected elsewhere: in napari's controls, or its table."""
        label = int(self._layer.selected_label)
        if label != self._seen_label:  # each new colormap sends the signal, too
            self._seen_label = label
            self.select(label)

    def _show_row(self) -> None:
        view = self._view
        if view is None or len(self._selected) != 1:
            several = {"selected": f"{len(self._selected)} objects"}
            self.row.show_values(several if self._selected else {})
            return
        (label,) = self._selected
        at = view.table.row_of(label)
        if at is None:
            self.row.show_values({"label": label, "row": "none: measure the labels again"})
        else:
            values = view.table.table.iloc[[at]].to_dict("records")[0]
            wanted = ["label", self.colour_by.value, *(one.column for one in self.filters.filters)]
            first = [name for name in (*wanted, "confidence", "doubt") if name in values]
            self.row.show_values({name: values[name] for name in (*first, *values)})

    def step(self, by: int) -> None:
        """Go to the next doubtful object (1), or the previous one (-1), at its zoom."""
        view = self._view
        if view is None:
            return
        try:
            order = view.table.most_doubtful()
        except InputError as error:
            self.status.value = f"⚠ {error}"
            return
        if view.boxes is None:
            self._by, self.status.value = by, "Finding the objects …"
            self._find()
            return
        passing = view.table.passing(self.filters.filters)
        labels = list(dict.fromkeys(view.table.labels[order[passing[order]]].tolist()))
        self._go(labels, by)

    def _go(self, labels: list[int], by: int) -> None:
        view = self._view
        assert view is not None
        assert view.boxes is not None
        at = next((n for n, label in enumerate(labels) if label in self._selected), -1) + by
        if not 0 <= at < len(labels):
            end = "last" if by > 0 else "first"
            self.status.value = f"That was the {end} of {len(labels)} objects."
            return
        self.select(labels[at])
        place = view.boxes.place(labels[at])
        if place is None:
            self.status.value = (
                f"⚠ Object {labels[at]} has a row, but is not in the labels any more."
            )
            return
        look_at(self._viewer, self._layer, *place)
        self.status.value = f"{at + 1} of {len(labels)}, the most doubtful first."

    # -- plots --------------------------------------------------------------------------------

    def show_plots(self) -> None:
        """Open the histogram and the scatter below the viewer."""
        if self._plots is None:
            try:
                from .plots import PlotPanel

                self._plots = PlotPanel()
            except InputError as error:
                self.status.value = f"⚠ {error}"
                return
            self._plots.picked.connect(self.select_all)
            self._plots.destroyed.connect(self._forget_plots)
        if self._plots.parent() is None:  # new, or its dock was closed
            window = self._viewer.window
            self._dock = window.add_dock_widget(self._plots, name="Look: plots", area="bottom")
        self._dock.show()
        self._apply()

    def _forget_plots(self, *_: Any) -> None:
        self._plots = None

    def _show_in_plots(self, look: Look) -> None:
        view, plots = self._view, self._plots
        if view is None or plots is None or plots.parent() is None:
            return
        colours = None
        if look.column is not None:
            values = view.table.values(look.column)
            colours = colours_of(values, *view.table.limits(look.column))
        plots.show_rows(view.table, view.table.passing(look.filters), look.selected, colours)

    # -- results ------------------------------------------------------------------------------

    def keep_shown(self) -> None:
        """Write the objects that are shown into a new labels layer; pressed again, cancel."""
        view = self._view
        if self._writer.busy:
            self._writer.cancel()
            return
        if view is None:
            return
        filters = self.filters.filters
        if not len(view.shown(filters)):
            self.status.value = "⚠ No object passes the filters: there is nothing to write."
            return
        request = KeptRequest.of(self._layer, view.table, filters)
        self.keep_button.text = "Cancel"
        self._writer.start(lambda progress: keep(request, progress), self._on_kept, self._on_tick)

    def _on_tick(self, tick: Tick) -> None:
        self.status.value = f"{tick.message} … {100 * tick.done / max(tick.total, 1):.0f} %"

    def _on_kept(self, outcome: Outcome[Kept]) -> None:
        self.keep_button.text = "Keep as new layer"
        kept = outcome.value
        if kept is None:
            self.status.value = "Stopped." if outcome.stopped else f"⚠ {outcome.error}"
            return
        layer = self._viewer.add_labels(kept.data, **kept.attributes)
        self.status.value = f"“{layer.name}” holds {kept.count} objects with their rows."

    def wait(self, timeout: float = 60.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        return self._finder.wait(timeout) and self._writer.wait(timeout)

    def _show_table(self) -> None:
        if self._layer is not None:
            layers.show_table(self._viewer, self._layer)

    def _on_parent(self, _: Any = None) -> None:
        if self.native.parent() is None:
            self._finder.close()
            self._writer.close()
            self._leave()
            self._picker.close()
            self._closed = True
            self._close_plots()

    def _close_plots(self) -> None:
        plots, self._plots, self._dock = self._plots, None, None
        if plots is not None:
            if plots.parent() is not None:
                self._viewer.window.remove_dock_widget(plots)
            plots.deleteLater()
