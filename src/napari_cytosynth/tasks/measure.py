"""Shape, size, position and intensity of every labelled object. (Interface; being filled.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["measure"]


def measure(
    labels: Any,
    intensity: Any = None,
    pixel_size: float | Sequence[float] | None = None,
    *,
    axes: str | None = None,
    probability: Any = None,
) -> pd.DataFrame:
    """Columns: index, label, [t, z …], area_px, area_um2, … ; arrays or napari layers."""
    raise NotImplementedError
