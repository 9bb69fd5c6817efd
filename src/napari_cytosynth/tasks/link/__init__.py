"""Linking of objects: of neighbouring planes into objects of the stack, and through time."""

from .linking import Linking, PlaneLinker
from .overlaps import (
    MINIMUM_IOU,
    LabelRuns,
    SharedPixels,
    connected_groups,
    count_overlaps,
    object_areas,
)
from .tracking import track
from .tracks import Tracks

__all__ = [
    "MINIMUM_IOU",
    "LabelRuns",
    "Linking",
    "PlaneLinker",
    "SharedPixels",
    "Tracks",
    "connected_groups",
    "count_overlaps",
    "object_areas",
    "track",
]
