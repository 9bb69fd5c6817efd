"""The size of the objects in an image: a diameter given or measured, and one resampling to it."""

from .diameter import AUTO, Resizing, check_diameter, plan_resizing, resized
from .estimate import DIFFERENT, ObjectSize, estimate_object_size, judge, measure_plane

__all__ = [
    "AUTO",
    "DIFFERENT",
    "ObjectSize",
    "Resizing",
    "check_diameter",
    "estimate_object_size",
    "judge",
    "measure_plane",
    "plan_resizing",
    "resized",
]
