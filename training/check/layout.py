"""Layout of a data folder by the recipe's task, and the number of images of each part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.data.layout import PARTS
from napari_cytosynth.training.data.wording import counted
from napari_cytosynth.training.tasks import task_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.data.findings import Findings
    from napari_cytosynth.training.data.layout import DataLayout
    from napari_cytosynth.training.recipe.base import Recipe

__all__ = ["find_layout"]


def find_layout(recipe: Recipe, data_dir: Path, report: Findings) -> DataLayout:
    """List the images that a recipe would take, and report what is missing or left over.

    Raises
    ------
    RecipeError
        If there is no such folder, or it holds nothing that can be inspected.
    """
    if not data_dir.is_dir():
        raise RecipeError(f"There is no data folder “{data_dir}”.")
    layout = task_of(recipe).layout(recipe, data_dir, report)
    _report_counts(layout, report)
    return layout


def _report_counts(layout: DataLayout, report: Findings) -> None:
    counts = {part: len(layout.part(part)) for part in PARTS}
    report.facts.append(
        f"{counted(counts['train'], 'image')} to train on, {counts['validation']:,} to validate "
        f"with, {counts['test']:,} left for the test."
    )
    if not counts["train"]:
        report.errors.append(
            "The split leaves no image to train on. Change data.split (or data.parts) in the "
            "recipe, or add images."
        )
    if layout.items and not counts["validation"] and not layout.pixels_validate:
        # a split by hash may leave none of few images; of a shipped recipe no file can be edited
        report.errors.append(
            "The split leaves no image to validate with. Add images, or choose some by name: "
            f"--set {layout.split_by_name.format(layout.items[-1].name)}."
        )
    if 0 < counts["train"] < 3:
        report.warnings.append(
            f"Only {counted(counts['train'], 'image')} to train on: the model will know these and "
            "little else. More fields help more than longer training."
        )
