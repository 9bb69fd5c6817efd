"""The dock widget that generates images: form, background job, live preview, galleries."""

from .widget import GenerateWidget

__all__ = ["GenerateWidget"]
