"""A region of interest: shapes drawn on an image, and the pixels that lie in them."""

from .masks import AT_BORDER, RegionMasks, bounding_box
from .run import RegionalRun
from .shapes import Region, find_region

__all__ = ["AT_BORDER", "Region", "RegionMasks", "RegionalRun", "bounding_box", "find_region"]
