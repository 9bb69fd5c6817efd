"""Tick boxes of what is shown of a virtual staining."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from magicgui.widgets import CheckBox
from qtpy.QtWidgets import QGridLayout, QWidget

from napari_cytosynth.widgets.common.parts import plain_tooltip
from napari_cytosynth.zoo.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .view import StainView

__all__ = ["ShownPanel"]

_COLUMNS = 3
_LONGEST = 14  # characters of a stain's name
_TIPS = {
    "sigma": "The uncertainty of the stains that are shown.",
    "samples": "How much the dropout samples of the stains that are shown differ.",
    "source": "The image that was stained.",
    "side_by_side": "Image and stains beside one another; with σ and samples, these too. Off: "
    "all again as it was.",
}


class ShownPanel:
    """A tick box for each stain, for what is known of it and the source, and all side by side.

    They show what is visible in the layer list, and change it.

    Attributes
    ----------
    native
        The Qt widget.
    stains
        Tick boxes of the stains, by name.
    sigma, samples, source, side_by_side
        The other tick boxes; that of the samples is there where they have layers of their own.
    """

    def __init__(self) -> None:
        self.native = QWidget()
        self._grid = QGridLayout(self.native)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._view: StainView | None = None
        self.stains: dict[str, CheckBox] = {}
        self.sigma = _box("sigma", "σ", _TIPS["sigma"])
        self.samples = _box("samples", "samples", _TIPS["samples"])
        self.source = _box("source", "source", _TIPS["source"])
        self.side_by_side = _box("side_by_side", "side by side", _TIPS["side_by_side"])
        self._place(1)
        for column in range(_COLUMNS):
            self._grid.setColumnStretch(column, 1)
        self.follow(None)

    def connect(self, view: StainView) -> None:
        """Let the tick boxes change a view."""
        self._view = view
        self.sigma.changed.connect(view.set_sigma)
        self.samples.changed.connect(view.set_samples)
        self.source.changed.connect(view.set_source)
        self.side_by_side.changed.connect(view.set_side_by_side)

    def offer(self, names: Sequence[str]) -> None:
        """Have a tick box for each of these stains."""
        if list(names) == list(self.stains):
            return
        for box in self.stains.values():
            self._grid.removeWidget(box.native)
            box.native.setParent(None)
            box.native.deleteLater()
        self.stains = {name: self._stain_box(name) for name in names}
        for number, box in enumerate(self.stains.values()):
            self._grid.addWidget(box.native, number // _COLUMNS, number % _COLUMNS)
        self._place(-(-max(len(names), 1) // _COLUMNS))

    def _place(self, row: int) -> None:
        for column, box in enumerate((self.sigma, self.source, self.side_by_side)):
            self._grid.addWidget(box.native, row, column)
        self._grid.addWidget(self.samples.native, row + 1, 0)

    def explain(self, sigma: str, samples: str) -> None:
        """Say what the uncertainty and the spread of samples of the present model are worth."""
        for box, key, worth in ((self.sigma, "sigma", sigma), (self.samples, "samples", samples)):
            box.tooltip = " ".join(filter(None, [_TIPS[key], worth]))

    def follow(self, view: StainView | None) -> None:
        """Tick what is visible; what is not there cannot be ticked."""
        if view is not None and view.stains:
            self.offer(view.stains)
        for name, box in self.stains.items():
            _show(box, view, "mean", name)
        _show(self.sigma, view, "uncertainty")
        _show(self.samples, view, "sample spread")
        self.samples.visible = self.samples.enabled
        _show(self.source, view, "source")
        there = view is not None and view.has("mean")
        self.source.enabled = self.source.enabled and there
        with self.side_by_side.changed.blocked():
            self.side_by_side.value = view is not None and view.side_by_side
        self.side_by_side.enabled = there

    def _stain_box(self, name: str) -> CheckBox:
        box = _box("stain", one_line(name, _LONGEST), plain_tooltip(f"The virtual stain {name}."))
        box.changed.connect(partial(self._on_stain, name))
        return box

    def _on_stain(self, name: str, shown: bool) -> None:
        if self._view is not None:
            self._view.set_stain(name, shown)


def _box(name: str, text: str, tooltip: str) -> CheckBox:
    return CheckBox(name=name, text=text, label="", tooltip=tooltip)


def _show(box: CheckBox, view: StainView | None, role: str, stain: str = "") -> None:
    with box.changed.blocked():
        box.value = view is not None and view.shows(role, stain)
    box.enabled = view is not None and view.has(role, stain)
