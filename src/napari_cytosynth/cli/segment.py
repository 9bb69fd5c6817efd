"""``cytosynth segment``: write probability, labels and a table of an image's objects."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo
from napari_cytosynth.errors import InputError

from .arguments import (
    add_model_and_output,
    add_region,
    add_segment_options,
    check_output,
    diameter,
    fraction,
    path_of,
    region_arguments,
    save_result,
)
from .batch import add_batch_options, add_inputs, check_single, has_many, run_many
from .segment_blocks import echo_objects, is_shared_plane, large_target, run_in_blocks

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from napari_cytosynth.tasks.segment.result import Segmentation

__all__ = ["SETTINGS", "add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "segment",
        examples=[
            "cytosynth phantoms --out simulated --count 2",
            "cytosynth segment simulated/phase/seed0-field0000.tif --model phase-cells-unet "
            "--out segmented",
        ],
        help="find and measure the objects of an image",
        description="Find and measure the objects of an image. Writes probability.tif, "
        "labels.tif and table.csv.",
    )
    add_inputs(parser)
    add_model_and_output(parser)
    group = add_segment_options(parser, depth=True)
    group.add_argument(
        "--resample",
        action="store_true",
        help="bring the image to the model's pixel size first",
    )
    group.add_argument(
        "--diameter",
        type=diameter,
        metavar="PX",
        help="typical diameter of the image's objects in pixels, or auto to measure it: the image "
        "is resampled until they are as large as those that the model knows",
    )
    group.add_argument("--fill-holes", action="store_true", help="fill what an object encloses")
    group.add_argument(
        "--drop-border", action="store_true", help="drop objects that touch the image's border"
    )
    group.add_argument(
        "--no-link-planes",
        action="store_false",
        dest="link_planes",
        help="keep objects of neighbouring planes along Z apart (default: those that overlap "
        "are one object, which is measured in 3-D)",
    )
    group.add_argument(
        "--min-confidence",
        type=fraction,
        default=0.0,
        metavar="C",
        help="drop objects of a lower confidence, from 0 to 1, where the model gives one "
        "(default: 0, none)",
    )
    group.add_argument(
        "--doubt",
        type=path_of,
        metavar="FOLDER",
        help="of a virtual stain: the folder that cytosynth stain --objects wrote; the table gets "
        "the doubt of each object that is one of those nuclei",
    )
    group.add_argument(
        "--export",
        type=path_of,
        nargs="+",
        default=[],
        metavar="FILE",
        help="write the objects also for QuPath (.geojson), ImageJ (.zip), or as a table "
        "(.parquet)",
    )
    add_region(parser)
    add_batch_options(parser)
    parser.set_defaults(run=run)


SETTINGS = (
    *("threshold", "min_size", "fill_holes", "split_touching", "drop_border", "link_planes"),
    *("min_confidence", "axes", "channels", "pixel_size", "resample", "diameter", "device"),
)
_UNKNOWN_DEPTH = (
    "The distance of the planes along Z is not known: volumes and surfaces are in voxels only. "
    "Give --pixel-size Z Y X in µm for physical ones."
)


def _read_doubted(folder: Path) -> Any:
    """Return the objects of a virtual stain that a folder holds, with labels and table.

    Raises
    ------
    InputError
        If it holds none, or their doubt is not known.
    """
    import pandas as pd

    from napari_cytosynth.images.reading import read_image

    files = folder / "labels.tif", folder / "table.csv"
    if not all(file.is_file() for file in files):
        raise InputError(
            f"“{folder}” has no {files[0].name} and {files[1].name}: give the folder that "
            "cytosynth stain --objects NAME --out FOLDER wrote."
        )
    labels = read_image(files[0]).data
    try:
        table = pd.read_csv(files[1])
    except (OSError, ValueError) as error:
        raise InputError(f"“{files[1]}” cannot be read as a table: {error}") from error
    if not {"label", "doubt"} <= set(table):
        raise InputError(
            f"“{files[1]}” has no doubt: the card of the model that stained knows none."
        )
    if table.empty:  # nothing was found in the stain: its columns have no types
        table = table.astype({"label": int, "doubt": float})
    types = pd.api.types
    numbers = types.is_integer_dtype(table["label"]) and types.is_numeric_dtype(table["doubt"])
    if not numbers:
        raise InputError(
            f"The columns “label” and “doubt” of “{files[1]}” are not whole numbers and numbers: "
            "the file was changed after cytosynth wrote it."
        )
    return SimpleNamespace(labels=labels, table=table)


def run(arguments: argparse.Namespace) -> int:
    """Segment one image file, or many."""
    if has_many(arguments) and not is_shared_plane(arguments):
        from napari_cytosynth.tasks.batch import BatchSettings

        check_single(
            {
                "--doubt": arguments.doubt is not None,
                "--export": bool(arguments.export),
                "--region": arguments.region is not None,
            }
        )
        chosen = {name: getattr(arguments, name) for name in SETTINGS}
        return run_many(arguments, BatchSettings("segment", arguments.model, chosen))
    _run_one(arguments, arguments.inputs[0])
    return 0


def _run_one(arguments: argparse.Namespace, image: Path) -> None:
    from napari_cytosynth.images.reading import read_image
    from napari_cytosynth.tasks.batch.from_file import count_pixels, file_source, sizes_of
    from napari_cytosynth.tasks.common.messages import topic_of
    from napari_cytosynth.tasks.export.objects.exchange import check_target
    from napari_cytosynth.tasks.segment.task import segment

    file = read_image(image, arguments.series, lazy=True)
    axes = (arguments.axes or file.axes or "").upper() or None
    inside = region_arguments(arguments)
    if (target := large_target(arguments, file)) is not None:
        for message in file.messages:
            echo(message)
        own = sizes_of(file, arguments.pixel_size, axes)
        run_in_blocks(arguments, file_source(file, image), axes, own, target, inside)
        return
    if is_shared_plane(arguments):
        raise InputError(
            "Into an OME-Zarr, a scheduler shares out the blocks of one plane of more than 4096² "
            "pixels, and this is none. Leave --scheduler out, or give a folder as --out."
        )
    size = 4 * count_pixels(file.data.shape, axes)
    check_output(arguments, "segment", sources=[image], size=size)
    doubted = None if arguments.doubt is None else _read_doubted(arguments.doubt)
    for path in arguments.export:
        check_target(path, overwrite=arguments.overwrite)
    result = segment(
        file_source(file, image),
        model=arguments.model,
        threshold=arguments.threshold,
        min_size=arguments.min_size,
        fill_holes=arguments.fill_holes,
        split_touching=arguments.split_touching,
        drop_border=arguments.drop_border,
        link_planes=arguments.link_planes,
        min_confidence=arguments.min_confidence,
        axes=axes,
        channels=arguments.channels,
        pixel_size=sizes_of(file, arguments.pixel_size, axes),
        resample=arguments.resample,
        diameter=arguments.diameter,
        device=arguments.device,
        doubt=doubted,
        **inside,
    )
    for message in (*file.messages, *result.messages):
        topic = topic_of(message)
        warning = topic == "unlike training"
        text = _UNKNOWN_DEPTH if topic == "unknown depth" else message
        echo(f"Warning: {text}" if warning else text, error=warning)
    written = save_result(result, arguments.out, arguments.overwrite)
    written += _export(result, arguments.export, arguments.overwrite)
    echo_objects(result, result.threshold, sum(result.hidden_counts or []), written)


def _export(result: Segmentation, paths: list[Path], overwrite: bool) -> list[Path]:
    """Write the objects of a result for other programs, and return the files."""
    from napari_cytosynth.tasks.common.layers import voxel_size
    from napari_cytosynth.tasks.export.objects.exchange import write_objects

    for path in paths:
        write_objects(
            path, result.labels, result.table, axes=result.axes,
            pixel_size=voxel_size(result.pixel_size, result.z_size),
            provenance=result.provenance, overwrite=overwrite,
        )  # fmt: skip
    return paths
