"""Conversion of foreign weights to the three files of a model.

Checkpoints of other programs are read in a process of their own, renamed to one of the package's
architectures, checked, and saved as safetensors with a card.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conversion import Converted, convert

__all__ = ["Converted", "convert"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import conversion  # only now: a module of this package needs none of it

    return getattr(conversion, name)
