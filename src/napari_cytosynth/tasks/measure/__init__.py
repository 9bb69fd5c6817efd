"""Tables of objects in label images: shape, position, intensity, neighbours and uncertainty."""

from napari_cytosynth.tasks.common.layers import resolve_pixel_size

from .columns import describe_column
from .table import measure

__all__ = ["describe_column", "measure", "resolve_pixel_size"]
