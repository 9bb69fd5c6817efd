"""What all tasks share between an image that comes in and a result that goes out.

Named axes, layers read by their attributes, the planes and channels that a model takes,
resampling to its pixel size, the place of a result in the viewer, colours and provenance.
"""
