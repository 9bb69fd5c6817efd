"""Segmentation of an image: the task, its result, and objects from probabilities.

Objects are connected components above a threshold, optionally split where they touch; a tree of
all components makes another threshold cost no more than a look-up.
"""

from .result import Segmentation
from .task import segment

__all__ = ["Segmentation", "segment"]
