"""Options and results of an evaluation of virtual stainers: tables, scores for a card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.training.reports.records import model_record, replace_metrics
from napari_cytosynth.zoo.card import Metric

from .tally import GRID_PEAK, GRID_RATIO

if TYPE_CHECKING:
    from pathlib import Path

    from .fields import Stainer
    from .objects import ObjectTally
    from .shown_fields import ShownField
    from .tally import ChannelTally

__all__ = ["StainOptions", "StainReport", "StainScores"]

_CARD_FIGURES = (
    *("PCC", "SSIM, mean per image", "NRMSE", "coverage of 68 %", "coverage of 95 %"),
    *(GRID_RATIO, GRID_PEAK),
)
_CARD_OBJECTS = ("F1@0.5", "AP@0.5:0.95")


@dataclass(frozen=True)
class StainOptions:
    """Options of an evaluation of virtual stainers: comparison of objects.

    Attributes
    ----------
    segmenter
        Finds the same objects in the real and the virtual stain: a segmentation model's
        name, ``otsu`` (a threshold and a watershed), or None for no objects.
    object_stain
        Name of the stain that shows the objects; None (default): that of the nuclei, or the first.
    pixel_size_um
        Of the fields; None (default) if unknown: the segmenter resamples nothing.
    device
        Device of the segmenter. Default: ``auto``.
    """

    segmenter: str | None = "fluo-nuclei-unet"
    object_stain: str | None = None
    pixel_size_um: float | None = None
    device: str = "auto"


@dataclass(eq=False)
class StainScores:
    """Scores of one virtual stainer.

    Attributes
    ----------
    stainer
        The model and how it was run.
    channels
        For each stain its sums.
    objects
        Sums over the objects; None if none were segmented.
    """

    stainer: Stainer
    channels: dict[str, ChannelTally]
    objects: ObjectTally | None

    @cached_property
    def figures(self) -> dict[str, dict[str, float]]:
        """Scores by name for each stain, and for the objects under ``objects``."""
        found = {name: tally.metrics() for name, tally in self.channels.items()}
        return found | ({"objects": self.objects.metrics()} if self.objects else {})

    @cached_property
    def differences(self) -> pd.DataFrame:
        """One row for each feature of the objects; see :class:`.ObjectTally`."""
        return self.objects.differences() if self.objects else pd.DataFrame()

    def record(self) -> dict[str, Any]:
        """Return the scores as plain values for JSON."""
        return model_record(self.stainer.model) | {
            "views": self.stainer.views,
            "samples": self.stainer.samples,
            "calibrated": self.stainer.calibrated,
            "figures": self.figures,
            "populations": self.differences.to_dict("records"),
        }


@dataclass(eq=False)
class StainReport:
    """Results of an evaluation of virtual stainers, side by side.

    Attributes
    ----------
    models
        Name -> scores, in the order given.
    options
        Options of the evaluation; names the stain of the objects that was used.
    data_ranges
        For each stain the range that SSIM, PSNR and NRMSE refer to, in the stain's own
        units: that of the first model's training scaling, the same for all models.
    table
        One row for each field, model and stain; with the column ``plane`` where a field was seen
        in several focal planes, one at a time.
    shown
        The best, the median and the worst field, by the mean PCC of all models and stains.
    numbers
        Information gain of the numbers of cells, one row for each model and number. Default:
        empty, as are the next.
    opinions
        What a second opinion finds, one row for each model, flag and kind of nuclei.
    """

    models: dict[str, StainScores]
    options: StainOptions
    data_ranges: dict[str, float]
    table: pd.DataFrame
    shown: list[ShownField] = field(default_factory=list)
    numbers: pd.DataFrame = field(default_factory=pd.DataFrame)
    opinions: pd.DataFrame = field(default_factory=pd.DataFrame)

    def comparison(self) -> pd.DataFrame:
        """Return one row for each figure of each stain, one column for each model."""
        columns = {}
        for name, scores in self.models.items():
            rows = {
                (stain, figure): value
                for stain, figures in scores.figures.items()
                for figure, value in figures.items()
            }
            columns[name] = pd.Series(rows)
        table = pd.DataFrame(columns)
        # the order of the first model; what only others have follows
        order = list(dict.fromkeys(key for series in columns.values() for key in series.index))
        return table.loc[order].rename_axis(["stain", "figure"]).reset_index()

    def card_metrics(self, name: str, dataset: str, command: str) -> list[Metric]:
        """Return the figures of one model that its card shows.

        Parameters
        ----------
        name
            One of :attr:`models`.
        dataset
            Data set and split.
        command
            The command that measures them again.
        """
        figures = dict(self.models[name].figures)
        objects = figures.pop("objects", {})
        wanted = [
            (f"{stain}: {figure}", values[figure])
            for stain, values in figures.items()
            for figure in _CARD_FIGURES
            if figure in values
        ]
        stain = self.options.object_stain
        wanted += [
            (f"{figure} of objects in {stain}", objects[figure])
            for figure in _CARD_OBJECTS
            if figure in objects
        ]
        wanted += self._opinion_figures(name)
        return [
            Metric(name=figure, value=round(value, 4), dataset=dataset, command=command)
            for figure, value in wanted
            if np.isfinite(value)
        ]

    def _opinion_figures(self, name: str) -> list[tuple[str, float]]:
        """Return what a second opinion finds of a model's wrong nuclei, beside flags at random."""
        found: dict[str, float] = {}
        own = self.opinions[self.opinions["model"] == name] if len(self.opinions) else None
        for row in [] if own is None else own.to_dict("records"):
            flag, kind = row["flag"], row["nuclei"]
            if flag == "either" or kind == "wrong":  # what the others are made of
                continue
            about = f"second opinion of {row['second_opinion']}, “{flag}”"
            for figure in ("recall", "precision"):
                found[f"{about}: {figure} for {kind} nuclei"] = row[figure]
            found[f"{about}: fraction flagged, the recall at random"] = row["recall at random"]
            found[f"fraction of {kind} nuclei, the precision at random"] = row[
                "precision at random"
            ]
        return list(found.items())

    def update_card(self, name: str, folder: Path, dataset: str, command: str) -> None:
        """Write :meth:`card_metrics` into a model's card, in place of older ones of `dataset`.

        Raises
        ------
        ModelError
            If `folder` holds no model.
        OutputError
            If it cannot be written.
        """
        replace_metrics(folder, dataset, self.card_metrics(name, dataset, command))

    def planes(self) -> pd.DataFrame:
        """Return one row for each model, stain and focal plane: means over the fields.

        Empty unless fields were seen in several focal planes, one at a time.
        """
        if "plane" not in self.table:
            return pd.DataFrame()
        groups = self.table.groupby(["model", "stain", "plane"], sort=False)
        return groups.mean(numeric_only=True).reset_index()

    def populations(self) -> pd.DataFrame:
        """Return one row for each model and feature of the objects."""
        tables = [
            scores.differences.assign(model=name)
            for name, scores in self.models.items()
            if scores.objects is not None
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def summary(self, command: str) -> dict[str, Any]:
        """Return the content of ``metrics.json``."""
        from napari_cytosynth.version import __version__

        return {
            "version": __version__,
            "command": command,
            "images": list(dict.fromkeys(self.table["image"])),
            "planes": self.planes().to_dict("records"),
            "information gain": self.numbers.to_dict("records"),
            "second opinion": self.opinions.to_dict("records"),
            "options": asdict(self.options),
            "data_range": self.data_ranges,
            "shown": {shown.rank: shown.name for shown in self.shown},
            "models": {name: scores.record() for name, scores in self.models.items()},
        }
