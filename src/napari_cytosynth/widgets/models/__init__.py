"""The Models dock: what models there are, here and on the Hub, and what is done with them."""

from .widget import ModelsWidget

__all__ = ["ModelsWidget"]
