"""Corrections by hand: merge, cut, delete, paint and accept objects, at every threshold."""

from .annotating import annotated_pixels
from .applying import Applied, apply_corrections, correct_plane, correct_run
from .making import make_correction
from .records import Correction, Corrections, Mask, Target

__all__ = [
    "Applied",
    "Correction",
    "Corrections",
    "Mask",
    "Target",
    "annotated_pixels",
    "apply_corrections",
    "correct_plane",
    "correct_run",
    "make_correction",
]
