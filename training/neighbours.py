"""Documented path of `generate.evaluate.training_crops`."""

from napari_cytosynth.training.generate.evaluate.training_crops import training_crops

__all__ = ["training_crops"]
