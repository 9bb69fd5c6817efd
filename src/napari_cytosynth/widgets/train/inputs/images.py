"""Rows in which the images of a generator are chosen, with their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, PushButton

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.layers import image_layers
from napari_cytosynth.widgets.common.parts import narrow, plain_row
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ImageRows"]

_MOST = 50
_CHARACTERS = 9


class ImageRows(Container[Any]):
    """Images, or stacks of images, one row each, with the class of a model that knows some.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._classes: list[str] = []
        self._rows: list[Container[Any]] = []
        self._more = PushButton(text="More", tooltip="Add another image or stack.")
        self._fewer = PushButton(text="Fewer", tooltip="Leave out the last one.")
        super().__init__(widgets=[plain_row(self._more, self._fewer)], labels=False)
        self.margins = (0, 0, 0, 0)
        self._more.changed.connect(lambda *_: self.add_row())
        self._fewer.changed.connect(lambda *_: self.remove_row())
        self.add_row()

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
        while len(self._rows) < len(images):
            self.add_row()
        while len(self._rows) > max(len(images), 1):
            self.remove_row()
        self.reset_choices()
        for row, (layer, label) in zip(self._rows, images, strict=False):
            row[0].value = layer
            if label:
                row[1].value = label

    def add_row(self) -> None:
        """Add a row for another image."""
        if len(self._rows) >= _MOST:
            return
        image = ComboBox(
            choices=lambda _: image_layers(self._viewer),
            nullable=True,
            tooltip="An image, or a stack of images, to learn from.",
        )
        label = ComboBox(choices=lambda _: self._classes, tooltip="What class its images are of.")
        narrow(image, _CHARACTERS)
        row = plain_row(image, label)
        label.visible = bool(self._classes)
        first = next(iter(image_layers(self._viewer)), None)
        if first is not None and not self._rows:
            image.value = first
        self.insert(len(self._rows), row)
        self._rows.append(row)

    def remove_row(self) -> None:
        """Remove the last row, unless it is the only one."""
        if len(self._rows) > 1:
            row = self._rows.pop()
            self.remove(row)
            row.native.deleteLater()

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
