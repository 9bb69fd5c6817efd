"""Labels layers that show outlines of objects, each in a colour of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["add_outlines"]


def add_outlines(viewer: Any, data: Any, attributes: Mapping[str, Any]) -> Any:
    """Add labels to a viewer as outlines, and return the layer (in the main thread only).

    Parameters
    ----------
    viewer
        The napari viewer.
    data
        Labels.
    attributes
        Of the layer; ``contour`` is the width of the outlines in px, ``colormap`` a dict from
        label to colour, with one for all others under None.
    """
    from napari.utils.colormaps import DirectLabelColormap

    given = dict(attributes)
    contour, colours = given.pop("contour", 0), given.pop("colormap", None)
    if colours is not None:
        given["colormap"] = DirectLabelColormap(color_dict={0: "transparent", **colours})
    layer = viewer.add_labels(data, **given)
    layer.contour = contour
    return layer
