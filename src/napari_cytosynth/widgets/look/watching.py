"""What happens to a labels layer while it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LayerWatch"]

_TABLE = ("features", "data", "paint")


class LayerWatch:
    """Calls back when a layer's table or pixels, its selected label or its colours change.

    Parameters
    ----------
    layer
        Of labels.
    on_table, on_selected, on_colours
        Called without arguments.
    """

    def __init__(
        self,
        layer: Any,
        on_table: Callable[[], Any],
        on_selected: Callable[[], Any],
        on_colours: Callable[[], Any],
    ) -> None:
        self._layer = layer
        self._on_table, self._on_selected, self._on_colours = on_table, on_selected, on_colours
        for name in _TABLE:
            getattr(layer.events, name).connect(self._table)
        layer.events.selected_label.connect(self._selected)
        layer.events.colormap.connect(self._colours)

    def close(self) -> None:
        """Leave the layer alone."""
        events = self._layer.events
        for name in _TABLE:
            getattr(events, name).disconnect(self._table)
        events.selected_label.disconnect(self._selected)
        events.colormap.disconnect(self._colours)

    def _table(self, _event: Any = None) -> None:
        self._on_table()

    def _selected(self, _event: Any = None) -> None:
        self._on_selected()

    def _colours(self, _event: Any = None) -> None:
        self._on_colours()
