"""The task “segment”: masks and instance labels, predicted from images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.segment.evaluate.score_names import DIRECTIONS, score_names
from napari_cytosynth.training.task import Task

from .recipe import SegmentRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.data.crops import EpochData
    from napari_cytosynth.training.data.findings import Findings
    from napari_cytosynth.training.data.layout import DataLayout
    from napari_cytosynth.training.loop.module import NetworkModule
    from napari_cytosynth.training.task import ScoreOptions, Scores

__all__ = ["SEGMENT"]


def _data(recipe: SegmentRecipe, data_dir: Path, out: Path) -> EpochData:
    from .data import SegmentationData

    return SegmentationData(recipe, data_dir)


def _masks() -> type[NetworkModule]:
    from .module import SegmentationModule

    return SegmentationModule


def _export(
    recipe: SegmentRecipe,
    module: Any,
    data: Any,
    checkpoint: Path,
    folder: Path,
    summary: dict[str, Any],
) -> Path:
    from .export import export_model

    return export_model(recipe, module, data, checkpoint, folder, summary)


def _settings_record(recipe: SegmentRecipe, data: Any) -> dict[str, Any]:
    from .kept_settings import settings_record

    return settings_record(recipe, data)


def _check(recipe: SegmentRecipe) -> None:
    from napari_cytosynth.errors import RecipeError
    from napari_cytosynth.training.data.augmentation import magnified
    from napari_cytosynth.training.data.field_check import check_augmentation, check_fields

    check_fields(recipe)
    data = recipe.data
    for source in data.sources:
        try:
            if data.augment:
                check_augmentation(magnified(data.augment, source.magnify), data.crop_size)
        except RecipeError as error:
            raise RecipeError(f"With magnify of the source “{source.folder}”, {error}") from error


def _layout(recipe: SegmentRecipe, data_dir: Path, findings: Findings) -> DataLayout:
    from .layout import segment_layout

    return segment_layout(recipe, data_dir, findings)


def _check_part(recipe: SegmentRecipe, data_dir: Path, part: str) -> None:
    from napari_cytosynth.training.segment.evaluate.scoring import check_part

    check_part(recipe, data_dir, part)


def _score(recipe: SegmentRecipe, model: Path, data_dir: Path, options: ScoreOptions) -> Scores:
    from napari_cytosynth.training.segment.evaluate.scoring import score

    return score(recipe, model, data_dir, options)


SEGMENT = Task(
    recipe=SegmentRecipe,
    data=_data,
    objectives={"masks": _masks},
    export=_export,
    settings_record=_settings_record,
    check=_check,
    layout=_layout,
    directions=DIRECTIONS,
    score_names=score_names,
    check_part=_check_part,
    score=_score,
)
