"""Segmentation of planes that do not fit into the memory, block by block, into an OME-Zarr.

The network runs tile by tile and writes its output to files; objects are then found in blocks that
overlap, and those that several blocks see are joined. Nothing that is as large as the plane is ever
in memory.
"""

from .task import BlockedSegmentation, segment_in_blocks

__all__ = ["BlockedSegmentation", "segment_in_blocks"]
