"""Linking of the objects of neighbouring planes into objects of the stack (stitching)."""

from .linking import Linking, PlaneLinker
from .overlaps import MINIMUM_IOU, Overlaps, connected_groups, count_overlaps, object_areas

__all__ = [
    "MINIMUM_IOU",
    "Linking",
    "Overlaps",
    "PlaneLinker",
    "connected_groups",
    "count_overlaps",
    "object_areas",
]
