"""The way from nucleus to nucleus, the most doubtful first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.layers import format_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Stop", "stops_of"]


@dataclass(frozen=True)
class Stop:
    """One nucleus to look at.

    Attributes
    ----------
    label
        Of the nucleus.
    doubt
        In [0, 1]; None where it is unknown.
    place
        Its centre, into the axes of the layer.
    diameter_px
        Of a disc as large; at least that of most nuclei of the image.
    row
        Its row of the table in words.
    """

    label: int
    doubt: float | None
    place: tuple[float, ...]
    diameter_px: float
    row: str


def stops_of(objects: Any) -> list[Stop]:
    """Return the nuclei in the order to look at them.

    By falling doubt; where that is unknown, those first that were found again least well in
    turned and mirrored views; where that is unknown too, in the order of the table.
    """
    placement = objects.staining.placement
    table, again = objects.most_doubtful, objects.features.get("outline_views")
    if objects.doubt is None and again is not None:
        order = np.argsort(again[table["label"].to_numpy() - 1], kind="stable")
        table = table.iloc[order]
    # a speck is not brought as near as a nucleus: its surroundings would be lost
    usual = float(table["equivalent_diameter_px"].median()) if len(table) else 0.0
    stops = []
    for _, row in table.iterrows():
        label = int(row["label"])
        found = None if again is None else float(again[label - 1])
        stops.append(
            Stop(
                label,
                float(row["doubt"]) if "doubt" in row else None,
                _place(row, objects.axes, placement.layer_axes),
                max(float(row["equivalent_diameter_px"]), usual),
                _in_words(row, objects.axes, found),
            )
        )
    return stops


def _place(row: pd.Series[Any], axes: str, layer_axes: str) -> tuple[float, ...]:
    """Return the centre of a nucleus into the axes of the layer, some of which may be added."""
    own = {axis: float(row[axis.lower()]) for axis in axes[:-2]}
    own |= {axis: float(row[f"centroid_{axis.lower()}_px"]) for axis in axes[-2:]}
    return tuple(own.get(axis, 0.0) for axis in layer_axes)


def _in_words(row: pd.Series[Any], axes: str, found_again: float | None) -> str:
    parts = []
    if "doubt" in row:
        parts.append(f"doubt {row['doubt']:.2f}")
    elif found_again is not None:
        parts.append(f"overlap with the turned views {found_again:.2f}")
    size = (
        f"{format_number(row['area_um2'])} µm²"
        if "area_um2" in row
        else f"{format_number(row['area_px'])} px"
    )
    parts += [size, f"brightness {format_number(row['mean_intensity'])}"]
    parts += [f"{axis.lower()} {int(row[axis.lower()])}" for axis in axes[:-2]]
    return " · ".join(parts)
