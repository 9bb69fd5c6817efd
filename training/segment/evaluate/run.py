"""Evaluation of a segmentation model on images with known truth.

The images go through :func:`napari_cytosynth.tasks.segment.segment`, as a user's do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.images.files import image_name
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.defaults import card_options
from napari_cytosynth.tasks.segment.task import segment
from napari_cytosynth.training.data.image_files import read_plane
from napari_cytosynth.training.data.masks import check_truth, object_numbers
from napari_cytosynth.training.reports.records import results_folder, write_json
from napari_cytosynth.zoo.loading import load_model

from .report import SegmentOptions, SegmentReport
from .tally import SegmentTally

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.loading import Model

__all__ = ["SegmentOptions", "SegmentReport", "evaluate_segment", "write_report"]


def _read_truth(path: Path, shape: tuple[int, ...], options: SegmentOptions) -> NDArray[Any]:
    truth = read_plane(path, "labels" if options.kind == "labels" else "mask")
    if truth.shape != shape:
        raise InputError(f"The truth “{path.name}” has {truth.shape} pixels, its image {shape}.")
    labels = options.kind == "labels"
    if labels and not np.issubdtype(truth.dtype, np.integer):
        raise InputError(f"The labels in “{path.name}” must be whole numbers.")
    if wrong := check_truth(truth, labels=labels):
        raise InputError(f"The truth “{path.name}” cannot be used: {wrong}.")
    if labels:
        return object_numbers(truth)
    mask: NDArray[np.bool_] = truth == 0 if options.invert else truth != 0
    return mask


def _label_options(model: Model, options: SegmentOptions) -> dict[str, Any]:
    """Return threshold, smallest object and splitting: of the model's card if not chosen."""
    size = options.pixel_size_um
    own = card_options(model.card.inference, None if size is None else (size, size))
    chosen = {name: getattr(options, name) for name in own}
    return {name: own[name] if value is None else value for name, value in chosen.items()}


def evaluate_segment(
    model: str | os.PathLike[str] | Model,
    images: Sequence[Path],
    targets: Sequence[Path],
    options: SegmentOptions | None = None,
    *,
    keep_worst: int = 6,
    progress: Progress | None = None,
) -> SegmentReport:
    """Segment images and score the results against their truth.

    Parameters
    ----------
    model
        A model, or an argument of :func:`~napari_cytosynth.zoo.loading.load_model`.
    images
        Files with one grey plane (Y, X) each.
    targets
        For each image the file with its mask or labels, of the same size.
    options
        How the truth is read and the objects are made; None (default) for a mask and the
        card's threshold.
    keep_worst
        Number of the worst fields that the report keeps for its figures.
    progress
        Called after each image; may raise Cancelled.

    Returns
    -------
    SegmentReport
        Figures over the set and for each image; :func:`write_report` writes them.

    Raises
    ------
    InputError
        If there are no images, or an image or its truth cannot be used.
    ModelError
        If the model cannot be loaded.
    """
    options, tick = options or SegmentOptions(), progress or silent
    if not images or len(images) != len(targets):
        raise InputError("There must be at least one image, and a truth for each.")
    loaded = load_model(model, options.device)
    used = _label_options(loaded, options)
    options = replace(options, **used)
    tally = SegmentTally(options.kind, used["threshold"], keep_worst)
    tick(0, len(images), "Evaluating")
    for done, (path, target) in enumerate(zip(images, targets, strict=True), start=1):
        plane = read_plane(path)
        truth = _read_truth(target, plane.shape, options)
        result = segment(
            plane,
            model=loaded,
            **used,
            axes="YX",
            pixel_size=options.pixel_size_um,
            resample=options.pixel_size_um is not None,
            device=options.device,
            progress=silent,
        )
        predicted = np.asarray(result.labels) if options.kind == "labels" else truth
        tally.add(image_name(path), plane, truth, np.asarray(result.probability), predicted)
        tick(done, len(images), f"Evaluating {image_name(path)}")
    table = pd.DataFrame(tally.rows)
    return SegmentReport(
        loaded, options, tally.metrics(), table, tally.curve(), tally.counts, tally.worst()
    )


def write_report(report: SegmentReport, folder: Path, *, command: str = "") -> None:
    """Write ``metrics.json``, ``table.csv``, ``curve.csv`` and the figure pages.

    Parameters
    ----------
    report
        Results of the evaluation.
    folder
        Made if it does not exist; files of the same names are replaced.
    command
        The command that measures this again, kept in ``metrics.json``; empty by default.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    from .figures import save_figures

    with results_folder(folder):
        report.table.to_csv(folder / "table.csv", index=False)
        report.curve.to_csv(folder / "curve.csv", index=False)
        write_json(folder / "metrics.json", report.summary(command))
        save_figures(report, folder)
