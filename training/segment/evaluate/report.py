"""Options and results of an evaluation of a segmentation model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.reports.records import model_record, replace_metrics
from napari_cytosynth.zoo.card import Metric

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.metrics import ProbabilityCounts
    from napari_cytosynth.tasks.segment.instances import LabelOptions
    from napari_cytosynth.zoo.loading import Model

    from .confidence import ConfidenceScores
    from .doubts import DoubtScores
    from .rescaling import RescaledScores
    from .stated import StatedScores
    from .tally import Kind, WorstField

__all__ = ["SegmentOptions", "SegmentReport"]


SMALLEST = {"mask": 64, "labels": 0}
"""Pixels of the smallest object that counts: parts of a mask may be dust, numbered objects not."""

_CARD_FIGURES = (
    *("foreground IoU", "Dice"),
    *("AP@0.5 (pooled)", "AP@0.5 (mean per image)"),
    *("AP@0.5:0.95 (pooled)", "AP@0.5:0.95 (mean per image)"),
    *("F1@0.5 (pooled)", "AJI (pooled)", "panoptic quality (pooled)"),
    *("split errors", "merge errors", "true objects"),
)


@dataclass(frozen=True)
class SegmentOptions:
    """Options of an evaluation: how the truth is read and how objects are made.

    Where an option is None, :func:`.segment` is called without it, as users do.

    Attributes
    ----------
    kind
        ``mask`` (default): non-zero is foreground, and its 8-connected parts are the true
        objects; ``labels``: one number for each object.
    invert
        The foreground of a mask is where it is zero. Default: False.
    threshold
        In [0, 1]; None (default) for the model's own.
    min_size
        Smaller predicted objects are dropped, in pixels; None (default) for the model's own.
    split_touching
        Separate touching objects; None (default) for the model's own.
    smallest
        Objects of fewer pixels count neither as true nor as predicted ones; None (default) for
        64 of masks and 0 of labels.
    pixel_size_um
        Pixel size of the images in µm; None (default) if unknown: nothing is resampled.
    device
        Device of the network. Default: ``auto``.
    rescale
        Factors that the images are resampled by as well, for :attr:`SegmentReport.rescaled`.
        Default: none.
    """

    kind: Kind = "mask"
    invert: bool = False
    threshold: float | None = None
    min_size: int | None = None
    split_touching: bool | None = None
    smallest: int | None = None
    pixel_size_um: float | None = None
    device: str = "auto"
    rescale: tuple[float, ...] = ()

    @property
    def least_size(self) -> int:
        """Pixels of the smallest object that counts."""
        return SMALLEST[self.kind] if self.smallest is None else self.smallest


@dataclass(eq=False)
class SegmentReport:
    """Results of an evaluation of a segmentation model.

    Attributes
    ----------
    model
        The model that was evaluated.
    options
        Options of the evaluation.
    labelling
        How the objects were made of the probability: threshold, smallest size, splitting.
    metrics
        Scores over the whole set, by name. Without “mean per image” in the name, the
        pixels or objects of all images are pooled.
    table
        One row for each image.
    curve
        One row for each threshold: precision, recall, IoU and Dice of the pooled pixels.
    counts
        Histograms of the probability over foreground and background.
    confidence
        What tells right objects from wrong ones, or why that is not known.
    worst
        The fields with the lowest scores, worst first. Default: none.
    stated
        How far the confidence that the model states can be trusted. Default: None, it states
        none.
    rescaled
        Scores of the same images at other magnifications. Default: none were asked for.
    doubts
        How many of the images were doubted, before and after the run. Default: None, unknown.
    """

    model: Model
    options: SegmentOptions
    labelling: LabelOptions
    metrics: dict[str, float]
    table: pd.DataFrame
    curve: pd.DataFrame
    counts: ProbabilityCounts
    confidence: ConfidenceScores | str
    worst: list[WorstField] = field(default_factory=list)
    stated: StatedScores | None = None
    rescaled: list[RescaledScores] = field(default_factory=list)
    doubts: DoubtScores | None = None

    @property
    def threshold(self) -> float:
        """Threshold of the foreground, in [0, 1]."""
        return self.labelling.threshold

    def card_metrics(self, dataset: str, command: str) -> list[Metric]:
        """Return the scores for a model card.

        Parameters
        ----------
        dataset
            Data set and split, for example “em-epfl, official test slices”.
        command
            The command that measures them again.
        """
        return [
            Metric(name=name, value=round(self.metrics[name], 4), dataset=dataset, command=command)
            for name in _CARD_FIGURES
        ]

    def update_card(self, folder: Path, dataset: str, command: str) -> None:
        """Write :meth:`card_metrics` into a model's card, in place of older ones of `dataset`.

        And how far the confidence can be trusted, where the model states one.

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
        tests = [] if self.stated is None else [self.stated.test(dataset, command)]
        replace_metrics(folder, dataset, self.card_metrics(dataset, command), tests)

    def summary(self, command: str) -> dict[str, Any]:
        """Return the content of ``metrics.json``."""
        from napari_cytosynth.version import __version__

        confidence = self.confidence
        return model_record(self.model) | {
            "version": __version__,
            "command": command,
            "truth": self.options.kind,
            **asdict(self.labelling),
            "smallest": self.options.least_size,
            "images": list(self.table["image"]),
            "metrics": self.metrics,
            "confidence": confidence if isinstance(confidence, str) else confidence.record(),
            "rescaled": [scores.record() for scores in self.rescaled],
            "doubted": None if self.doubts is None else self.doubts.record(),
            "stated confidence": None if self.stated is None else self.stated.record(),
        }
