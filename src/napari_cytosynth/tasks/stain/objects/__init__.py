"""Objects (nuclei) of a virtual stain, and how doubtful each of them is."""

from __future__ import annotations

from .result import StainedObjects
from .task import find_objects

__all__ = ["StainedObjects", "find_objects"]
