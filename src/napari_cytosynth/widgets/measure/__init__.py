"""The Measure widget: its form, the list of layers to measure in, and its background job."""

from .widget import MeasureWidget

__all__ = ["MeasureWidget"]
