"""The merge tree of a plane: which of its maxima are one component at which grey level."""

from .components import Components, MergeTree

__all__ = ["Components", "MergeTree"]
