"""Calibration of virtual stainers on left-out fields: typical errors, doubts, numbers of cells."""
