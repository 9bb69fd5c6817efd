"""What the columns of the table mean: formula and unit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .intensities import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["describe_column", "is_measured"]

_UNITS = {"px": "px", "um": "µm", "um2": "µm²", "um3": "µm³", "deg": "degrees"}
_PIXELS = {"area": "px (number of pixels)", "volume": "px (number of voxels)"}
"""Units of what counts pixels."""

_MEASURED = {
    "area": "Number of its pixels × area of a pixel",
    "volume": "Number of its voxels × volume of a voxel",
    "surface": "Area of its surface, by Crofton's formula in 13 directions",
    "centroid_z": "Mean plane of its voxels, from the centre of the first plane",
    "centroid_y": "Mean row of its pixels, from the centre of the first row",
    "centroid_x": "Mean column of its pixels, from the centre of the first column",
    "extent_z": "From its first plane to its last",
    "extent_y": "From its first row to its last",
    "extent_x": "From its first column to its last",
    "equivalent_diameter": "Diameter of a circle as large, √(4 · area / π); of a volume, of a "
    "sphere as large, ∛(6 · volume / π)",
    "axis_major": "Whole long axis of the ellipse with the same second moments",
    "axis_minor": "Whole short axis of the ellipse with the same second moments",
    "perimeter": "Length of its outline and of its holes' (Benkrid and Crookes 2000)",
    "orientation": "Angle from the Y axis to the long axis, counter-clockwise",
    "next_distance": "Distance between its centroid and that of the next object of the same plane "
    "or stack; empty if there is no other",
}
"""What has a unit, at the end of the column's name."""
_NUMBERS = {
    "eccentricity": "√(1 − (short axis / long axis)²): 0 for a circle, near 1 for a line",
    "solidity": "Area / area of the convex hull: 1 without dents",
    "next_label": "Number of the object whose centroid is next; 0 if there is no other",
    "touching": "Number of objects that share an edge or a corner of a pixel with it",
    "parent": "Number of the object that holds most of it, and at least half of it; 0: none",
    "children": "Number of objects that lie in it by at least half",
    "mean_probability": "Mean probability of the model over its pixels",
    "mean_uncertainty": "Mean uncertainty (one standard deviation) of the virtual stain over its "
    "pixels",
    "at_region_border": "Whether it touches the border of the region that was measured, which may "
    "cut it",
    "track": "Number of the object through time; a division begins two new ones",
    "track_parent": "Track that divided into this one; 0: none",
}
_GIVEN = {
    "label": "Number of the object in the labels",
    "index": "The same, by which napari finds the row; negative where a number has several rows",
    "t": "Time point, from 0",
    "z": "Plane along Z, from 0",
    "confidence": "Estimated probability that the object is right, by the segmentation model",
    "correction": "What was done to it by hand: merged, cut, painted or accepted",
    "doubt": "Probability that the nucleus is not there in the real stain, or in another shape",
}
"""What the table has from elsewhere: a new measurement cannot make it."""
_WORDS = {
    "min": "Smallest", "max": "Largest", "mean": "Mean", "median": "Median", "sum": "Sum of the",
    "std": "Standard deviation of the",
}  # fmt: skip

_INTENSITY = re.compile(rf"({'|'.join(STATISTICS)})_(?:(.+)_)?intensity")
_RATIO = re.compile(r"ratio_(.+)_to_(.+)")
_CHILDREN = re.compile(r"children_(.+)")
_END = re.compile(r"(area_px|eccentricity|(?:mean|sum)_.+)_(low|high)")
_STAIN = re.compile(r"(mean|sum)_(.+)")


def describe_column(column: str, among: Collection[str] = ()) -> str | None:
    """Return what a column of the table means, with its formula and its unit.

    Parameters
    ----------
    column
        Its name.
    among
        Names of all columns: that of a stain is known by those of its interval. Default: none.

    Returns
    -------
    str or None
        None of a column that this package does not make.
    """
    if column in _GIVEN:
        return f"{_GIVEN[column]}."
    base, _, suffix = column.rpartition("_")
    if suffix in _UNITS and base in _MEASURED:
        unit = _PIXELS.get(base, "px") if suffix == "px" else _UNITS[suffix]
        return f"{_MEASURED[base]}. Unit: {unit}."
    if column in _NUMBERS:
        return f"{_NUMBERS[column]}. No unit."
    return _of_channel(column, among)


def is_measured(column: str) -> bool:
    """Return whether a new measurement makes, or could make, a column: an old one is stale."""
    base, _, suffix = column.rpartition("_")
    known = column in _NUMBERS or (suffix in _UNITS and base in _MEASURED)
    lasting = column in ("mean_probability", "mean_uncertainty") or column.startswith("track")
    patterns = (_INTENSITY, _RATIO, _CHILDREN)
    return (known and not lasting) or any(pattern.fullmatch(column) for pattern in patterns)


def _of_channel(column: str, among: Collection[str]) -> str | None:
    if found := _INTENSITY.fullmatch(column):
        where = f" in “{found[2]}”" if found[2] else ""
        return f"{_WORDS[found[1]]} intensity over its pixels{where}. Unit: that of the image."
    if found := _RATIO.fullmatch(column):
        return f"Mean intensity in “{found[1]}” / mean intensity in “{found[2]}”. No unit."
    if found := _CHILDREN.fullmatch(column):
        return f"Number of objects of “{found[1]}” that lie in it by at least half. No unit."
    if found := _END.fullmatch(column):
        end = "Low" if found[2] == "low" else "High"
        return (
            f"{end} end of the interval that holds “{found[1]}” of the real stain in 68 % of "
            "nuclei, of the nucleus of the virtual stain that is this object (IoU ≥ 0.5)."
        )
    if f"{column}_low" in among and (found := _STAIN.fullmatch(column)):
        word = "Mean" if found[1] == "mean" else "Sum"
        return (
            f"{word} of the virtual stain “{found[2]}” above its background (percentile 20), of "
            "the nucleus of the virtual stain that is this object. Unit: that of the stain."
        )
    return None
