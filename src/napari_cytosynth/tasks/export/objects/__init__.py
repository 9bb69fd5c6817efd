"""Labelled objects with their table, for other programs and back: QuPath, ImageJ, tables."""
