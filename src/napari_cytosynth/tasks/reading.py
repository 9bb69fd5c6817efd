"""Older path of `images.reading`."""

from napari_cytosynth.images.reading import LoadedImage, read_image

__all__ = ["LoadedImage", "read_image"]
