"""The Look widget: filters, colours and a way through the objects of any labels with a table."""

from .widget import LookWidget

__all__ = ["LookWidget"]
