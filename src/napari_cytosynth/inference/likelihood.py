"""Documented path of `inference.generation.likelihood`."""

from napari_cytosynth.inference.generation.likelihood import Likelihood, bits_per_dim

__all__ = ["Likelihood", "bits_per_dim"]
