"""Evaluation of virtual stainers: pixels, objects, uncertainty and its calibration, figures."""
