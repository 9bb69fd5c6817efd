"""Documented path of `tasks.stain.domain_check`."""

from napari_cytosynth.tasks.stain.domain_check import check_image

__all__ = ["check_image"]
