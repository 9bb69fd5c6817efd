"""Preparation of images and placement of results, shared by all tasks.

Named axes, layers read by their attributes, the planes and channels that a model takes,
resampling to its pixel size, the place of a result in the viewer, colours and provenance.
"""
