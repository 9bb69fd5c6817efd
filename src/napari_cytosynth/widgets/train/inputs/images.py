"""Rows in which the images of a generator are chosen, with their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, PushButton

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.layers import image_layers
from napari_cytosynth.widgets.common.parts import plain_row
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

from .rows import LayerRows

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ImageRows"]


class ImageRows(LayerRows):
    """Images, or stacks of images, one row each, with the class of a model that knows some.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    """

    def __init__(self, viewer: Any) -> None:
        self._classes: list[str] = []
        self._more = PushButton(text="More", tooltip="Add another image or stack.")
        self._fewer = PushButton(text="Fewer", tooltip="Leave out the last one.")
        super().__init__(viewer, plain_row(self._more, self._fewer))
        self._more.changed.connect(lambda *_: self.add_row())
        self._fewer.changed.connect(lambda *_: self.remove_row())

    def offer(self, classes: Sequence[str]) -> None:
        """Have a choice of these classes in every row; none hides it."""
        self._classes = list(classes)
        for row in self._rows:
            row[1].reset_choices()
            row[1].visible = bool(self._classes)

    @property
    def value(self) -> list[tuple[Any, str]]:
        """(layer, class) of every row that has a layer; set by a list."""
        return [(row[0].value, row[1].value or "") for row in self._rows if row[0].value]

    @value.setter
    def value(self, images: list[tuple[Any, str]]) -> None:
        self.resize(len(images))
        for row, (layer, label) in zip(self._rows, images, strict=False):
            row[0].value = layer
            if label:
                row[1].value = label

    def make_row(self) -> Container[Any]:
        """Return a row for another image."""
        image = self.box(image_layers, "An image, or a stack of images, to learn from.")
        label = ComboBox(choices=lambda _: self._classes, tooltip="What class its images are of.")
        row = plain_row(image, label)
        label.visible = bool(self._classes)
        return row

    def copies(self) -> tuple[Any, ...]:
        """Return the images, with classes (image, class), as copies that edits do not reach.

        Raises
        ------
        InputError
            If there is none.
        """
        found = [(LayerSnapshot.of(layer), label) for layer, label in self.value]
        if not found:
            raise InputError("Choose an image, or a stack of images, to learn from.")
        return tuple(found) if self._classes else tuple(image for image, _ in found)
