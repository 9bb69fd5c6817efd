"""``cytosynth segment`` of an OME-Zarr with a plane too large for the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.messages import topic_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from pathlib import Path

    from napari_cytosynth.images.loaded import LoadedImage

__all__ = ["echo_objects", "is_shared_plane", "large_target", "run_in_blocks"]

_LARGE = 4096 * 4096  # px: up to here, flows are decoded as a whole
_NAME = "segmentation.zarr"


def is_shared_plane(arguments: argparse.Namespace) -> bool:
    """Return whether the line asks to share one image out to the workers of a scheduler."""
    from napari_cytosynth.images.ome_zarr import is_zarr

    options = (arguments.recursive, arguments.dry_run)
    given = ("jobs", "plates", "in_place", "name_pattern")
    if any(options) or any(getattr(arguments, name) is not None for name in given):
        return False
    one = len(arguments.inputs) == 1 and is_zarr(arguments.inputs[0])
    return one and arguments.scheduler is not None and arguments.out.suffix.lower() == ".zarr"


def large_target(arguments: argparse.Namespace, file: LoadedImage) -> Path | None:
    """Return the OME-Zarr that a plane is segmented into block by block.

    Parameters
    ----------
    arguments
        Those of the command.
    file
        The image, not read yet.

    Returns
    -------
    Path or None
        None for whatever is segmented as a whole: smaller planes, several of them, other files,
        and what blocks cannot do.
    """
    from napari_cytosynth.tasks.segment.blocks import grid

    axes = (arguments.axes or file.axes or "").upper()
    pixels = grid.pixels_of_single_plane(file.data.shape, axes) if file.levels else 0
    other = (arguments.resample, arguments.diameter, arguments.doubt, arguments.export)
    if pixels <= _LARGE or any(other):
        return None
    out: Path = arguments.out
    if out.suffix.lower() == ".zarr":
        return out
    return out / _NAME if pixels > grid.HUGE and not out.suffix else None


def run_in_blocks(
    arguments: argparse.Namespace,
    source: Any,
    axes: str | None,
    pixel_size: Any,
    target: Path,
    inside: dict[str, Any],
) -> None:
    """Segment a plane into an OME-Zarr, block by block.

    Parameters
    ----------
    arguments
        Those of the command.
    source, axes, pixel_size
        The image, as the function takes it.
    target
        The OME-Zarr.
    inside
        ``region`` and ``at_border``; empty for the whole plane.
    """
    from napari_cytosynth.tasks.segment.blocks import segment_in_blocks
    from napari_cytosynth.tasks.segment.blocks.run import OPTIONS

    given = (*OPTIONS, "channels", "device", "overwrite")
    options: dict[str, Any] = {name: getattr(arguments, name) for name in given}
    if target != arguments.out:
        echo(f"The plane is too large for a TIFF: the result goes into {printable(target)}")
    options |= {"axes": axes, "pixel_size": pixel_size, **inside}
    if is_shared_plane(arguments):
        if inside:
            raise InputError(
                "A region is for a run on this computer: leave --region or --scheduler out."
            )
        from napari_cytosynth.tasks.batch import BatchSettings
        from napari_cytosynth.tasks.batch.cluster.blocks import segment_on_cluster

        overwrite = options.pop("overwrite")
        settings = BatchSettings("segment", arguments.model, options)
        result = segment_on_cluster(
            arguments.inputs[0], target, settings, arguments.scheduler,
            series=arguments.series, overwrite=overwrite,
        )  # fmt: skip
    else:
        result = segment_in_blocks(source, target, arguments.model, **options)
    for message in result.messages:
        warning = topic_of(message) == "unlike training"
        echo(f"Warning: {message}" if warning else message, error=warning)
    echo_objects(result, result.options.threshold, result.hidden, result.files)


def echo_objects(result: Any, threshold: float, hidden: int, files: Iterable[Path]) -> None:
    """Print how many objects were found, what is to be doubted of them, and the files.

    Parameters
    ----------
    result
        Of a segmentation: its ``table`` and ``doubt``.
    threshold, hidden
        Of its objects, and the number of those left out for their low confidence.
    files
        Where they were written.
    """
    left_out = f", {hidden} doubtful left out" if hidden else ""
    echo(f"{len(result.table)} objects at a threshold of {threshold:g}{left_out}")
    if result.doubt:
        echo(f"Warning: {result.doubt}", error=True)
    for path in files:
        echo(printable(path))
