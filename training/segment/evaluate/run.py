"""Evaluation of a segmentation model on images with known truth.

The images go through :func:`napari_cytosynth.tasks.segment.segment`, as a user's do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.images.files import image_name
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.segment.instances import drop_labels
from napari_cytosynth.tasks.segment.task import segment
from napari_cytosynth.training.data.image_files import read_plane
from napari_cytosynth.training.data.masks import check_truth, object_numbers
from napari_cytosynth.training.reports.records import results_folder, write_json
from napari_cytosynth.zoo.loading import load_model

from .confidence import ConfidenceTally
from .doubts import DoubtTally
from .report import SegmentOptions, SegmentReport
from .rescaling import RescalingTally
from .tally import EvaluatedField, SegmentTally

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.segment.result import Segmentation
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


def _segmented(
    plane: NDArray[Any], model: Model, options: SegmentOptions, *, by_size: bool = False
) -> Segmentation:
    """Segment a plane (Y, X) as a user does, with nothing but the options that are given."""
    given: dict[str, Any] = {
        name: value
        for name in ("threshold", "min_size", "split_touching")
        if (value := getattr(options, name)) is not None
    }
    if options.pixel_size_um is not None:
        given |= {"pixel_size": options.pixel_size_um, "resample": True}
    if options.device != "auto":
        given["device"] = options.device
    if by_size:
        given["diameter"] = "auto"
    return segment(plane, model=model, progress=silent, **given)


def _true_objects(truth: NDArray[Any], options: SegmentOptions) -> NDArray[Any]:
    """Return the labels of a truth; of a mask its parts, connected as those of a prediction."""
    if options.kind == "labels":
        return _counted(truth, options)
    labels: NDArray[np.int32] = ndimage.label(truth, np.ones((3, 3)), output=np.int32)[0]
    return _counted(labels, options)


def _counted(labels: NDArray[Any], options: SegmentOptions) -> NDArray[Any]:
    return drop_labels(labels, options.least_size) if options.least_size else labels


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
        How the truth is read and the objects are made; None (default) for a mask, and objects
        as :func:`.segment` makes them without an argument.
    keep_worst
        Number of the worst fields that the report keeps for its figures. Default: 6.
    progress
        Called after each image; may raise Cancelled. None (default) for none.

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
    rescaling = _rescaling(loaded, options)
    tally, confidence = SegmentTally(options.kind, keep_worst), ConfidenceTally()
    doubts = DoubtTally()
    tick(0, len(images), "Evaluating")
    for done, (path, target) in enumerate(zip(images, targets, strict=True), start=1):
        plane = read_plane(path)
        truth = _read_truth(target, plane.shape, options)
        result = _segmented(plane, loaded, options)
        field = EvaluatedField(
            image_name(path),
            plane,
            truth,
            _true_objects(truth, options),
            np.asarray(result.probability),
            _counted(np.asarray(result.labels), options),
            result.threshold,
        )
        tally.add(field)
        confidence.add(field.true_objects, result, options.least_size)
        doubts.add(result)
        rescaling.add(plane, field.true_objects, field.predicted)
        tick(done, len(images), f"Evaluating {field.name}")
    return SegmentReport(
        loaded,
        options,
        result.options,
        tally.metrics(),
        pd.DataFrame(tally.rows),
        tally.curve(),
        tally.counts,
        confidence.scores(),
        tally.worst(),
        confidence.stated_scores(),
        rescaling.scores(),
        doubts.scores(),
    )


def _rescaling(model: Model, options: SegmentOptions) -> RescalingTally:
    if options.rescale and options.pixel_size_um is not None:
        raise InputError(
            "With a pixel size, images are resampled to that of the model whatever their own "
            "magnification: leave out --pixel-size, or --rescale."
        )

    def run(plane: NDArray[Any], by_size: bool) -> Segmentation:
        return _segmented(plane, model, options, by_size=by_size)

    known = model.card.inference.diameter is not None
    return RescalingTally(options.rescale, run, knows_size=known, smallest=options.least_size)


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
        (folder / "confidence.png").unlink(missing_ok=True)  # of an earlier evaluation
        save_figures(report, folder)
