"""The Look widget: filter, colour, click and walk through the objects of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.look.table import ObjectTable
from napari_cytosynth.widgets.common.canvas import look_at
from napari_cytosynth.widgets.common.jobs import JobRunner
from napari_cytosynth.widgets.common.parts import single_shot
from napari_cytosynth.widgets.common.snapshot import finest

from . import sentences
from .docks import LookPanels
from .form import LookForm
from .layer_colours import LayerColours, check_numbers
from .picking import ObjectPicker
from .saving.seen import ViewedObjects
from .view import Look, TableView
from .watching import LayerWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_cytosynth.tasks.look.pixels import Boxes
    from napari_cytosynth.widgets.common.jobs import Outcome

    from .plots import PlotPanel
    from .table.panel import TablePanel

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
        self._seen_label, self._closed = 0, False
        self._then: Callable[[], None] | None = None
        super().__init__(napari_viewer)
        self._panels = LookPanels(napari_viewer, self.select_all, self.go_to)
        self._finder: JobRunner[Boxes] = JobRunner(self.native)
        self.saving.follow(napari_viewer, self._seen, self._show_status)
        self._picker = ObjectPicker(napari_viewer, self.select)
        self._soon = single_shot(self.native, _SOON, self._apply)
        self._reload = single_shot(self.native, _AFTER, self._read_table)
        self.objects.changed.connect(self._on_objects)
        self.colour_by.changed.connect(self.refresh)
        self.filters.changed.connect(self.refresh)
        self.add_button.changed.connect(lambda *_: self.filters.add())
        self.reset_button.changed.connect(lambda *_: self.reset_look())
        self.show_button.changed.connect(lambda *_: self.show_table())
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
        self._selected, self._then = frozenset(), None
        self.row.show_values({})
        self._show_table_of(None)
        self._panels.show(self._view, self.look)

    def _read_table(self) -> None:
        """Read the table of the layer, anew where it has changed."""
        layer, old = self._layer, self._view
        if layer is None:
            return
        colours = LayerColours(layer) if old is None else old.colours
        try:
            table = ObjectTable.of(layer.features, layer.name)
            check_numbers(table.labels, layer.name)
        except InputError as error:
            colours.restore()
            self._view = None
            self._show_table_of(None)
            self._panels.show(self._view, self.look)
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
        data = finest(layer)

        def work(progress: Any) -> Boxes:
            from napari_cytosynth.tasks.look.pixels import find_boxes

            return find_boxes(data, progress)

        self._finder.start(work, self._on_found)

    def _on_found(self, outcome: Outcome[Boxes]) -> None:
        view, then = self._view, self._then
        self._then = None
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
        if then is not None:
            then()

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
        self._panels.show(view, look)
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
        if self._must_find(lambda: self.step(by)):
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
        if self._look_at(labels[at]):
            self.status.value = f"{at + 1} of {len(labels)}, the most doubtful first."

    def go_to(self, label: int) -> None:
        """Select an object and move planes and camera to it."""
        self.select(label)
        if self._view is not None and not self._must_find(lambda: self.go_to(label)):
            self._look_at(label)

    def _must_find(self, then: Callable[[], None]) -> bool:
        """Return whether the objects are yet to be found, after which `then` is called."""
        assert self._view is not None
        if self._view.boxes is not None:
            return False
        self._then, self.status.value = then, "Finding the objects …"
        self._find()
        return True

    def _look_at(self, label: int) -> bool:
        assert self._view is not None
        assert self._view.boxes is not None
        place = self._view.boxes.place(label)
        if place is None:
            self.status.value = f"⚠ Object {label} has a row, but is not in the labels any more."
            return False
        look_at(self._viewer, self._layer, *place)
        return True

    # -- table and plots ----------------------------------------------------------------------

    @property
    def table(self) -> TablePanel | None:
        """The table of the objects; None while it is not shown."""
        return self._panels.table.shown

    @property
    def plots(self) -> PlotPanel | None:
        """The plots; None while they are not shown."""
        return self._panels.plots.shown

    def show_table(self, layer: Any = None) -> None:
        """Open the table below the viewer.

        Parameters
        ----------
        layer
            Labels to look at. Default: None, those that are chosen.
        """
        if layer is not None:
            self.objects.value = layer
        self._panels.table.open()
        self._apply()

    def show_plots(self) -> None:
        """Open the histogram and the scatter below the viewer."""
        try:
            self._panels.plots.open()
        except InputError as error:
            self.status.value = f"⚠ {error}"
        else:
            self._apply()

    # -- results ------------------------------------------------------------------------------

    def _seen(self) -> ViewedObjects | None:
        """Return what is to be written, as it is now."""
        if self._view is None:
            return None
        return ViewedObjects(self._layer, self._view, self.look, self.plots)

    def _show_status(self, sentence: str) -> None:
        self.status.value = sentence

    def wait(self, timeout: float = 60.0) -> bool:
        """Process events until nothing is under way; return False after `timeout` seconds."""
        return self._finder.wait(timeout) and self.saving.jobs.wait(timeout)

    def _on_parent(self, _: Any = None) -> None:
        if self.native.parent() is None:
            self._finder.close()
            self.saving.jobs.close()
            self._leave()
            self._picker.close()
            self._closed = True
            self._panels.close()
