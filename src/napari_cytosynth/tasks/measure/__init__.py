"""Tables of objects in label images: area, shape, position, intensity and uncertainty."""

from napari_cytosynth.tasks.common.layers import resolve_pixel_size

from .table import measure

__all__ = ["measure", "resolve_pixel_size"]
