"""The dock widget that stains images virtually: form, background job, uncertainty, comparison."""

from .widget import StainWidget

__all__ = ["StainWidget"]
