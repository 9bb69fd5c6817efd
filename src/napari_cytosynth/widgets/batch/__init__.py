"""The Batch widget: a task with the settings of a result, on many files, in another process."""

from .widget import BatchWidget

__all__ = ["BatchWidget"]
