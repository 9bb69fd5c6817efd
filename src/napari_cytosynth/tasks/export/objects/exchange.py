"""Objects written to a file for another program, and read from one."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_text, either
from napari_cytosynth.console import shown_name
from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.files import explained_errors, replacing, user_path
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.layers import read_source

from .assemble import assemble
from .geojson import write_geojson
from .geojson_reading import read_geojson
from .imagej import write_rois
from .imagej_reading import read_rois
from .model import LabelledObjects, prepare
from .rasters import read_labels, refuse_existing
from .space import find_space
from .tables import read_table, write_csv, write_parquet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.progress import Progress

    from .model import Colours, FileContent, Prepared

__all__ = [
    "READABLE",
    "TABLES",
    "WRITABLE",
    "check_target",
    "kind_of",
    "read_objects",
    "read_outlines",
    "write_objects",
]

WRITABLE = {
    ".geojson": "GeoJSON, for QuPath",
    ".zip": "regions of interest, for ImageJ",
    ".roi": "a single region of interest, for ImageJ",
    ".csv": "the table, units in the names of its columns",
    ".parquet": "the table, with units and provenance",
}
"""Endings of the files that objects can be written to, and what they are."""
TABLES = (".csv", ".parquet")
"""Endings of the files that hold the table alone, without pixels."""
READABLE = (*WRITABLE, ".tif", ".tiff", ".zarr")
"""Endings of the files that objects can be read from."""


def write_objects(
    path: Any,
    labels: Any,
    table: pd.DataFrame | None = None,
    *,
    axes: str | None = None,
    pixel_size: float | Sequence[float] | None = None,
    nuclei: Any = None,
    class_column: str = "class",
    class_colors: Colours | None = None,
    object_type: str = "detection",
    provenance: dict[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[str]:
    """Write labelled objects and their table to a file for another program.

    Parameters
    ----------
    path
        Name of the file; its ending says which kind (see :data:`WRITABLE`).
    labels
        Integer array or napari Labels layer: (Y, X), or a stack along Z, T or both.
    table
        One row for each object: ``label``, where the labels have such an axis perhaps ``t`` and
        ``z``, and any further columns. Default: None, the features of a layer.
    axes
        Axes of `labels`, for example ``"TZYX"``. Default: None, guessed.
    pixel_size
        In µm: one number, those of Y and X, or those of Z, Y and X. Default: None, a layer's own.
    nuclei
        Labels or mask of the same shape, for GeoJSON: what lies within an object is its
        nucleus, and the object is a cell. Default: None.
    class_column
        Column of the table that becomes the class. Default: "class".
    class_colors
        Red, green and blue (0 to 255) of each class. Default: None, of a palette.
    object_type
        Kind of QuPath's objects: ``detection`` (default), ``annotation``, ``cell`` or ``tile``.
    provenance
        Provenance record of the labels. Default: None, a layer's own.
    overwrite
        Replace a file that is there. Default: False.
    progress
        Called after each plane; may raise ``Cancelled``. Default: None, a bar in a console.

    Returns
    -------
    list of str
        Sentences about what could not be taken along.

    Raises
    ------
    InputError
        If the labels or the table cannot be used.
    OutputError
        If the file is there, or cannot be written.
    """
    target = check_target(path, overwrite=overwrite)
    objects = prepare(
        labels, table, axes=axes, pixel_size=pixel_size, nuclei=nuclei,
        classes=check_text(class_column, "class_column"), provenance=provenance,
    )  # fmt: skip
    _refuse_source(target, objects)
    report = resolve_progress(progress)
    kind = kind_of(target)
    with replacing(target) as temporary:
        if kind == ".geojson":
            write_geojson(
                temporary, objects, report, object_type=object_type, class_colors=class_colors
            )
        elif kind in TABLES:
            (write_csv if kind == ".csv" else write_parquet)(temporary, objects)
            return []
        else:
            write_rois(temporary, objects, report, class_colors=class_colors)
    return _about(objects)


def check_target(path: Any, *, overwrite: bool = False) -> Path:
    """Return where objects go, if they can be written there.

    Parameters
    ----------
    path
        Name of the file.
    overwrite
        Replace a file that is there. Default: False.

    Raises
    ------
    OutputError
        If its ending is none of :data:`WRITABLE`, or a file is there.
    """
    target = user_path(path)
    if kind_of(target) not in WRITABLE:
        raise OutputError(
            f"Objects cannot be written as “{shown_name(target.name)}”: give a name that ends in "
            f"{either(WRITABLE)}."
        )
    with explained_errors(target):
        if target.is_dir():
            raise OutputError(f"“{shown_name(target)}” is a folder: give the name of a file in it.")
        refuse_existing(target, overwrite=overwrite)
    return target


def kind_of(path: Path) -> str:
    """Return the ending that tells the kind of a file."""
    name = path.name.lower()
    return (
        ".geojson" if name.endswith((".json", ".geojson.gz", ".json.gz")) else path.suffix.lower()
    )


def _refuse_source(target: Path, objects: Prepared) -> None:
    with explained_errors(target):
        for source in objects.source.files:
            if source.exists() and target.exists() and target.samefile(source):
                raise OutputError(
                    f"“{shown_name(target)}” is the file that the labels were read from, and is "
                    "never replaced by them. Choose another name."
                )


def _about(objects: Prepared) -> list[str]:
    count = objects.rows.unused
    if not count:
        return []
    rows = f"{count:,} row{'s' * (count > 1)} of the table"
    return [f"{rows} {'have' if count > 1 else 'has'} no pixels in the labels: left out."]


def read_objects(
    path: Any,
    like: Any = None,
    *,
    shape: Sequence[int] | None = None,
    axes: str | None = None,
    progress: Progress | None = None,
) -> LabelledObjects:
    """Read objects that this or another program wrote, as labels and their table.

    Parameters
    ----------
    path
        The file; its ending says which kind (see :data:`READABLE`).
    like
        The image that they are of, an array or a layer, for the shape of the labels. Default:
        None, as the file says; those of this package do. For a table without pixels (CSV,
        Parquet): the labels of its objects.
    shape
        Shape of the labels, in place of `like`. Default: None.
    axes
        Axes of `like` or `shape`. Default: None, guessed.
    progress
        Called after each plane; may raise ``Cancelled``. Default: None, a bar in a console.

    Returns
    -------
    LabelledObjects
        With :attr:`~LabelledObjects.messages` about what was left out or changed.

    Raises
    ------
    InputError
        If the file cannot be read, or does not say how large its image is.
    """
    file = user_path(path)
    if kind_of(file) not in READABLE:
        raise InputError(
            f"Objects cannot be read from “{shown_name(file.name)}”: only from files that end in "
            f"{either(READABLE)}."
        )
    if not (file.is_dir() if kind_of(file) == ".zarr" else file.is_file()):
        raise InputError(f"There is no file “{shown_name(file)}”.")
    try:
        if kind_of(file) in TABLES:
            return _with_labels(file, like, axes)
        if kind_of(file) in (".tif", ".tiff", ".zarr"):
            return read_labels(file)
        content = read_outlines(file)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"“{shown_name(file)}” cannot be read: {reason}.") from error
    space = find_space(content.description, like, shape, axes)
    content.place(space.leading)
    found = assemble(content.objects, space, content.description, resolve_progress(progress))
    found.class_colors = content.colours
    found.messages = content.messages + found.messages
    return found


def read_outlines(file: Path) -> FileContent:
    """Return the outlines of a file of GeoJSON or of ImageJ's regions.

    Raises
    ------
    InputError
        If it holds none, or is damaged or too large.
    """
    if kind_of(file) == ".geojson" or (file.suffix.lower() == ".zip" and _packs_geojson(file)):
        return read_geojson(file)
    return read_rois(file)


def _packs_geojson(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as packed:
            names = [name.lower() for name in packed.namelist()]
    except (zipfile.BadZipFile, NotImplementedError):
        return False  # the reader says what is wrong
    return any(n.endswith("json") for n in names) and not any(n.endswith(".roi") for n in names)


def _with_labels(file: Path, labels: Any, axes: str | None) -> LabelledObjects:
    """Return a table that was read, with the labels that its rows are of."""
    if labels is None:
        raise InputError(
            f"“{shown_name(file.name)}” holds a table and no pixels: give the labels of its "
            "objects, like=labels (on the command line: --like LABELS)."
        )
    table, description = read_table(file)
    source, known = read_source(labels, "like"), description.space
    if axes is None and known is not None and len(known.axes) == source.data.ndim:
        axes = known.axes
    size = None if known is None else known.pixel_size
    objects = prepare(source, table, axes=axes, pixel_size=size, provenance=description.provenance)
    space = objects.space
    return LabelledObjects(
        np.asarray(source.data), table, space.axes, space.pixel_size, provenance=objects.provenance
    )
