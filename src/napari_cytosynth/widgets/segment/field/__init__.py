"""What is in view of a large image is segmented first."""

from .job import preview_field

__all__ = ["preview_field"]
