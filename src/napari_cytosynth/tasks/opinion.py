"""Documented path of `tasks.stain.comparison` and `tasks.stain.second_opinion`."""

from napari_cytosynth.tasks.stain.comparison import Comparison, compare
from napari_cytosynth.tasks.stain.second_opinion import (
    Disagreement,
    second_opinion,
    share_training,
)

__all__ = ["Comparison", "Disagreement", "compare", "second_opinion", "share_training"]
