"""Documented path of `tasks.generate.features`."""

from napari_cytosynth.tasks.generate.features import DEFAULT_EXTRACTOR, load_features

__all__ = ["DEFAULT_EXTRACTOR", "load_features"]
