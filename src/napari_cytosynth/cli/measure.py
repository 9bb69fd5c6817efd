"""``cytosynth measure``: write a table of the objects of label images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError

from .arguments import (
    add_overwrite,
    add_region,
    add_voxel_size,
    path_of,
    positive,
    region_arguments,
    save_result,
)
from .batch import add_batch_options, add_inputs, has_many, run_many

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "measure",
        examples=[
            "cytosynth measure segmented/labels.tif --out measured",
            "cytosynth measure corrected --intensity images --out measured",
            "cytosynth measure nuclei.tif --intensity stains.tif --ratio 1 2 --neighbours "
            "--parents cells.tif --out measured",
            "cytosynth measure film-labels.tif --axes TYX --track --max-distance 8 --out measured",
        ],
        help="measure the objects of label images",
        description="Measure the objects of a label image: shape, size, position, and "
        "intensities in all channels of an image of the same size. Writes table.csv and "
        "provenance.json, which says what each column is.",
    )
    add_inputs(parser, what="labels", name="LABELS")
    parser.add_argument(
        "--intensity",
        type=path_of,
        metavar="IMAGE",
        help="image to measure intensities in; for many labels, a folder of images that are "
        "called as they are, with or without “-labels”",
    )
    parser.add_argument(
        "--out", type=path_of, required=True, metavar="DIR", help="folder that the tables go to"
    )
    add_overwrite(parser)
    parser.add_argument(
        "--axes",
        help="one letter of T, Z, Y, X for each axis, such as ZYX (default: what the file says)",
    )
    parser.add_argument(
        "--series",
        metavar="N",
        help="image to read from a file of several, by number (from 0) or name",
    )
    parser.add_argument(
        "--by-plane", action="store_true", help="measure areas in each plane along Z, no volumes"
    )
    add_voxel_size(parser)
    _add_more(parser)
    add_region(parser)
    add_batch_options(parser)
    parser.set_defaults(run=run)


def _add_more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ratio",
        nargs=2,
        action="append",
        default=[],
        dest="ratios",
        metavar=("A", "B"),
        help="ratio of the means of two channels, by their numbers from 1; again for more",
    )
    parser.add_argument(
        "--neighbours",
        action="store_true",
        help="find the next object of each, and count those that touch it",
    )
    parser.add_argument(
        "--parents",
        type=path_of,
        metavar="LABELS",
        help="labels that the objects lie in, such as cells of nuclei: the number of each one's",
    )
    parser.add_argument(
        "--children",
        type=path_of,
        metavar="LABELS",
        help="labels that lie in the objects, such as nuclei in cells: they are counted",
    )
    parser.add_argument(
        "--track",
        action="store_true",
        dest="link_time",
        help="link the objects through time; also writes the folder tracks, in the format of the "
        "Cell Tracking Challenge",
    )
    parser.add_argument(
        "--max-distance",
        type=positive,
        metavar="D",
        help="for --track: how far objects that do not overlap may move from one time point to "
        "the next, in µm (px where the size of pixels is unknown)",
    )


_SETTINGS = ("axes", "pixel_size", "by_plane", "ratios", "neighbours")
_OF_ONE = ("parents", "children", "link_time", "max_distance")
"""What is for one label image only."""


def run(arguments: argparse.Namespace) -> int:
    """Measure one label image, or many."""
    from napari_cytosynth.tasks.batch import BatchSettings
    from napari_cytosynth.tasks.batch.measuring import measure_file

    chosen = {name: getattr(arguments, name) for name in _SETTINGS}
    alone = {name: getattr(arguments, name) for name in _OF_ONE}
    if has_many(arguments):
        if any(alone.values()) or arguments.region is not None:
            raise InputError(
                "--parents, --children, --track and --region are for one label image: give a "
                "single file."
            )
        settings = BatchSettings("measure", None, chosen)
        return run_many(arguments, settings, intensity=arguments.intensity)
    only = arguments.inputs[0]
    inside = region_arguments(arguments)
    found = measure_file(
        only, series=arguments.series, intensity=arguments.intensity, **chosen, **alone, **inside
    )
    for message in found.messages:
        echo(message)
    written = save_result(found, arguments.out, arguments.overwrite)
    echo(f"{len(found.table)} objects")
    if found.tracks is not None:
        echo(f"{found.tracks.count} tracks")
        written += found.tracks.save(arguments.out / "tracks", overwrite=arguments.overwrite)
    for path in written:
        echo(printable(path))
    return 0
