"""Information gain of the numbers of virtual cells, as the card of a model predicts them.

See :mod:`napari_cytosynth.training.stain.calibrate.numbers` for what it is. Distribution and
population come from the card: they were fitted on other fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from napari_cytosynth.training.stain.calibrate.numbers import (
    LEAST_CELLS,
    NumberReference,
    gather,
    matched_fraction,
    summarise_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_cytosynth.training.stain.calibrate.numbers import MatchedCells
    from napari_cytosynth.zoo.card import ObjectDoubt

    Values = NDArray[np.float64]

__all__ = ["card_references", "information_gain", "why_no_gain"]


def card_references(block: ObjectDoubt | None) -> dict[str, NumberReference]:
    """Return what a card knows of each number; without those whose population it does not know."""
    records = {} if block is None else block.numbers
    found = {name: NumberReference.from_card(record) for name, record in records.items()}
    return {name: reference for name, reference in found.items() if reference is not None}


def why_no_gain(block: ObjectDoubt | None) -> str:
    """Return why a card has no information gain, and what helps; empty if it has one."""
    if card_references(block):
        return ""
    cure = "cytosynth evaluate stain --calibrate, on fields that it did not learn from"
    if block is None or not block.numbers:
        return f"the card has no calibration of the numbers of cells; {cure}, adds it."
    return (
        "the card was calibrated by an earlier version and does not tell what such cells are in "
        f"general; {cure}, adds it."
    )


def information_gain(
    references: Mapping[str, NumberReference],
    cells: Sequence[MatchedCells],
    doubts: Sequence[Values],
) -> pd.DataFrame:
    """Return what the numbers of matched cells tell beyond the population, in nats per cell.

    Parameters
    ----------
    references
        Number -> what the card knows of it.
    cells
        Of each field.
    doubts
        Of the matched cells of each, as the card gives them.

    Returns
    -------
    DataFrame
        One row for each number with at least ten cells; see :func:`summarise_numbers`.
        ``matched`` is the share of virtual cells that have a real partner.
    """
    groups = dict.fromkeys(one.group for one in cells)
    matched = {
        group: matched_fraction([one for one in cells if one.group == group]) for group in groups
    }
    tables = []
    for name, reference in references.items():
        sample = gather(name, cells, doubts)
        if len(sample.real) >= LEAST_CELLS:
            judged = reference.judge(sample)
            tables.append(judged.assign(matched=judged["field"].map(matched)))
    return summarise_numbers(pd.concat(tables)) if tables else pd.DataFrame()
