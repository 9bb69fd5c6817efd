"""A labels layer to paint strokes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_cytosynth.tasks.common.layers import geometry_of
from napari_cytosynth.widgets.common.layers import shape_of

__all__ = ["HOW", "add_strokes"]

HOW = (
    "Paint background with 1, then press M for the next number and paint an object; M again for "
    "each further one. A few pixels in each are enough."
)
_OF_THE_IMAGE = 150  # the brush is so many times smaller


def add_strokes(viewer: Any, image: Any) -> Any:
    """Add an empty labels layer on an image, with the brush in hand; return it.

    Parameters
    ----------
    viewer
        The napari viewer.
    image
        The image layer.
    """
    shape = shape_of(image)[: image.ndim]
    layer = viewer.add_labels(
        np.zeros(shape, np.uint16), name=f"strokes – {image.name}", **geometry_of(image)
    )
    layer.brush_size = max(2, round(min(shape[-2:]) / _OF_THE_IMAGE))
    layer.selected_label = 1
    viewer.layers.selection.active = layer
    layer.mode = "paint"
    return layer
