"""A labels layer to paint strokes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_cytosynth.tasks.common.layers import geometry_of
from napari_cytosynth.widgets.common.layers import shape_of

__all__ = ["HOW", "add_phantom", "add_strokes"]

HOW = (
    "Paint background with 1, then press M for the next number and paint an object; M again for "
    "each further one. A few pixels in each are enough."
)
_PHANTOM = "simulated cells"
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


def add_phantom(viewer: Any) -> tuple[Any, Any]:
    """Add simulated cells in phase contrast with their true labels; return both layers.

    Each further one shows other cells.

    Parameters
    ----------
    viewer
        The napari viewer.
    """
    from napari_cytosynth.phantoms import phase_contrast_cells

    number = 1 + sum(layer.name.startswith(_PHANTOM) for layer in viewer.layers) // 2
    phantom = phase_contrast_cells((256, 256), count=14, seed=number)
    place: dict[str, Any] = {"scale": (phantom.pixel_size_um,) * 2, "units": ("µm", "µm")}
    name = f"{_PHANTOM} {number}"
    image = viewer.add_image(phantom.image, name=name, **place)
    labels = viewer.add_labels(phantom.labels.astype("int32"), name=f"{name}, truth", **place)
    return image, labels
