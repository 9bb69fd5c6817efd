"""Segmentation of a plane of any size into an OME-Zarr."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_cytosynth.arguments import check_choice
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.provenance import record
from napari_cytosynth.tasks.common.region import AT_BORDER
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.saving import saving

from .run import BlockedSegmentation, prepare_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.export.destination import Destination
    from napari_cytosynth.zoo.loading import Model

    from .run import BlockedRun
    from .staged import StagedBlocks

__all__ = ["BlockedSegmentation", "blocks_destination", "segment_in_blocks", "write_blocks"]


def segment_in_blocks(
    image: Any,
    path: str | Path,
    model: str | Path | Model = "em-mitochondria-unet",
    *,
    threshold: float | None = None,
    min_size: int | None = None,
    fill_holes: bool = False,
    split_touching: bool | None = None,
    drop_border: bool = False,
    min_confidence: float = 0.0,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    region: Any = None,
    at_border: Literal["keep", "drop", "mark"] = "keep",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BlockedSegmentation:
    """Segment one plane of any size, which never lies in the memory, into an OME-Zarr.

    Probability and labels are those of :func:`~napari_cytosynth.tasks.segment.task.segment`: of
    components exactly, of flows as far as objects, with those that they touch, are smaller than
    four typical diameters. Parts of larger ones are joined where blocks meet.

    Parameters
    ----------
    image
        zarr, dask or numpy array, or napari layer, of a single plane.
    path
        Name of the OME-Zarr, ``NAME.zarr``; the table is ``NAME-table.csv``. Beside it are needed,
        while the run lasts, 8 bytes for each pixel of models with flows.
    model, threshold, min_size, fill_holes, split_touching, drop_border, min_confidence, axes
        As ``segment`` takes them.
    channels, pixel_size, device, precision, tile_size
        As ``segment`` takes them.
    region, at_border
        As ``segment`` takes them: only tiles and blocks near the region are run and written.
    overwrite
        Replace what others wrote, too. Default: False.
    progress
        Called between tiles and blocks; None (default) shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run, and nothing is left.

    Raises
    ------
    InputError
        If the image has several planes, or needs what a plane must be whole for: a local contrast,
        or touching objects that are split by their shape.
    OutputError
        If it cannot be written there.
    ModelError
        If the model cannot be loaded or is for another task.
    Cancelled
        From `progress`.
    """
    from napari_cytosynth.inference.cancelling import cancellable
    from napari_cytosynth.zoo.loading import load_model

    given = {
        "threshold": threshold,
        "min_size": min_size,
        "split_touching": split_touching,
        "fill_holes": fill_holes,
        "drop_border": drop_border,
        "min_confidence": min_confidence,
    }
    check_choice(at_border, "at_border", AT_BORDER)
    destination = blocks_destination(path)
    with cancellable(resolve_progress(progress)) as tick:
        loaded = load_model(model, device, progress=progress)
        run = prepare_run(
            image,
            loaded,
            given,
            axes=axes,
            channels=channels,
            pixel_size=pixel_size,
            device=device,
            precision=precision,
            tile_size=tile_size,
            region=region,
            at_border=at_border,
        )
        asked = run.common_parameters(channels, False, device, precision)
        return write_blocks(run, destination, asked, tick, overwrite=overwrite)


def blocks_destination(path: str | Path) -> Destination:
    """Return where a plane is segmented into; raise InputError unless it is an OME-Zarr."""
    destination = find_destination(path, "segment")
    if "" not in destination.images:
        raise InputError("A plane is segmented in blocks into an OME-Zarr: give NAME.zarr.")
    return destination


def write_blocks(
    run: BlockedRun,
    destination: Destination,
    asked: dict[str, Any],
    tick: Progress,
    *,
    overwrite: bool = False,
    staged: StagedBlocks | None = None,
    added: Callable[[BlockedSegmentation], dict[str, Any]] | None = None,
) -> BlockedSegmentation:
    """Do a run, and put its files in place as a whole.

    Parameters
    ----------
    run
        The run.
    destination
        Names of the files.
    asked
        Parameters for the record of the result.
    tick
        Called between tiles and blocks.
    overwrite
        Replace what others wrote, too. Default: False.
    staged
        Blocks that are done already, and are only joined. Default: None.
    added
        What the record of the result holds besides. Default: nothing.
    """
    parameters = asked | asdict(run.options) | {"planes": None} | run.region_parameters()
    made = record("segment", run.model, run.source, parameters, {}) | {"in_blocks": True}
    rows, columns = run.reader.plane_shape
    size, sources = 8 * rows * columns, run.source.files
    with saving(destination, made, sources, size=size, overwrite=overwrite) as files:
        result = run.execute(files, tick, staged)
        if added is not None:
            files.provenance.update(added(result))
    run.add_messages(*files.messages)
    return replace(result, files=destination.files)
