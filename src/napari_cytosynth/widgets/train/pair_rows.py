"""Rows in which an image layer and the labels layer painted on it are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.widgets.common.layers import image_layers, label_layers
from napari_cytosynth.widgets.common.parts import plain_row

from .inputs.rows import LayerRows

if TYPE_CHECKING:
    from magicgui.widgets import Container

__all__ = ["PairRows"]


class PairRows(LayerRows):
    """Pairs of an image and labels, one row each; one row at first.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    """

    @property
    def value(self) -> list[tuple[Any, Any]]:
        """(image, labels) layers of each row, None where nothing is chosen; set by a list."""
        return [(row[0].value, row[1].value) for row in self._rows]

    @value.setter
    def value(self, pairs: list[tuple[Any, Any]]) -> None:
        self.resize(len(pairs))
        for row, (image, labels) in zip(self._rows, pairs, strict=False):
            row[0].value, row[1].value = image, labels

    def make_row(self) -> Container[Any]:
        """Return a row for another image."""
        image = self.box(image_layers, "The image.")
        labels = self.box(
            label_layers, "The labels layer that was painted, or corrected, on this image."
        )
        return plain_row(image, labels)
