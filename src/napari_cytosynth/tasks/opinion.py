"""Documented path of `tasks.stain.comparison`."""

from napari_cytosynth.tasks.stain.comparison import (
    Comparison,
    Disagreement,
    compare,
    second_opinion,
)

__all__ = ["Comparison", "Disagreement", "compare", "second_opinion"]
