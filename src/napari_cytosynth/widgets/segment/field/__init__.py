"""What is in view of a large image is segmented first, and shown until the whole is there."""

from .job import FieldRequest, preview_field
from .layer import FieldLayer

__all__ = ["FieldLayer", "FieldRequest", "preview_field"]
