"""Measure a segmentation model on images with known truth.

The images go through :func:`napari_cytosynth.tasks.segment.segment`, as a user's do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.segment import segment
from napari_cytosynth.zoo.card import Metric
from napari_cytosynth.zoo.loading import Model, load_model

from .evaluation import model_record, replace_metrics, results_folder, write_json
from .pairs import read_plane
from .segment_scores import SegmentTally
from .targets import check_truth, object_numbers

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.metrics import ProbabilityCounts
    from napari_cytosynth.progress import Progress

    from .segment_scores import Kind, WorstField

__all__ = ["Options", "Report", "evaluate_segment"]


@dataclass(frozen=True)
class Options:
    """How the truth is read and how the model's objects are made.

    Attributes
    ----------
    kind
        ``mask``: non-zero is foreground; ``labels``: one number for each object, and
        objects are scored as well as pixels.
    invert
        The foreground of a mask is where it is zero.
    threshold
        In [0, 1]; None for the one of the model's card.
    min_size
        Smaller predicted objects are dropped, in pixels.
    split_touching
        Separate touching objects; None: if the model's card says how.
    pixel_size_um
        Pixel size of the images in µm; None if unknown, and then nothing is resampled.
    device
        Where the network runs.
    """

    kind: Kind = "mask"
    invert: bool = False
    threshold: float | None = None
    min_size: int = 0
    split_touching: bool | None = None
    pixel_size_um: float | None = None
    device: str = "auto"


@dataclass(eq=False)
class Report:
    """What an evaluation found.

    Attributes
    ----------
    model
        The model that was evaluated.
    options
        What it was evaluated with; the threshold is the one that was used.
    metrics
        Figures over the whole set, by name. Without “mean per image” in the name, the
        pixels or objects of all images are pooled.
    table
        One row for each image.
    curve
        One row for each threshold: precision, recall, IoU and Dice of the pooled pixels.
    counts
        Histograms of the probability over foreground and background.
    worst
        The fields with the lowest scores, worst first.
    """

    model: Model
    options: Options
    metrics: dict[str, float]
    table: pd.DataFrame
    curve: pd.DataFrame
    counts: ProbabilityCounts
    worst: list[WorstField] = field(default_factory=list)

    def card_metrics(self, dataset: str, command: str) -> list[Metric]:
        """Return the figures that a model card shows.

        Parameters
        ----------
        dataset
            Data set and split, for example “em-epfl, official test slices”.
        command
            The command that measures them again.
        """
        names = ["foreground IoU", "Dice"]
        if self.options.kind == "labels":
            names += ["AP@0.5", "AP@0.5:0.95", "F1@0.5", "AJI", "panoptic quality"]
        return [
            Metric(name=name, value=round(self.metrics[name], 4), dataset=dataset, command=command)
            for name in names
        ]

    def update_card(self, folder: Path, dataset: str, command: str) -> None:
        """Write :meth:`card_metrics` into a model's card, in place of older ones of `dataset`.

        Parameters
        ----------
        folder
            The model's folder; its weights stay as they are.
        dataset, command
            As in :meth:`card_metrics`.

        Raises
        ------
        ModelError
            If `folder` holds no model.
        OutputError
            If it cannot be written.
        """
        replace_metrics(folder, dataset, self.card_metrics(dataset, command))

    def save(self, folder: Path, *, command: str = "") -> None:
        """Write ``metrics.json``, ``table.csv``, ``curve.csv`` and the figure pages.

        Parameters
        ----------
        folder
            Made if it does not exist; files of the same names are replaced.
        command
            The command that measures this again, kept in ``metrics.json``.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        from .figures import save_figures

        with results_folder(folder):
            self.table.to_csv(folder / "table.csv", index=False)
            self.curve.to_csv(folder / "curve.csv", index=False)
            write_json(folder / "metrics.json", self._summary(command))
            save_figures(self, folder)

    def _summary(self, command: str) -> dict[str, Any]:
        from napari_cytosynth import __version__

        return model_record(self.model) | {
            "version": __version__,
            "command": command,
            "truth": self.options.kind,
            "threshold": self.options.threshold,
            "images": list(self.table["image"]),
            "metrics": self.metrics,
        }


def _read_truth(path: Path, shape: tuple[int, ...], options: Options) -> NDArray[Any]:
    truth = read_plane(path)
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


def _threshold(model: Model, options: Options) -> float:
    if options.threshold is not None:
        return options.threshold
    chosen = model.card.inference.threshold
    return 0.5 if chosen is None else chosen


def evaluate_segment(
    model: str | os.PathLike[str] | Model,
    images: Sequence[Path],
    targets: Sequence[Path],
    options: Options | None = None,
    *,
    keep_worst: int = 6,
    progress: Progress | None = None,
) -> Report:
    """Segment images and score the results against their truth.

    Parameters
    ----------
    model
        A model, or what :func:`~napari_cytosynth.zoo.loading.load_model` takes.
    images
        Files with one grey plane (Y, X) each.
    targets
        For each image the file with its mask or labels, of the same size.
    options
        How the truth is read and the objects are made; None for a mask and the card's
        threshold.
    keep_worst
        Number of the worst fields that the report keeps for its figures.
    progress
        Called after each image; may raise Cancelled.

    Returns
    -------
    Report
        Figures over the set and for each image; :meth:`Report.save` writes them.

    Raises
    ------
    InputError
        If there are no images, or an image or its truth cannot be used.
    ModelError
        If the model cannot be loaded.
    """
    options, tick = options or Options(), progress or silent
    if not images or len(images) != len(targets):
        raise InputError("There must be at least one image, and a truth for each.")
    loaded = load_model(model, options.device)
    threshold = _threshold(loaded, options)
    split = options.split_touching
    if split is None:
        split = loaded.card.inference.splitting is not None
    tally = SegmentTally(options.kind, threshold, keep_worst)
    tick(0, len(images), "Evaluating")
    for done, (path, target) in enumerate(zip(images, targets, strict=True), start=1):
        plane = read_plane(path)
        truth = _read_truth(target, plane.shape, options)
        result = segment(
            plane,
            model=loaded,
            threshold=threshold,
            min_size=options.min_size,
            split_touching=split,
            axes="YX",
            pixel_size=options.pixel_size_um,
            resample=options.pixel_size_um is not None,
            device=options.device,
            progress=silent,
        )
        predicted = np.asarray(result.labels) if options.kind == "labels" else truth
        tally.add(path.stem, plane, truth, np.asarray(result.probability), predicted)
        tick(done, len(images), f"Evaluating {path.stem}")
    used = Options(**{**vars(options), "threshold": threshold, "split_touching": split})
    table = pd.DataFrame(tally.rows)
    return Report(loaded, used, tally.metrics(), table, tally.curve(), tally.counts, tally.worst())
