"""Linking of the objects of neighbouring planes into objects of the stack (stitching)."""

from .linking import Linking, PlaneLinker
from .overlaps import (
    MINIMUM_IOU,
    LabelRuns,
    SharedPixels,
    connected_groups,
    count_overlaps,
    object_areas,
)

__all__ = [
    "MINIMUM_IOU",
    "LabelRuns",
    "Linking",
    "PlaneLinker",
    "SharedPixels",
    "connected_groups",
    "count_overlaps",
    "object_areas",
]
