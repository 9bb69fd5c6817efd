"""Masks and instances of a data folder: coverage, sizes and numbers, reported in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.training.data.masks import check_truth
from napari_cytosynth.training.data.wording import counted, named, nothing_marked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.findings import Findings
    from napari_cytosynth.training.data.layout import Item

__all__ = ["MaskStats", "inspect_mask", "report_masks"]

_FEW = 50  # objects to train on
_TINY = 9  # px
_FULL = 0.9  # fraction of the pixels


@dataclass(frozen=True, eq=False)
class MaskStats:
    """Statistics of a mask, kept without its pixels.

    Attributes
    ----------
    coverage
        Fraction of the pixels that are not zero.
    objects
        Number of instances; of a mask, of connected components.
    components
        Number of connected components.
    areas
        Size of each object in px.
    values
        Number of values other than zero.
    soft
        Whether the mask has soft edges instead of two values.
    wrong
        Why it cannot be learned from; empty if it can.
    """

    item: Item
    coverage: float
    objects: int
    components: int
    areas: NDArray[np.int64]
    values: int
    soft: bool
    wrong: str


def inspect_mask(
    item: Item, mask: NDArray[Any], *, labels: bool, invert: bool = False
) -> MaskStats:
    """Measure a mask or the instances of one image.

    Parameters
    ----------
    item
        The image's entry in the layout.
    mask
        (Y, X), zero outside.
    labels
        Whether each object has a number of its own.
    invert
        Whether the object is where the mask is zero. Default: False.
    """
    inside = mask == 0 if invert else mask != 0
    regions, components = ndimage.label(inside)
    wrong = check_truth(mask, labels=labels)
    values = int(np.unique(mask[mask != 0]).size)
    marked = mask if labels and not wrong else regions
    _, areas = np.unique(marked[marked != 0], return_counts=True)
    soft = not labels and values > 2 and mask.max() in (1, 255, 65535)
    return MaskStats(
        item, float(inside.mean()), areas.size, components, areas, values, bool(soft), wrong
    )


def report_masks(
    stats: Sequence[MaskStats], name: str, report: Findings, *, labels: bool, crop_size: int
) -> None:
    """Report coverage, number and size of the objects, and what seems wrong with the masks.

    Parameters
    ----------
    stats
        Statistics of all masks of one target.
    name
        Name of the target.
    report
        Gets the sentences.
    labels
        Whether each object has a number of its own.
    crop_size
        Side of a crop in px.
    """
    if not stats:
        return
    train = [item for item in stats if item.item.part == "train"]
    _report_coverage(stats, train, name, report)
    _report_objects(stats, train, name, report, crop_size)
    _report_kind(stats, name, report, labels=labels)


def _report_coverage(
    stats: Sequence[MaskStats], train: Sequence[MaskStats], name: str, report: Findings
) -> None:
    fractions = np.array([item.coverage for item in stats])
    report.facts.append(
        f"“{name}” covers {fractions.mean():.1%} of the pixels (of the images one by one, "
        f"{fractions.min():.1%} to {fractions.max():.1%})."
    )
    if train and not any(item.coverage for item in train):
        report.errors.append(nothing_marked(name))
        return
    empty = [item.item.name for item in stats if not item.coverage]
    if empty:
        report.warnings.append(
            f"{counted(len(empty), 'image')} of {len(stats):,} with nothing marked as “{name}”: "
            f"{named(empty)}. Good if there is none; bad if nobody drew them."
        )
    if fractions.mean() > _FULL:
        report.warnings.append(
            f"“{name}” covers nearly everything. If the masks show the background, set invert: "
            "true in the recipe's target."
        )


def _report_objects(
    stats: Sequence[MaskStats],
    train: Sequence[MaskStats],
    name: str,
    report: Findings,
    crop_size: int,
) -> None:
    numbers = {
        part: sum(item.objects for item in stats if item.item.part == part)
        for part in ("train", "validation", "test")
    }
    areas = np.concatenate([item.areas for item in stats])
    if not areas.size:
        return
    across = np.sqrt(4 * np.percentile(areas, (5, 50, 95)) / np.pi)
    report.facts.append(
        f"Objects of “{name}”: {numbers['train']:,} to train on, {numbers['validation']:,} to "
        f"validate with, {numbers['test']:,} left for the test; typically {across[1]:.0f} px "
        f"across (5 % are under {across[0]:.0f}, 5 % over {across[2]:.0f})."
    )
    if 0 < numbers["train"] < _FEW:
        report.warnings.append(
            f"Few objects of “{name}”: {numbers['train']:,} to train on. Some hundreds, from "
            "several samples, are a good start; expect a model that knows these ones by heart."
        )
    validates = any(item.item.part == "validation" for item in stats)
    if numbers["train"] and validates and not numbers["validation"]:
        report.warnings.append(
            f"No object of “{name}” in the images that validate: the best epoch cannot be told "
            "from the others. Choose other images in data.split."
        )
    if across[1] > crop_size / 2:
        report.warnings.append(
            f"“{name}” is typically {across[1]:.0f} px across, more than half of a crop "
            f"({crop_size} px): most crops show a piece. Use larger crops or shrink the images."
        )
    tiny = int((areas <= _TINY).sum())
    if tiny > max(2, areas.size // 100):
        report.warnings.append(
            f"{counted(tiny, 'object')} of “{name}” of {_TINY} px or less, out of "
            f"{areas.size:,}: stray pixels of the drawing? They are learned like the others."
        )


def _report_kind(stats: Sequence[MaskStats], name: str, report: Findings, *, labels: bool) -> None:
    wrong = [item for item in stats if item.wrong]
    if wrong:
        names = [item.item.name for item in wrong]
        report.errors.append(
            f"{counted(len(wrong), 'file')} of “{name}” cannot be learned from: {named(names)}. Of "
            f"“{names[0]}”, {wrong[0].wrong}."
        )
        return
    if labels and all(item.values <= 1 for item in stats) and sum(i.components for i in stats) > 3:
        if any(item.components > item.objects for item in stats):
            report.warnings.append(
                f"The files of “{name}” look like masks: all objects of an image have the same "
                "number, so that they are taken for one. Number them, or set kind: mask."
            )
        return
    soft = [item.item.name for item in stats if item.soft]
    if soft and not labels:
        report.warnings.append(
            f"{counted(len(soft), 'mask')} of “{name}” with more than two values: {named(soft)}. "
            "All but 0 is inside; soft edges (of a scaled or JPEG picture) make objects too large."
        )
    elif not labels and sum(item.values > 2 for item in stats) > len(stats) / 2:
        report.facts.append(
            f"“{name}” holds numbered objects, but they are taken as one mask; kind: labels would "
            "teach the model to separate those that touch."
        )
