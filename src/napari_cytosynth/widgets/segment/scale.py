"""Scales of the sliders: where a value lies on the track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LINEAR", "LOG_ODDS", "Scale", "position_of", "threshold_of"]

# The ends of the track. Between them it is linear in the log-odds, so that 0.01 to 0.05
# takes as much room as 0.5 to 0.84, and 0.99 is as easy to reach as 0.01.
_LOWEST = 0.001
_SPAN = float(np.log((1 - _LOWEST) / _LOWEST))


def position_of(threshold: Any) -> Any:
    """Return where a threshold in [0, 1] lies on the track, 0 (left) to 1 (right)."""
    t = np.clip(threshold, _LOWEST, 1 - _LOWEST)
    return 0.5 + np.log(t / (1 - t)) / (2 * _SPAN)


def threshold_of(position: float) -> float:
    """Return the threshold at a position of the track; inverse of `position_of`."""
    return float(1 / (1 + np.exp(-(2 * position - 1) * _SPAN)))


@dataclass(frozen=True)
class Scale:
    """Scale of values in [0, 1] on a track.

    Attributes
    ----------
    position_of
        Where a value lies, 0 (left) to 1 (right).
    value_of
        The value there; inverse of `position_of`.
    ticks
        Values that are named on the axis.
    """

    position_of: Callable[[Any], Any]
    value_of: Callable[[float], float]
    ticks: tuple[float, ...]


LOG_ODDS = Scale(position_of, threshold_of, (0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99))
LINEAR = Scale(lambda value: value, float, (0, 0.25, 0.5, 0.75, 1))
