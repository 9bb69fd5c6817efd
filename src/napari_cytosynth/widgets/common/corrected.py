"""Results that were corrected by hand, by their labels layers: what is known of their pixels."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["known_pixels", "plane_of", "remember_corrected"]

# a result lives as long as its layer: its corrections are more work than the model's
_RESULTS: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def remember_corrected(layer: Any, result: Any) -> None:
    """Register the result that a labels layer shows; forget one without corrections."""
    if result.corrections:
        _RESULTS[layer] = result
    else:
        _RESULTS.pop(layer, None)


def known_pixels(layer: Any) -> Callable[[], Any] | None:
    """Return what finds, in any thread, the mask of the pixels whose truth the user has given.

    The mask has the shape of the layer. None for a layer that was not corrected by hand.
    """
    result = _RESULTS.get(layer)
    return None if result is None else lambda: result.placement.placed(result.annotated)


def plane_of(layer: Any) -> tuple[int, ...]:
    """Return the index of the plane that a corrected result is of; () if it is of all of them."""
    result = _RESULTS.get(layer)
    return () if result is None else tuple(result.position or ())
