"""Documented path of `tasks.stain.result`."""

from napari_cytosynth.tasks.stain.result import Staining

__all__ = ["Staining"]
