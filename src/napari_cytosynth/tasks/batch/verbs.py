"""The three tasks on one file: what each is given, and what is kept of its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.images.ome_zarr import is_zarr
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.common.input_check import check_image
from napari_cytosynth.tasks.segment.blocks import grid
from napari_cytosynth.tasks.segment.task import segment
from napari_cytosynth.tasks.stain.objects.task import check_stain
from napari_cytosynth.tasks.stain.task import first_plane_of, stain

from .from_file import file_source, sizes_of
from .measuring import measure_file
from .report.thumbnails import middle_plane, thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.images.loaded import LoadedImage
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.segment.blocks.run import BlockedRun
    from napari_cytosynth.tasks.segment.result import Segmentation

    from .records import BatchItem
    from .settings import BatchSettings

__all__ = [
    "Finished",
    "asked_of",
    "blocked_run",
    "files_to_come",
    "is_huge",
    "mean_of",
    "run_task",
]

MOST_STAINS = 3
"""Stains that a picture shows."""


@dataclass(eq=False)
class Finished:
    """The result of a task on one file, before it is saved.

    Attributes
    ----------
    provenance
        Record that is saved with it; what is added here is saved, too.
    save
        Called with a folder and ``stem=`` and ``overwrite=``; returns the files.
    notes
        The result's own messages, which grow while it is saved.
    before
        Messages of the reader and of the checks.
    count, confidence, doubt
        See :class:`~napari_cytosynth.tasks.batch.records.BatchOutcome`.
    thumbnail
        PNG for the page.
    segmentation
        The result itself, where it is one. Default: None.
    """

    provenance: dict[str, Any]
    save: Callable[..., list[Path]]
    notes: list[str]
    before: tuple[str, ...] = ()
    count: int | None = None
    confidence: float | None = None
    doubt: str = ""
    thumbnail: bytes = field(default=b"", repr=False)
    segmentation: Segmentation | None = None

    @property
    def messages(self) -> tuple[str, ...]:
        """All messages, each once."""
        return tuple(dict.fromkeys(str(text) for text in (*self.before, *self.notes)))


def run_task(settings: BatchSettings, model: Any, item: BatchItem, progress: Progress) -> Finished:
    """Read the image of an item and run the task on it.

    Parameters
    ----------
    settings
        The task and its arguments.
    model
        The loaded model; None for ``measure``.
    item
        What to read.
    progress
        Called between tiles.

    Raises
    ------
    CytosynthError
        If the image cannot be read, or the task cannot take it.
    """
    if settings.task == "measure":
        return _measure(settings, item)
    file = read_image(item.place, item.read_series)
    arguments = dict(settings.parameters)
    arguments["axes"] = (arguments.get("axes") or file.axes or "").upper() or None
    arguments["pixel_size"] = sizes_of(file, arguments.get("pixel_size"), arguments["axes"])
    before = (*file.messages, *_about_size(file, settings.parameters.get("pixel_size")))
    run = _segment if settings.task == "segment" else _stain
    return run(file, item, model, arguments, before, progress)


def is_huge(settings: BatchSettings, item: BatchItem) -> bool:
    """Return whether an image is one plane that is too large to be segmented as a whole."""
    facts, given = item.facts, settings.parameters
    if settings.task != "segment" or facts is None or item.zarr or not is_zarr(item.place):
        return False
    axes = (given.get("axes") or facts.axes or "").upper()
    asks_for_whole = given.get("resample") or given.get("diameter")
    return not asks_for_whole and grid.pixels_of_single_plane(facts.shape, axes) > grid.HUGE


def blocked_run(
    settings: BatchSettings, model: Any, item: BatchItem, precision: str = "auto"
) -> BlockedRun:
    """Return a run over the plane of an OME-Zarr, block by block; nothing is read yet.

    Parameters
    ----------
    settings, model, item
        See :func:`run_task`.
    precision
        Of the network. Default: the best for the device.

    Raises
    ------
    InputError
        If the image has several planes, or the settings need a plane as a whole.
    """
    from napari_cytosynth.tasks.segment.blocks.run import OPTIONS, prepare_run

    file = read_image(item.place, item.read_series, lazy=True)
    given = dict(settings.parameters)
    run = prepare_run(
        file_source(file, item.path),
        model,
        {name: given.get(name) for name in OPTIONS},
        axes=given.get("axes") or file.axes,
        channels=given.get("channels"),
        pixel_size=given.get("pixel_size") or file.pixel_size_um,
        device=given.get("device", "auto"),
        precision=precision,
    )
    run.add_messages(*file.messages, *_about_size(file, given.get("pixel_size")))
    return run


def asked_of(run: BlockedRun, settings: BatchSettings) -> dict[str, Any]:
    """Return the parameters of a run in blocks, for the record of its result."""
    return run.common_parameters(settings.parameters.get("channels"), False, "auto", "auto")


def files_to_come(settings: BatchSettings) -> dict[str, Any]:
    """Return which files the task writes, as ``find_destination`` takes them."""
    if settings.task != "stain":
        return {}
    found = settings.parameters.get("objects") is not None
    images = ["mean", "std"]
    images += ["samples"] if settings.parameters.get("keep_samples") else []
    images += ["labels"] if found else []
    return {"images": images, "others": ("table.csv",) if found else ()}


def _about_size(file: LoadedImage, given: Any) -> list[str]:
    """Return that the settings have another pixel size than the file."""
    if given is None or file.pixel_size_um is None:
        return []
    said = np.ravel(np.asarray(given, float))[-2:]
    own = np.ravel(np.asarray(file.pixel_size_um, float))
    if np.allclose(said, own, rtol=0.01):
        return []
    sizes = " × ".join(f"{size:g}" for size in own)
    wanted = " × ".join(f"{size:g}" for size in said)
    return [
        f"The file says a pixel size of {sizes} µm, the settings {wanted} µm: that of the settings "
        "was taken."
    ]


def _segment(
    file: LoadedImage,
    item: BatchItem,
    model: Any,
    arguments: dict[str, Any],
    before: tuple[str, ...],
    progress: Progress,
) -> Finished:
    result = segment(file_source(file, item.path), model=model, progress=progress, **arguments)
    plane = _plane_of(result, file)
    return Finished(
        result.base_provenance,
        result.save,
        result.messages,
        before,
        count=len(result.table),
        confidence=mean_of(result.table, "confidence"),
        doubt=result.doubt,
        thumbnail=thumbnail(plane, middle_plane(result.labels, result.axes)),
        segmentation=result,
    )


def _stain(
    file: LoadedImage,
    item: BatchItem,
    model: Any,
    arguments: dict[str, Any],
    before: tuple[str, ...],
    progress: Progress,
) -> Finished:
    wanted = arguments.pop("objects", None)
    if wanted is not None:
        stains = arguments.get("stains") or model.card.inference.output_channels
        check_stain(wanted, tuple(stains))
    look = {name: arguments.get(name) for name in ("axes", "channels", "focal_planes")}
    plane = first_plane_of(file.data, model.card, **look)
    size = None if arguments.get("resample") else arguments["pixel_size"]
    doubts = check_image(plane, model.card, size)
    source = file_source(file, item.path)
    result = stain(source, model=model, progress=progress, **arguments)
    objects = None if wanted is None else result.objects(wanted, progress=progress)
    result.messages.extend(objects.messages if objects else ())

    def save(folder: Path, **options: Any) -> list[Path]:
        return result.save(folder, objects=objects, **options)

    axes = result.axes.removeprefix("C")
    shown = [middle_plane(one, axes) for one in result.mean[:MOST_STAINS]]
    labels = None if objects is None else middle_plane(objects.labels, objects.axes)
    return Finished(
        result.provenance,
        save,
        result.messages,
        before,
        count=None if objects is None else len(objects.table),
        confidence=None if objects is None else mean_of(objects.table, "confidence"),
        doubt=" ".join(str(doubt) for doubt in doubts),
        thumbnail=thumbnail(_plane_of(result, file), labels, shown),
    )


def _measure(settings: BatchSettings, item: BatchItem) -> Finished:
    found = measure_file(
        item.place,
        series=item.read_series,
        intensity=item.intensity,
        **settings.parameters,
    )
    axes = found.provenance["parameters"]["axes"]
    labels = middle_plane(found.labels.data, axes)
    image = None if found.intensity is None else middle_plane(found.intensity.data, axes)
    return Finished(
        found.provenance,
        found.save,
        found.messages,
        count=len(found.table),
        thumbnail=thumbnail(image, labels),
    )


def _plane_of(result: Any, file: LoadedImage) -> Any:
    """Return the plane of the image that a picture shows."""
    return middle_plane(file.data, result.source_axes, result.channel, result.position)


def mean_of(table: pd.DataFrame, column: str) -> float | None:
    """Return the mean of a column; None without it, or where it is unknown."""
    if column not in table or not len(table):
        return None
    mean = float(table[column].mean())
    return mean if np.isfinite(mean) else None
