"""Evaluation of segmentation networks: pixels and objects against the truth, figures."""
