"""Documented path of `tasks.common.input_check`."""

from napari_cytosynth.tasks.common.input_check import check_image

__all__ = ["check_image"]
