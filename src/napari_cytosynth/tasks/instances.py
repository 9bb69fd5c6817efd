"""Older path of `tasks.segment.instances`."""

from napari_cytosynth.tasks.segment.instances import LabelOptions, label_plane

__all__ = ["LabelOptions", "label_plane"]
