"""Documented path of `tasks.generate.nearest`."""

from napari_cytosynth.tasks.generate.nearest import Nearest, TrainingCrops, nearest_training

__all__ = ["Nearest", "TrainingCrops", "nearest_training"]
