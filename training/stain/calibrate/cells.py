"""Cells of virtual fields, matched with those of the real stain; their doubt and numbers fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics.partners import partners
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.stain.objects.features import FEATURES
from napari_cytosynth.tasks.stain.objects.numbers import measured_numbers
from napari_cytosynth.tasks.stain.objects.passes import ObjectFinder
from napari_cytosynth.tasks.stain.objects.search import pixels_per
from napari_cytosynth.tasks.stain.objects.task import USUAL_SEGMENTER, object_stain
from napari_cytosynth.zoo.card import ObjectDoubt, ObjectNumber
from napari_cytosynth.zoo.loading import load_model
from napari_cytosynth.zoo.model_files import read_card, update_card

from .doubt import (
    CellDoubtScores,
    ObjectTruth,
    VirtualObjects,
    fit_doubt,
    fitted_doubts,
    judge_doubt,
    object_truth,
)
from .numbers import MatchedCells, gather, judge_numbers, split_doubts, summarise_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.stain.objects.result import StainedObjects
    from napari_cytosynth.training.stain.evaluate.fields import FieldReader, Stainer, StainField

    Fold = tuple[Stainer, Sequence[StainField]]
    Floats = NDArray[np.float32]
    Labels = NDArray[np.int32]

__all__ = [
    "TERMS",
    "CellScores",
    "collect_cells",
    "fit_cells",
    "match_cells",
    "matched_partners",
    "update_doubt",
]

TERMS = tuple(name for name in FEATURES if name not in ("solidity", "sharpness"))
"""The numbers that the doubt is made of."""
_LEAST_FIELDS = 3


@dataclass(frozen=True, eq=False)
class CellScores:
    """Doubt and numbers of cells: a block for the card, and how they did on left-out fields.

    Attributes
    ----------
    block
        For the model's card.
    doubt
        Each field judged by a fit to the others.
    numbers
        One row for each number, see :func:`summarise_numbers`.
    """

    block: ObjectDoubt
    doubt: CellDoubtScores
    numbers: pd.DataFrame


def matched_partners(real: Labels, virtual: Labels) -> NDArray[np.intp]:
    """Return the index of the real partner of each virtual object, -1 where it has none.

    Parameters
    ----------
    real, virtual
        (Y, X) labels, numbered from 1 without gaps.
    """
    partner = np.full(int(virtual.max(initial=0)), -1, np.intp)
    for true, own in partners(real, virtual):
        partner[own - 1] = true - 1
    return partner


def collect_cells(
    folds: Sequence[Fold],
    reader: FieldReader,
    stain: str | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[str, list[MatchedCells]]:
    """Find the cells of all fields, each stained by a model that did not learn from it.

    Parameters
    ----------
    folds
        Models, each with its left-out fields.
    reader
        Reads the fields.
    stain
        Name of the stain that shows them. None (default): that of the nuclei.
    device
        Where the segmenter runs.
    progress
        Called after each field; may raise Cancelled.

    Returns
    -------
    stain
        The name.
    cells
        One entry for each field, but for those in which that stain is not to be used.

    Raises
    ------
    InputError
        If no stain is known to show nuclei.
    """
    names = folds[0][0].names
    chosen = stain or object_stain(names)
    if chosen is None:
        raise InputError(f"None of the stains ({', '.join(names)}) is known to show nuclei.")
    segmenter = ObjectFinder(load_model(USUAL_SEGMENTER, device))
    used = [(s, field) for s, fields in folds for field in fields if chosen not in field.excluded]
    found: list[MatchedCells] = []
    tick = progress or silent
    for stainer, field in used:
        tick(len(found), len(used), f"Finding {chosen} objects of {field.name}")
        found.append(_cells_of(stainer, field, reader, chosen, segmenter))
    tick(len(used), len(used), "Objects found")
    return chosen, found


def _cells_of(
    stainer: Stainer, field: StainField, reader: FieldReader, stain: str, segmenter: ObjectFinder
) -> MatchedCells:
    image = reader.image(field, stainer.channels)
    real = reader.targets(field, image.shape[1:])
    objects = stainer.staining(image).objects(stain, progress=silent)
    real_labels, _ = segmenter(real[stain])
    used = {name: real[name] for name in stainer.names if name not in field.excluded}
    truth = object_truth(objects.labels, real_labels, real[stain])
    return match_cells(str(field.target), objects, truth, real_labels, used)


def match_cells(
    group: str,
    objects: StainedObjects,
    truth: ObjectTruth,
    real_labels: Labels,
    real: Mapping[str, Floats],
) -> MatchedCells:
    """Match the objects of a virtual field with the real ones, and measure both.

    Parameters
    ----------
    group
        Name of the field.
    objects
        Of the virtual stain of a single plane.
    truth
        What the real stain says of them.
    real_labels
        (Y, X) objects of the real stain, numbered from 1 without gaps.
    real
        Name -> (Y, X): the real stains that are to be used in this field.
    """
    partner = matched_partners(real_labels, objects.labels)
    matched = np.flatnonzero(partner >= 0)
    known = measured_numbers(real_labels, real)
    run = objects.staining.run
    sizes = {name: _unit(name, 1.0 if run is None else pixels_per(run)) for name in known}
    return MatchedCells(
        VirtualObjects(group, objects.features, truth),
        matched,
        {name: objects.numbers[name][matched] / sizes[name] for name in known},
        {name: values[partner[matched]] / sizes[name] for name, values in known.items()},
    )


def _unit(name: str, pixels: float) -> float:
    """Return what a number is divided by: areas and sums count pixels of the network's grid."""
    return pixels if name == "area_px" or name.startswith("sum ") else 1.0


def fit_cells(cells: Sequence[MatchedCells], stain: str) -> CellScores:
    """Fit doubt and numbers on all fields, and judge each field by a fit to the others.

    Parameters
    ----------
    cells
        As :func:`collect_cells` returns them, of at least three fields.
    stain
        Name of the stain.

    Raises
    ------
    InputError
        If there are fewer fields, or all objects are right, or all wrong.
    """
    if len({one.group for one in cells}) < _LEAST_FIELDS:
        raise InputError(f"Doubts need at least {_LEAST_FIELDS} fields to be judged on.")
    objects = [one.objects for one in cells]
    scores = judge_doubt(objects, TERMS)
    numbers = summarise_numbers(judge_numbers(cells, TERMS))
    block = fit_doubt(objects, TERMS, stain, USUAL_SEGMENTER, scores)
    gains = dict(zip(numbers["number"], numbers["gain"], strict=True))
    fits = _number_fits(cells, objects, gains)
    return CellScores(block.model_copy(update={"numbers": fits}), scores, numbers)


def update_doubt(folder: Path, block: ObjectDoubt) -> None:
    """Write the doubt of a stain on a model's card, in place of an older one.

    Raises
    ------
    ModelError
        If there is no model in `folder`.
    OutputError
        If it cannot be written.
    """
    card = read_card(folder)
    others = [one for one in card.inference.doubt if one.stain != block.stain]
    inference = card.inference.model_copy(update={"doubt": [*others, block]})
    update_card(folder, card.model_copy(update={"inference": inference}))


def _number_fits(
    cells: Sequence[MatchedCells], objects: Sequence[VirtualObjects], gains: dict[str, float]
) -> dict[str, ObjectNumber]:
    doubts = split_doubts(cells, fitted_doubts(objects, objects, TERMS))
    fits = {}
    for name, gain in gains.items():
        reference = gather(name, cells, doubts).reference()
        fit = reference.fit
        fits[name] = ObjectNumber(
            scale=fit.scale,
            least=float(f"{fit.least:.5g}"),
            offset=round(fit.offset, 5),
            slope=round(fit.slope, 5),
            log_width=round(fit.log_width, 5),
            doubt_weight=round(fit.doubt_weight, 5),
            field_width=round(fit.field_width, 5),
            gain=round(float(gain), 4),
            constant_error=float(f"{reference.constant_error:.5g}"),
            population=reference.population.as_card(),
        )
    return fits
