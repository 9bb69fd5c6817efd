"""Evaluation of virtual stainers on fields whose real stain is known, several side by side.

The images go through :func:`napari_cytosynth.tasks.stain.stain`, as a user's do. No image is
rescaled by itself: a stain that is too dim counts as wrong.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.stain.objects.task import object_stain
from napari_cytosynth.training.reports.records import results_folder, write_json

from .objects import ObjectTally, make_segmenter, object_features
from .report import StainOptions, StainReport, StainScores
from .shown_fields import FieldCache, ShownField
from .tally import ChannelTally, Prediction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress

    from .fields import FieldReader, Stainer, StainField

__all__ = ["StainOptions", "StainReport", "StainScores", "evaluate_stain", "write_report"]


def evaluate_stain(
    stainers: Sequence[Stainer],
    fields: Sequence[StainField],
    reader: FieldReader,
    options: StainOptions | None = None,
    *,
    progress: Progress | None = None,
) -> StainReport:
    """Stain fields with every model and score the results against the real stains.

    Parameters
    ----------
    stainers
        The models; all their stains must be among the reader's.
    fields
        Input and stained images.
    reader
        Reader of both.
    options
        What is compared beside the pixels; None (default) for the defaults.
    progress
        Called after each field and model; may raise Cancelled.

    Returns
    -------
    StainReport
        Figures over the set and for each field; :func:`write_report` writes them.

    Raises
    ------
    InputError
        If there are no fields or models, or a field cannot be used.
    ModelError
        If the segmenter cannot be loaded.
    """
    if not stainers or not fields:
        raise InputError("There must be at least one model, and at least one field.")
    run = _Evaluation(stainers, len(fields), reader, options or StainOptions())
    tick, total = progress or silent, len(fields) * len(stainers)
    tick(0, total, "Evaluating")
    with TemporaryDirectory() as folder:
        cache = FieldCache(folder)
        for number, one in enumerate(fields):
            for step, message in enumerate(run.add(one, cache), start=1):
                tick(number * len(stainers) + step, total, message)
        shown = cache.chosen()
    return StainReport(run.models, run.options, run.ranges, pd.DataFrame(run.rows), shown)


def write_report(report: StainReport, folder: Path, *, command: str = "") -> None:
    """Write ``metrics.json``, ``comparison.csv``, ``table.csv``, curves and figures.

    Where fields were seen in several focal planes one at a time, ``planes.csv`` too, and
    ``information-gain.csv`` and ``second-opinion.csv`` where these are known.

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
        report.comparison().to_csv(folder / "comparison.csv", index=False)
        report.populations().to_csv(folder / "populations.csv", index=False)
        more = {
            "planes.csv": report.planes(),
            "information-gain.csv": report.numbers,
            "second-opinion.csv": report.opinions,
        }
        for file, table in more.items():
            if not table.empty:
                table.to_csv(folder / file, index=False)
        write_json(folder / "metrics.json", report.summary(command))
        save_figures(report, folder)


class _Evaluation:
    """State of an evaluation, updated field by field."""

    def __init__(
        self, stainers: Sequence[Stainer], fields: int, reader: FieldReader, options: StainOptions
    ) -> None:
        self.reader = reader
        names = list(dict.fromkeys(name for stainer in stainers for name in stainer.names))
        if missing := [name for name in names if name not in reader.stains]:
            raise InputError(
                f"The stained images have no channel called {', '.join(missing)}; theirs are "
                f"{', '.join(reader.stains)}. Name them as the model does."
            )
        self.ranges: dict[str, float] = {}
        for stainer in stainers:
            self.ranges = stainer.ranges | self.ranges
        self.options = _with_object_stain(options, names)
        self.segmenter = None
        if options.segmenter is not None:
            self.segmenter = make_segmenter(
                options.segmenter, options.pixel_size_um, options.device
            )
        self.models: dict[str, StainScores] = {}
        for stainer in stainers:
            channels = {name: ChannelTally(self.ranges[name], fields) for name in stainer.names}
            looked_for = self.segmenter is not None and self.options.object_stain in stainer.names
            scores = StainScores(stainer, channels, ObjectTally() if looked_for else None)
            self.models[_unused(stainer.model.card.name, self.models)] = scores
        self.rows: list[dict[str, Any]] = []

    def add(self, one: StainField, cache: FieldCache) -> Iterator[str]:
        """Add one field; yield a message after each model."""
        image = self.reader.image(one)
        real = self.reader.targets(one, image.shape[1:])
        labels = self._labels(real, one.excluded)
        predictions = {}
        found: list[float] = []
        for name, scores in self.models.items():
            predictions[name] = scores.stainer(self.reader.image(one, scores.stainer.channels))
            found += self._count(one, name, real, predictions[name], labels)
            yield f"Evaluating {one.name} with {name}"
        shown = {
            name: {stain: own[stain] for stain in own if stain not in one.excluded}
            for name, own in predictions.items()
        }
        if all(shown.values()):
            score = float(np.mean(found))
            cache.keep(ShownField("", one.name, score, image[0], real, shown))

    def _labels(
        self, real: dict[str, NDArray[np.float32]], excluded: Sequence[str]
    ) -> NDArray[np.integer] | None:
        stain = self.options.object_stain
        if self.segmenter is None or stain is None or stain in excluded:
            return None
        return self.segmenter(real[stain])

    def _count(
        self,
        field: StainField,
        model: str,
        real: dict[str, NDArray[np.float32]],
        predicted: dict[str, Prediction],
        labels: NDArray[np.integer] | None,
    ) -> list[float]:
        """Add the rows of one field and model; return its PCC for each stain."""
        scores, found = self.models[model], []
        used = [name for name in scores.channels if name not in field.excluded]
        for name in used:
            tally = scores.channels[name]
            row = tally.add(real[name], predicted[name])
            found.append(row["PCC"])
            if name == self.options.object_stain and scores.objects and labels is not None:
                assert self.segmenter is not None
                virtual = self.segmenter(predicted[name].mean)
                means = {stain: predicted[stain].mean for stain in used}
                features = (
                    object_features(labels, {stain: real[stain] for stain in means}),
                    object_features(virtual, means),
                )
                row = row | scores.objects.add(labels, virtual, features)
            plane = {"plane": field.plane} if field.plane else {}
            self.rows.append({"image": field.name, **plane, "model": model, "stain": name, **row})
        return found


def _with_object_stain(options: StainOptions, names: list[str]) -> StainOptions:
    if options.segmenter is None:
        return options
    stain = options.object_stain or object_stain(tuple(names)) or names[0]
    if stain not in names:
        raise InputError(
            f"No model predicts “{stain}”, in which objects are to be found; there are "
            f"{', '.join(names)}."
        )
    return StainOptions(**{**vars(options), "object_stain": stain})


def _unused(name: str, taken: dict[str, Any]) -> str:
    """Return the name, numbered if another model has it."""
    number, result = 1, name
    while result in taken:
        number += 1
        result = f"{name} ({number})"
    return result
