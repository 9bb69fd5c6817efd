"""``cytosynth export`` and ``cytosynth import``: labelled objects for other programs, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import check_voxel_size
from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError

from .arguments import (
    add_overwrite,
    add_voxel_size,
    at_least_one,
    path_of,
)

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.images.reading import LoadedImage

__all__ = ["add_parsers"]

_KINDS = (
    "GeoJSON for QuPath (.geojson), regions for ImageJ (.zip, .roi), the table (.csv, .parquet)"
)


def add_parsers(commands: Any) -> None:
    """Add both commands to the parser's `commands`."""
    _add_export(commands)
    _add_import(commands)


def _add_export(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write labelled objects for QuPath, ImageJ, or as a table",
        description=f"Write the objects of a label image, with their table: {_KINDS}.",
        examples=[
            "cytosynth export segmented/labels.tif --table segmented/table.csv "
            "--to cells.geojson cells.zip",
        ],
    )
    parser.add_argument("labels", type=path_of, metavar="LABELS", help="label image")
    parser.add_argument(
        "--to", type=path_of, nargs="+", required=True, metavar="FILE", help=f"files: {_KINDS}"
    )
    parser.add_argument(
        "--table",
        type=path_of,
        metavar="FILE",
        help="table with the column “label”, .csv or .parquet (default: the objects are measured)",
    )
    parser.add_argument(
        "--class-column",
        default="class",
        metavar="NAME",
        help="column of the table that becomes the class (default: %(default)s)",
    )
    parser.add_argument(
        "--object-type",
        choices=("detection", "annotation", "cell", "tile"),
        default="detection",
        help="kind of QuPath's objects (default: %(default)s)",
    )
    parser.add_argument(
        "--nuclei",
        type=path_of,
        metavar="LABELS",
        help="label image of nuclei of the same shape, for GeoJSON: objects become cells",
    )
    _add_geometry(parser)
    add_overwrite(parser)
    parser.set_defaults(run=run_export)


def _add_import(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "import",
        help="read objects of QuPath or ImageJ as labels and a table",
        description="Read objects of QuPath (.geojson) or ImageJ (.zip, .roi). Writes their "
        "labels as TIFF, and beside it their table.",
        examples=["cytosynth import cells.geojson --like cells.tif --out labels.tif"],
    )
    parser.add_argument("file", type=path_of, metavar="FILE", help=".geojson, .zip or .roi")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--like",
        type=path_of,
        metavar="IMAGE",
        help="image that the objects are of (default: the file says how large it is)",
    )
    group.add_argument(
        "--shape",
        type=at_least_one,
        nargs="+",
        metavar="N",
        help="shape of the labels in place of an image: rows and columns, before them planes",
    )
    parser.add_argument(
        "--axes", help="one letter of T, Z, C, Y, X for each axis, such as ZYX (default: guessed)"
    )
    parser.add_argument(
        "--out", type=path_of, required=True, metavar="LABELS", help="a name that ends in .tif"
    )
    add_overwrite(parser)
    parser.set_defaults(run=run_import)


def _add_geometry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--axes", help="one letter of T, Z, Y, X for each axis (default: what the file says)"
    )
    parser.add_argument(
        "--series", metavar="N", help="image to read from a file of several, by number or name"
    )
    add_voxel_size(parser)


def run_export(arguments: argparse.Namespace) -> None:
    """Write the objects of a label image to each file."""
    from napari_cytosynth.images.reading import read_image
    from napari_cytosynth.tasks.batch.from_file import file_source, sizes_of
    from napari_cytosynth.tasks.export.objects.exchange import check_target, write_objects

    for path in arguments.to:
        check_target(path, overwrite=arguments.overwrite)
    file = read_image(arguments.labels, arguments.series, content="labels")
    nuclei = (
        None if arguments.nuclei is None else read_image(arguments.nuclei, content="labels").data
    )
    axes = (arguments.axes or file.axes or "").upper() or None
    size = sizes_of(file, arguments.pixel_size, axes)
    table = _table(arguments, file, axes, size)
    for message in file.messages:
        echo(message)
    for path in arguments.to:
        said = write_objects(
            path, file_source(file, arguments.labels), table, axes=axes, pixel_size=size,
            nuclei=nuclei, class_column=arguments.class_column,
            object_type=arguments.object_type, overwrite=arguments.overwrite,
        )  # fmt: skip
        for message in said:
            echo(message)
        echo(printable(path))


def _table(
    arguments: argparse.Namespace, file: LoadedImage, axes: str | None, size: Any
) -> pd.DataFrame:
    if arguments.table is not None:
        from napari_cytosynth.tasks.export.objects.tables import read_table

        if not arguments.table.is_file():
            raise InputError(f"There is no file “{arguments.table}”.")
        return read_table(arguments.table)[0]
    from napari_cytosynth.tasks.measure.table import measure

    return measure(file.data, pixel_size=size, axes=axes)


def run_import(arguments: argparse.Namespace) -> None:
    """Read objects, and write their labels and table."""
    from napari_cytosynth.images.reading import read_image
    from napari_cytosynth.tasks.batch.from_file import sizes_of
    from napari_cytosynth.tasks.common.layers import Source, voxel_size
    from napari_cytosynth.tasks.export.objects.exchange import read_objects
    from napari_cytosynth.tasks.export.objects.rasters import check_labels, write_labels

    check_labels(arguments.out, overwrite=arguments.overwrite)
    image = None if arguments.like is None else read_image(arguments.like)
    axes = (arguments.axes or (image.axes if image else None) or "").upper() or None
    like = None if image is None else Source(image.data, path=str(arguments.like))
    found = read_objects(arguments.file, like, shape=arguments.shape, axes=axes)
    if image is not None and found.pixel_size is None:
        size = check_voxel_size(sizes_of(image, None, axes))
        found.pixel_size = None if size is None else voxel_size(size[1:], size[0])
    for message in found.messages:
        echo(message)
    written: list[Path] = write_labels(arguments.out, found, overwrite=arguments.overwrite)
    echo(f"{len(found.table)} objects")
    for path in written:
        echo(printable(path))
