"""What scripts give for a figure, read and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.arguments import check_number, check_wholes, shown, unsuitable
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import geometry_of, physical_pixel_size, read_source
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.look.table import Filter, ObjectTable

from .images import Grid, ShownImage
from .objects import ShownObjects, own_palette

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

__all__ = ["read_columns", "read_images", "read_objects"]

_REGION = "(first, last + 1) along Y and along X, such as ((0, 100), (50, 200))"


def read_images(image: Any, shape: tuple[int, ...]) -> list[ShownImage]:
    """Return the images of a figure.

    Parameters
    ----------
    image
        Array or layer, a list of them, or None.
    shape
        Of the labels.

    Raises
    ------
    InputError
        If an array has another shape.
    """
    if image is None:
        return []
    given = list(image) if isinstance(image, list | tuple) else [image]
    images = [ShownImage.of(one, number) for number, one in enumerate(given)]
    for one in images:
        if np.dtype(one.data.dtype).kind not in "biuf":
            raise InputError(f"“{one.name}” holds no real numbers: {one.data.dtype}.")
        own = tuple(one.data.shape)
        if not one.geometry and own != shape:
            raise InputError(
                f"The image has the shape {own}, but the labels {shape}: they must be the same. "
                "Give channels one by one, in a list."
            )
    return images


def read_columns(value: Any, name: str, count: int) -> tuple[Hashable, ...]:
    """Return names of columns: `count` of them, from a name or a sequence; none of None.

    Raises
    ------
    InputError
        If they are others.
    """
    try:
        given = () if value is None else (value,) if count == 1 else tuple(value)
        hash(given)
    except (TypeError, ValueError):
        given = ("",) * (count + 1)
    if len(given) not in (0, count):
        raise unsuitable(name, value, "the name of a column" if count == 1 else "two columns")
    return given


def read_objects(
    labels: Any,
    table: Any,
    filters: Mapping[Hashable, tuple[float, float]] | None,
    column: Hashable,
    selected: Iterable[int],
    part: tuple[Any, Any],
) -> tuple[ShownObjects, Grid, tuple[float, ...] | None, dict[str, Any] | None]:
    """Return the objects of a figure, the part that is shown, its pixel size, and the record.

    Parameters
    ----------
    labels, table, filters, column, selected
        As for :func:`~napari_cytosynth.save_figure`.
    part
        Its `plane` and `region`.

    Raises
    ------
    InputError
        If something of it cannot be used.
    """
    source = read_source(labels, "labels")
    data, name = source.data, source.name or "objects"
    if data.ndim < 2 or source.rgb or np.dtype(data.dtype).kind not in "iu":
        raise InputError("The labels must be whole numbers in planes (Y, X): 0, 1, 2 …")
    layer = source.name is not None
    rows = getattr(labels, "features", None) if table is None and layer else table
    if rows is not None and not isinstance(rows, pd.DataFrame):
        raise unsuitable("table", rows, "a table of pandas")
    found = None if rows is None or not len(rows.columns) else ObjectTable.of(rows, name)
    colormap = getattr(labels, "colormap", None) if layer else None
    objects = ShownObjects(
        name, data, found, own_palette if colormap is None else colormap.map,
        _filters(filters), column, _numbers(selected),
    )  # fmt: skip
    geometry = geometry_of(labels) if layer else {}
    grid = Grid(geometry, _plane(part[0], data.shape[:-2]), *_region(part[1], data.shape[-2:]))
    size = physical_pixel_size(geometry, [data.ndim - 2, data.ndim - 1])
    record = dict(getattr(labels, "metadata", {})).get(KEY) if layer else None
    return objects, grid, size, record


def _filters(filters: Any) -> list[Filter]:
    try:
        given = [(column, low, high) for column, (low, high) in dict(filters or {}).items()]
    except (TypeError, ValueError):
        raise InputError(
            f"filters must be columns with two values, such as {{'area_px': (20, 80)}}, but is "
            f"{shown(filters)}."
        ) from None
    return [
        Filter(column, *(check_number(value, "A filter") for value in (low, high)))
        for column, low, high in given
    ]


def _numbers(selected: Any) -> frozenset[int]:
    return frozenset(check_wholes(selected, "selected"))


def _plane(plane: Any, leading: tuple[int, ...]) -> tuple[int, ...]:
    if plane is None and any(size != 1 for size in leading):
        raise InputError(
            f"The labels are a stack of {' × '.join(map(str, leading))} planes: say which one to "
            f"draw, such as plane={tuple(size // 2 for size in leading)}."
        )
    index = (0,) * len(leading) if plane is None else check_wholes(plane, "plane")
    if len(index) != len(leading) or any(
        not 0 <= place < size for place, size in zip(index, leading, strict=True)
    ):
        raise InputError(
            f"There is no plane {index} in labels of {' × '.join(map(str, leading)) or 1} planes; "
            "planes count from 0."
        )
    return index


def _region(region: Any, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    if region is None:
        if not all(shape):
            raise InputError("The labels have no pixels.")
        return [(0, size) for size in shape]
    try:
        ends = [check_wholes(side, "region", _REGION) for side in region]
        sides = [(low, high) for low, high in ends]
    except (TypeError, ValueError):
        sides = []
    if len(sides) != 2 or any(
        not 0 <= low < high <= size for (low, high), size in zip(sides, shape, strict=True)
    ):
        raise InputError(
            f"region must be {_REGION}, within {' × '.join(map(str, shape))} px, but is "
            f"{shown(region)}."
        )
    return sides
