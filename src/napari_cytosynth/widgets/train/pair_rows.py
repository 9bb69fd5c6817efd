"""Rows in which an image layer and the labels layer painted on it are chosen."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import ComboBox, Container

from napari_cytosynth.widgets.common.layers import image_layers, label_layers
from napari_cytosynth.widgets.common.parts import narrow, plain_row

__all__ = ["PairRows"]

_CHARACTERS = 9
MOST = 50
"""Largest number of rows."""


class PairRows(Container[Any]):
    """Pairs of an image and labels, one row each; one row at first.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        self.add_row()

    @property
    def value(self) -> list[tuple[Any, Any]]:
        """(image, labels) layers of each row, None where nothing is chosen; set by a list."""
        return [(row[0].value, row[1].value) for row in self]

    @value.setter
    def value(self, pairs: list[tuple[Any, Any]]) -> None:
        while len(self) < len(pairs):
            self.add_row()
        while len(self) > max(len(pairs), 1):
            self.remove_row()
        self.reset_choices()
        for row, (image, labels) in zip(self, pairs, strict=False):
            row[0].value, row[1].value = image, labels

    def add_row(self) -> None:
        """Add a row for another image."""
        if len(self) >= MOST:
            return
        image = ComboBox(
            choices=lambda _: image_layers(self._viewer), nullable=True, tooltip="The image."
        )
        labels = ComboBox(
            choices=lambda _: label_layers(self._viewer),
            nullable=True,
            tooltip="The labels layer that was painted, or corrected, on this image.",
        )
        for box, layers in ((image, image_layers), (labels, label_layers)):
            narrow(box, _CHARACTERS)
            first = next(iter(layers(self._viewer)), None)
            if first is not None and not len(self):
                box.value = first
        self.append(plain_row(image, labels))

    def remove_row(self) -> None:
        """Remove the last row, unless it is the only one."""
        if len(self) > 1:
            row = self[-1]
            self.remove(row)
            row.native.deleteLater()
