"""A figure of objects in their image, written as PNG and SVG with the settings that made it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_flag, check_pixel_size, shown
from napari_cytosynth.console import shown_name
from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.files import explained_errors, replacing, user_path
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.provenance import KEY, made_now
from napari_cytosynth.tasks.export.records import as_json, sealed

from .arguments import read_columns, read_images, read_objects
from .drawing import Content, Plots, draw, load_library
from .images import Grid, ShownImage, blend
from .objects import ShownObjects, outlines

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.progress import Progress

__all__ = ["ENDINGS", "FigureRequest", "WrittenFigure", "save_figure", "write_figure"]

ENDINGS = (".png", ".svg")
"""Endings of the files that figures are written to."""
_LARGEST = 2400  # px of the longer side of the image in the figure
_DPI = 300
_NO_SIZE = "The pixel size is unknown: there is no scale bar."
_REDUCED = "Its image is reduced by {factor} in each direction; the outlines are not."


@dataclass(frozen=True, eq=False)
class FigureRequest:
    """What a figure is to show.

    Attributes
    ----------
    images
        From the lowest to the uppermost.
    objects
        The objects, with filters and colours.
    grid
        The part of a plane that is shown.
    pixel_size
        In µm along Y and X; None if unknown.
    plots
        What is plotted. Default: nothing.
    record
        Provenance of the labels. Default: none.
    """

    images: Sequence[ShownImage]
    objects: ShownObjects
    grid: Grid
    pixel_size: tuple[float, ...] | None
    plots: Plots = field(default_factory=Plots)
    record: dict[str, Any] | None = None


@dataclass(frozen=True)
class WrittenFigure:
    """A figure on disk.

    Attributes
    ----------
    files
        Its files.
    messages
        Sentences about what it lacks.
    """

    files: tuple[Path, ...]
    messages: tuple[str, ...] = ()


def save_figure(
    path: Any,
    image: Any,
    labels: Any,
    table: pd.DataFrame | None = None,
    *,
    filters: Mapping[Hashable, tuple[float, float]] | None = None,
    color_by: Hashable = None,
    selected: Iterable[int] = (),
    histogram: Hashable = None,
    scatter: tuple[Hashable, Hashable] | None = None,
    plane: Sequence[int] | None = None,
    region: tuple[tuple[int, int], tuple[int, int]] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> WrittenFigure:
    """Write a figure of objects: image, outlines, scale bar, legend, colour bar and plots.

    The settings are embedded in both files, as ``cytosynth show`` prints them.

    Parameters
    ----------
    path
        Ends in ``.png`` or ``.svg``; without either, both are written.
    image
        Array or napari layer, or a list of them from the lowest to the uppermost, which are
        blended as in napari. Arrays are grey and have the shape of the labels, layers lie where
        they lie in the viewer. None: black.
    labels
        Integer array or napari Labels layer: (Y, X), or a stack of planes.
    table
        One row for each object. Default: None, the features of a layer, if it has any.
    filters
        For columns, the least and the largest value that is shown. Default: all objects.
    color_by
        Column of the outlines' colours. Default: None, those of a layer, or any.
    selected
        Numbers of objects that are lit. Default: none.
    histogram
        Column of a histogram. Default: None, without.
    scatter
        Columns of a scatter, along X and Y. Default: None, without.
    plane
        Index of the plane, in a stack. Default: None, for labels of one plane.
    region
        First and last + 1 pixel along Y, and along X. Default: None, the whole plane.
    pixel_size
        In µm: one number, or those of Y and X. Default: None, that of a layer.
    overwrite
        Replace files that are there. Default: False.
    progress
        Called with the strips of the image; may raise ``Cancelled``. Default: None, a bar in a
        console.

    Returns
    -------
    WrittenFigure

    Raises
    ------
    InputError
        If something cannot be drawn, or matplotlib is missing.
    OutputError
        If a file is there, or cannot be written.
    """
    column, bars = (
        next(iter(read_columns(value, name, 1)), None)
        for value, name in ((color_by, "color_by"), (histogram, "histogram"))
    )
    objects, grid, own_size, record = read_objects(
        labels, table, filters, column, selected, (plane, region)
    )
    size = check_pixel_size(pixel_size) or own_size
    pair = read_columns(scatter, "scatter", 2)
    plots = Plots(bars, (pair[0], pair[1]) if pair else None)
    images = read_images(image, objects.data.shape)
    request = FigureRequest(images, objects, grid, size, plots, record)
    return write_figure(path, request, progress, overwrite=check_flag(overwrite, "overwrite"))


def write_figure(
    path: Any, request: FigureRequest, progress: Progress | None, *, overwrite: bool = False
) -> WrittenFigure:
    """Write a figure; see :func:`save_figure`."""
    load_library()
    _check_columns(request)
    targets = _targets(path, overwrite=overwrite)
    report = resolve_progress(progress)
    grid = request.grid
    picture = blend(request.images, grid, _LARGEST, report)
    report(0, 2, "Drawing the outlines")
    content = Content(
        picture, grid.shape, request.pixel_size, request.images, request.objects,
        outlines(request.objects, grid), request.plots, _title(request),
    )  # fmt: skip
    report(1, 2, "Writing the figure")
    _write(draw(content), targets, _record(request))
    messages = [] if request.pixel_size else [_NO_SIZE]
    factor = -(-max(grid.shape) // _LARGEST)
    if factor > 1:
        messages.append(_REDUCED.format(factor=factor))
    return WrittenFigure(tuple(targets), tuple(messages))


def _targets(path: Any, *, overwrite: bool) -> list[Path]:
    target = user_path(path)
    if not target.name:
        raise OutputError(f"“{shown_name(target)}” is a folder: give the name of a file in it.")
    ending = target.suffix.lower()
    both = ending not in ENDINGS
    targets = [target.with_name(target.name + one) for one in ENDINGS] if both else [target]
    for one in targets:
        with explained_errors(one):
            if one.is_dir():
                raise OutputError(f"“{shown_name(one)}” is a folder: give another name.")
            if one.exists() and not overwrite:
                raise OutputError(
                    f"“{shown_name(one)}” is there already. Give another name, or overwrite=True."
                )
    return targets


def _check_columns(request: FigureRequest) -> None:
    """Check that the table has the columns that are asked for."""
    objects, plots = request.objects, request.plots
    wanted = [objects.column, plots.histogram, *(plots.scatter or ())]
    wanted += [one.column for one in objects.filters]
    named = [column for column in wanted if column is not None]
    if named and objects.table is None:
        raise InputError("The labels have no table: measure them first, or give table=.")
    for column in named:
        assert objects.table is not None
        if column not in objects.table.columns:
            raise InputError(f"The table has no column “{shown(column)}” with numbers.")


def _title(request: FigureRequest) -> str:
    """Return which objects of how many are shown, and in which plane."""
    objects, grid, parts = request.objects, request.grid, []
    if objects.table is not None:
        every = len(np.unique(objects.table.labels))
        shown = len(np.unique(objects.table.labels[objects.passing]))
        parts.append(f"{shown} of {every} objects" if objects.filters else f"{every} objects")
    parts += [f"{one.low:.5g} ≤ {one.column} ≤ {one.high:.5g}" for one in objects.filters]
    if grid.plane:
        parts.append(f"plane {', '.join(map(str, grid.plane))} (from 0)")
    return " · ".join(parts)


def _record(request: FigureRequest) -> dict[str, Any]:
    objects, grid = request.objects, request.grid
    filters = [one.record() for one in objects.filters]
    return {
        **made_now(),
        "task": "figure",
        "source": {
            "layer": objects.name, "shape": [int(size) for size in objects.data.shape],
            "dtype": str(objects.data.dtype),
        },
        "filters": filters,
        "color_by": None if objects.column is None else str(objects.column),
        "selected": sorted(objects.selected),
        "histogram": None if request.plots.histogram is None else str(request.plots.histogram),
        "scatter": None if request.plots.scatter is None else list(map(str, request.plots.scatter)),
        "plane": list(grid.plane),
        "region": [list(grid.rows), list(grid.columns)],
        "pixel_size_um": None if request.pixel_size is None else list(request.pixel_size),
        "images": [
            {
                "name": one.name, "limits": one.limits, "gamma": one.gamma, "opacity": one.opacity,
                "blending": one.blending, "color": [round(float(c), 4) for c in one.colours[-1]],
            }
            for one in request.images
        ],
        "labels": request.record,
    }  # fmt: skip


def _write(figure: Any, targets: Sequence[Path], record: dict[str, Any]) -> None:
    """Write all files, each with the record: a text of the PNG, the description of the SVG."""
    library = load_library()
    text = as_json(sealed(record)).decode()
    about = {".png": {KEY: text, "Software": KEY}, ".svg": {"Description": text, "Creator": KEY}}
    for target in targets:
        kind = target.suffix.lower()
        with (
            replacing(target) as temporary,
            library.rc_context({"svg.fonttype": "none", "svg.image_inline": True}),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # letters that the font lacks
            figure.savefig(
                temporary, format=kind[1:], dpi=_DPI, metadata=about[kind], facecolor="white"
            )
