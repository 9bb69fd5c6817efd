"""Runs of a segmentation model: its network on every plane, or on the part around a region."""

from .network import SegmentationRun

__all__ = ["SegmentationRun"]
