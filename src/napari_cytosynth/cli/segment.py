"""``cytosynth segment``: write probability, labels and a table of an image's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable

from .arguments import (
    add_image,
    add_segment_options,
    check_output,
    count_pixels,
    diameter,
    fraction,
    image_source,
    path_of,
    save_result,
    sizes_of,
)

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from napari_cytosynth.tasks.segment.result import Segmentation

__all__ = ["add_parser"]


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
    add_image(parser)
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
    parser.add_argument(
        "--export",
        type=path_of,
        nargs="+",
        default=[],
        metavar="FILE",
        help="write the objects also for QuPath (.geojson), ImageJ (.zip), or as a table "
        "(.parquet)",
    )
    parser.set_defaults(run=run)


_UNKNOWN_DEPTH = (
    "The distance of the planes along Z is not known: volumes and surfaces are in voxels only. "
    "Give --pixel-size Z Y X in µm for physical ones."
)


def run(arguments: argparse.Namespace) -> None:
    """Segment one image file."""
    from napari_cytosynth.images.reading import read_image
    from napari_cytosynth.tasks.common.messages import topic_of
    from napari_cytosynth.tasks.export.objects.exchange import check_target
    from napari_cytosynth.tasks.segment.task import segment

    file = read_image(arguments.image, arguments.series)
    axes = (arguments.axes or file.axes or "").upper() or None
    size = 4 * count_pixels(file.data.shape, axes)
    check_output(arguments, "segment", sources=[arguments.image], size=size)
    for path in arguments.export:
        check_target(path, overwrite=arguments.overwrite)
    result = segment(
        image_source(file, arguments.image),
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
    )
    for message in (*file.messages, *result.messages):
        topic = topic_of(message)
        warning = topic == "unlike training"
        text = _UNKNOWN_DEPTH if topic == "unknown depth" else message
        echo(f"Warning: {text}" if warning else text, error=warning)
    written = save_result(result, arguments.out, arguments.overwrite)
    written += _export(result, arguments.export, arguments.overwrite)
    hidden = sum(result.hidden_counts or [])
    left_out = f", {hidden} doubtful left out" if hidden else ""
    echo(f"{len(result.table)} objects at a threshold of {result.threshold:g}{left_out}")
    if result.doubt:
        echo(f"Warning: {result.doubt}", error=True)
    for path in written:
        echo(printable(path))


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
