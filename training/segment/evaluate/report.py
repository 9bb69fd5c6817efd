"""Options and results of an evaluation of a segmentation model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.reports.records import model_record, replace_metrics
from napari_cytosynth.zoo.card import Metric

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.metrics import ProbabilityCounts
    from napari_cytosynth.zoo.loading import Model

    from .tally import Kind, WorstField

__all__ = ["SegmentOptions", "SegmentReport"]


@dataclass(frozen=True)
class SegmentOptions:
    """Options of an evaluation: how the truth is read and how objects are made.

    Attributes
    ----------
    kind
        ``mask`` (default): non-zero is foreground; ``labels``: one number for each object, and
        objects are scored as well as pixels.
    invert
        The foreground of a mask is where it is zero. Default: False.
    threshold
        In [0, 1]; None (default) for the one of the model's card.
    min_size
        Smaller predicted objects are dropped, in pixels; None (default) for the one of the
        model's card.
    split_touching
        Separate touching objects; None (default): if the model was made to.
    pixel_size_um
        Pixel size of the images in µm; None (default) if unknown: nothing is resampled.
    device
        Device of the network. Default: ``auto``.
    """

    kind: Kind = "mask"
    invert: bool = False
    threshold: float | None = None
    min_size: int | None = None
    split_touching: bool | None = None
    pixel_size_um: float | None = None
    device: str = "auto"


@dataclass(eq=False)
class SegmentReport:
    """Results of an evaluation of a segmentation model.

    Attributes
    ----------
    model
        The model that was evaluated.
    options
        Options of the evaluation; what the model's card decided is filled in.
    metrics
        Scores over the whole set, by name. Without “mean per image” in the name, the
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
    options: SegmentOptions
    metrics: dict[str, float]
    table: pd.DataFrame
    curve: pd.DataFrame
    counts: ProbabilityCounts
    worst: list[WorstField] = field(default_factory=list)

    def card_metrics(self, dataset: str, command: str) -> list[Metric]:
        """Return the scores for a model card.

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

    def summary(self, command: str) -> dict[str, Any]:
        """Return the content of ``metrics.json``."""
        from napari_cytosynth.version import __version__

        return model_record(self.model) | {
            "version": __version__,
            "command": command,
            "truth": self.options.kind,
            "threshold": self.options.threshold,
            "min_size": self.options.min_size,
            "split_touching": self.options.split_touching,
            "images": list(self.table["image"]),
            "metrics": self.metrics,
        }
