"""Documented path of `tasks.generate.result`."""

from napari_cytosynth.tasks.generate.result import Generation

__all__ = ["Generation"]
