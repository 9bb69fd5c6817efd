"""Evaluation of the objects of virtual stains, on fields whose real stain is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.stain.objects.doubt import doubt_of
from napari_cytosynth.tasks.stain.objects.passes import ObjectFinder
from napari_cytosynth.tasks.stain.objects.task import USUAL_SEGMENTER, object_stain
from napari_cytosynth.training.stain.calibrate.cells import match_cells
from napari_cytosynth.training.stain.calibrate.doubt import object_truth
from napari_cytosynth.zoo.loading import load_model

from .gain import card_references, information_gain, why_no_gain
from .opinion import flag_objects, opinion_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.training.stain.calibrate.numbers import MatchedCells
    from napari_cytosynth.training.stain.evaluate.fields import FieldReader, Stainer, StainField
    from napari_cytosynth.zoo.card import ObjectDoubt

    from .opinion import FlaggedObjects

    Named = tuple[str, Stainer]

__all__ = ["ObjectScores", "check_second_opinion", "evaluate_objects"]


@dataclass(eq=False)
class ObjectScores:
    """What is known of the objects of one or several models.

    Attributes
    ----------
    numbers
        One row for each model and number: see :func:`.information_gain`.
    opinions
        One row for each model, flag and kind of nuclei: see :func:`.opinion_scores`.
    notes
        Why something is missing.
    """

    numbers: pd.DataFrame = field(default_factory=pd.DataFrame)
    opinions: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: list[str] = field(default_factory=list)


def check_second_opinion(
    stainers: Mapping[str, Stainer], second: Stainer, stain: str | None
) -> None:
    """Check before a long run that a model can be the second opinion on others.

    Raises
    ------
    InputError
        If it is one of them, or has no stain of objects in common with one.
    """
    for name, stainer in stainers.items():
        if stainer.model.sha256 == second.model.sha256:
            raise InputError(f"“{name}” agrees with itself: a second opinion needs another model.")
        chosen = stain or object_stain(stainer.names)
        if chosen is None or chosen not in stainer.names or chosen not in second.names:
            raise InputError(
                f"“{name}” ({', '.join(stainer.names)}) and the second opinion "
                f"({', '.join(second.names)}) need one stain of nuclei that both have: name it "
                "by --objects."
            )


def evaluate_objects(
    stainers: Mapping[str, Stainer],
    fields: Sequence[StainField],
    reader: FieldReader,
    *,
    stain: str | None = None,
    second: Named | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> ObjectScores:
    """Judge what cards say of the numbers of cells, and what a second opinion finds.

    Parameters
    ----------
    stainers
        Name -> model.
    fields
        Input and stained images.
    reader
        Reader of both.
    stain
        Name of the stain that shows the objects. None (default): that of the nuclei.
    second
        Name and model of the second opinion on each of them. Default: None.
    device
        Where the segmenter runs.
    progress
        Called after each model and field; may raise Cancelled.

    Raises
    ------
    InputError
        If a model cannot be the second opinion on another, see :func:`check_second_opinion`.
    """
    if second is not None:
        check_second_opinion(stainers, second[1], stain)
    scores, tables, opinions = ObjectScores(), [], []
    tick, total = progress or silent, len(stainers) * len(fields)
    for number, (name, stainer) in enumerate(stainers.items()):
        run = _Objects(stainer, stain, device, second and second[1])
        if run.note:
            scores.notes.append(f"{name}: no information gain of the numbers of cells: {run.note}")
        for step, one in enumerate(run.used(fields)):
            tick(number * len(fields) + step, total, f"Comparing objects of {one.name}, {name}")
            run.add(one, reader)
        gains = information_gain(run.references, run.cells, run.doubts)
        if run.references and gains.empty:
            scores.notes.append(f"{name}: too few nuclei have a real partner for their numbers.")
        tables.append(gains.assign(model=name))
        if second is not None and run.flagged:
            found = opinion_scores(run.flagged)
            opinions.append(found.assign(model=name, second_opinion=second[0]))
    tick(total, total, "Objects compared")
    scores.numbers, scores.opinions = _together(tables), _together(opinions)
    return scores


def _together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return all tables with rows as one, the names of models first."""
    full = [table for table in tables if len(table)]
    if not full:
        return pd.DataFrame()
    found = pd.concat(full, ignore_index=True)
    first = [name for name in ("model", "second_opinion") if name in found]
    return found[[*first, *(name for name in found if name not in first)]]


class _Objects:
    """Objects of one model, field by field.

    Parameters
    ----------
    stainer
        The model.
    stain
        Name of the stain; None: that of the nuclei.
    device
        Where the segmenter runs.
    second
        The second opinion; None without.
    """

    def __init__(
        self, stainer: Stainer, stain: str | None, device: str, second: Stainer | None
    ) -> None:
        self.stainer, self.second = stainer, second
        inference = stainer.inference
        known = tuple(one.stain for one in inference.doubt)
        found = stain or object_stain(stainer.names, () if second else known)
        self.stain = found if found in stainer.names else None
        block: ObjectDoubt | None = doubt_of(inference, self.stain) if self.stain else None
        self.references = card_references(block)
        self.note = why_no_gain(block) if self.stain else "none of its stains shows nuclei."
        self.cells: list[MatchedCells] = []
        self.doubts: list[NDArray[np.float64]] = []
        self.flagged: list[FlaggedObjects] = []
        if self.wanted:
            name = block.segmenter if block else USUAL_SEGMENTER
            self.segmenter = ObjectFinder(load_model(name, device))

    @property
    def wanted(self) -> bool:
        """Whether there is anything to find out."""
        return self.stain is not None and bool(self.references or self.second)

    def used(self, fields: Sequence[StainField]) -> list[StainField]:
        """Return the fields that are to be looked at."""
        return [one for one in fields if self.wanted and self.stain not in one.excluded]

    def add(self, one: StainField, reader: FieldReader) -> None:
        """Find the objects of one field, in the virtual and in the real stain."""
        assert self.stain is not None
        image = reader.image(one, self.stainer.channels)
        real = reader.targets(one, image.shape[1:])
        objects = self.stainer.staining(image).objects(self.stain, progress=silent)
        real_labels, _ = self.segmenter(real[self.stain])
        truth = object_truth(objects.labels, real_labels, real[self.stain])
        if self.references and objects.doubt is not None:
            used = {name: real[name] for name in self.stainer.names if name not in one.excluded}
            cells = match_cells(str(one.target), objects, truth, real_labels, used)
            self.cells.append(cells)
            self.doubts.append(objects.doubt[1:][cells.matched])
        if self.second is not None:
            other = self.second.staining(reader.image(one, self.second.channels))
            labels = other.objects(self.stain, progress=silent).labels
            self.flagged.append(flag_objects(objects.labels, labels, truth))
