"""Fields of the region that limits a run or a measurement."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from magicgui.widgets import ComboBox

from . import layers
from .parts import narrow
from .snapshot import GEOMETRY, copied

if TYPE_CHECKING:
    from napari_cytosynth.tasks.common.region import Region

__all__ = ["RegionRows"]

AtBorder = Literal["keep", "drop", "mark"]

_AT_BORDER = [("kept", "keep"), ("left out", "drop"), ("marked", "mark")]


class RegionRows:
    """The Shapes layer inside of which something is done, and what becomes of cut objects.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.

    Attributes
    ----------
    region, at_border
        magicgui widgets; the second is seen where the first has a value.
    """

    def __init__(self, viewer: Any) -> None:
        self.region = ComboBox(
            name="region",
            label="only inside",
            choices=lambda _: layers.region_layers(viewer),
            nullable=True,
            tooltip="A Shapes layer: rectangles, polygons and ellipses, where they lie on the "
            "image. Nothing outside counts. Shapes drawn in one plane of a stack hold in all "
            "planes; if they were drawn in several, each holds in its own.",
        )
        self.at_border = ComboBox(
            name="at_border",
            label="cut objects",
            choices=_AT_BORDER,
            tooltip="Objects that touch the border of the region: their part inside is kept, they "
            "are left out, or the part inside is kept and marked in the column at_region_border.",
            visible=False,
        )
        for box in (self.region, self.at_border):
            narrow(box)
        self.region.changed.connect(self._on_region)

    def rows(self) -> list[Any]:
        """Return the widgets, for a form."""
        return [self.region, self.at_border]

    def _on_region(self, layer: Any) -> None:
        self.at_border.visible = layer is not None

    def drawn(self) -> tuple[Any, AtBorder]:
        """Return a copy of the Shapes layer as it is now, for where there is no image."""
        layer = self.region.value
        if layer is None:
            return None, "keep"
        names = (*GEOMETRY, "data", "shape_type")
        own = {name: copied(getattr(layer, name)) for name in names}
        kind = {"_type_string": "shapes", "name": str(layer.name), "ndim": int(layer.ndim)}
        return SimpleNamespace(**own, **kind), self.at_border.value

    def chosen(self, image: Any, axes: str, across: str = "") -> tuple[Region | None, AtBorder]:
        """Return the region as it is drawn now, and what becomes of cut objects.

        Parameters
        ----------
        image, axes
            The layer that the shapes lie on, and the letters of its axes.
        across
            Letters of axes all along which the shapes hold. Default: none.

        Raises
        ------
        InputError
            If there are no shapes in the layer, or shapes without an area.
        """
        if self.region.value is None:
            return None, "keep"
        from napari_cytosynth.tasks.common.layers import read_source
        from napari_cytosynth.tasks.common.region import find_region

        # later edits of the layer, and its removal, do not matter to the run
        found = find_region(self.region.value, read_source(image), axes, across)
        return found, self.at_border.value
