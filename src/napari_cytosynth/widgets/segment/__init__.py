"""The dock widget that segments images: background job, live threshold, table of objects."""

from .widget import SegmentWidget

__all__ = ["SegmentWidget"]
