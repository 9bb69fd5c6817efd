"""Rows in which an image layer and the layers of its stains are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container

from napari_cytosynth.errors import InputError
from napari_cytosynth.widgets.common.layers import image_layers
from napari_cytosynth.widgets.common.parts import align_captions, narrow
from napari_cytosynth.widgets.common.snapshot import LayerSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["StainRows"]

_CHOOSE = (
    "Choose the image, and the layer of one stain at least, of which the same cells were taken."
)


class StainRows(Container[Any]):
    """An image, and a row for each stain that a model makes.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._boxes: dict[str, ComboBox] = {}
        self._image = self._box("image", "The image, or stack, that the stains are of.")
        super().__init__(widgets=[self._image], labels=True)
        self.margins = (0, 0, 0, 0)
        align_captions(self)

    def _box(self, name: str, tooltip: str) -> ComboBox:
        box = ComboBox(
            label=name,
            choices=lambda _: image_layers(self._viewer),
            nullable=True,
            tooltip=tooltip,
        )
        narrow(box)
        return box

    def offer(self, stains: Sequence[str]) -> None:
        """Have a row for each of these stains, with the layer of that name if there is one."""
        if list(stains) == list(self._boxes):
            return
        for box in self._boxes.values():
            self.remove(box)
            box.native.deleteLater()
        self._boxes = {}
        for name in stains:
            box = self._box(
                name, f"The layer with the measured {name}; none: the new model does not make it."
            )
            self._boxes[name] = box
            self.append(box)
            named = [one for one in box.choices if one and name.lower() in str(one.name).lower()]
            box.value = named[0] if named else None
        align_captions(self)

    @property
    def value(self) -> tuple[Any, dict[str, Any]]:
        """The image layer, and name of a stain -> its layer; set by the same."""
        stains = {name: box.value for name, box in self._boxes.items() if box.value is not None}
        return self._image.value, stains

    @value.setter
    def value(self, value: tuple[Any, dict[str, Any]]) -> None:
        self.reset_choices()
        self._image.value = value[0]
        for name, box in self._boxes.items():
            box.value = value[1].get(name)

    def copies(self) -> tuple[tuple[Any, dict[str, Any]], ...]:
        """Return (image, stains) as copies that later edits do not reach.

        Raises
        ------
        InputError
            If one is missing.
        """
        image, stains = self.value
        if image is None or not stains:
            raise InputError(_CHOOSE)
        if twice := [name for name, layer in stains.items() if layer is image]:
            raise InputError(f"The image cannot be its own stain ({twice[0]}): {_CHOOSE.lower()}")
        copied = {name: LayerSnapshot.of(layer) for name, layer in stains.items()}
        return ((LayerSnapshot.of(image), copied),)
