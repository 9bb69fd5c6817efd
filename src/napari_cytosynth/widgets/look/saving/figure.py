"""What is in the view, for a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.snapshot import whole_data

if TYPE_CHECKING:
    from napari_cytosynth.tasks.look.figure.task import FigureRequest

    from .seen import ViewedObjects

__all__ = ["figure_request"]

_TURNED = (
    "The figure shows a plane along Y and X, and the view another one: roll the axes back, by the "
    "cube with an arrow below the list of layers."
)
_OUTSIDE = (
    "The labels are not in the view: show their layer, and press the house below the list of "
    "layers."
)


def figure_request(viewer: Any, seen: ViewedObjects) -> tuple[FigureRequest, list[str]]:
    """Take what is in the view: the plane, the part of it, visible images and the look.

    Returns
    -------
    (FigureRequest, list of str)
        And sentences about what is visible and cannot be drawn.

    Raises
    ------
    InputError
        If the view shows other axes than Y and X, or no part of the labels.
    """
    from napari_cytosynth.tasks.common.layers import geometry_of
    from napari_cytosynth.tasks.look.figure.drawing import Plots
    from napari_cytosynth.tasks.look.figure.images import Grid, ShownImage
    from napari_cytosynth.tasks.look.figure.objects import ShownObjects
    from napari_cytosynth.tasks.look.figure.task import FigureRequest

    layer, view, look = seen.layer, seen.view, seen.look
    ndim = viewer.dims.ndim
    if tuple(viewer.dims.displayed[-2:]) != (ndim - 2, ndim - 1):
        raise InputError(_TURNED)
    visible = [one for one in viewer.layers if one.visible]
    images = [ShownImage.of(one) for one in visible if one._type_string == "image"]
    objects = ShownObjects(
        str(layer.name), _pixels(layer), view.table, view.colours.own_colours,
        tuple(look.filters), look.column, look.selected,
    )  # fmt: skip
    plane = layers.position_in_view(viewer, layer)[:-2]
    point = tuple(float(place) for place in viewer.dims.point)
    rows, columns = _part_in_view(viewer, layer)
    grid = Grid(geometry_of(layer), plane, rows, columns, point)
    plots = Plots() if seen.plots is None else Plots(*seen.plots.columns)
    record = dict(layer.metadata).get(KEY)
    size = layers.pixel_size_um(layer)
    others = [one for one in visible if one._type_string != "image" and one is not layer]
    return FigureRequest(images, objects, grid, size, plots, record), _left_out(others)


def _pixels(layer: Any) -> Any:
    data = whole_data(layer)
    return data[0] if layer.multiscale else data


def _part_in_view(viewer: Any, layer: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the rows and columns of a layer that the window shows; in 3-D, all of them.

    Of a pyramid it is the tiles that napari has loaded for the view, which reach a little beyond.
    """
    shape = layers.shape_of(layer)[-2:]
    if viewer.dims.ndisplay == 3:
        return (0, shape[0]), (0, shape[1])
    first, last = np.asarray(layer.corner_pixels, float)[:, -2:]  # of the level that is shown
    if (first >= last)[np.array(shape) > 1].any():  # nothing of it is drawn
        raise InputError(_OUTSIDE)
    factors = np.ones(2)
    if layer.multiscale:
        factors = np.asarray(layer.downsample_factors)[layer.data_level][-2:]
    low = np.clip(np.floor(first * factors), 0, shape).astype(int)
    high = np.clip(np.ceil((last + 1) * factors), 0, shape).astype(int)
    return (int(low[0]), int(high[0])), (int(low[1]), int(high[1]))


def _left_out(others: list[Any]) -> list[str]:
    names = ", ".join(f"“{one.name}”" for one in others)
    return [f"Not in the figure: {names}."] if others else []
