"""The task “segment”: masks and labels, learned from images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .segment_recipe import SegmentRecipe
from .segment_score_names import DIRECTIONS, score_names
from .task import Task

if TYPE_CHECKING:
    from pathlib import Path

    from .crops import EpochData
    from .findings import Findings
    from .layout import Layout
    from .module import NetworkModule
    from .task import ScoreOptions, Scores

__all__ = ["SEGMENT"]


def _data(recipe: SegmentRecipe, data_dir: Path, out: Path) -> EpochData:
    from .data import SegmentationData

    return SegmentationData(recipe, data_dir)


def _masks() -> type[NetworkModule]:
    from .segmentation import SegmentationModule

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


def _check(recipe: SegmentRecipe) -> None:
    from .field_check import check_fields

    check_fields(recipe)


def _layout(recipe: SegmentRecipe, data_dir: Path, findings: Findings) -> Layout:
    from .segment_layout import segment_layout

    return segment_layout(recipe, data_dir, findings)


def _unmeasured(recipe: SegmentRecipe, name: str) -> str:
    return ""


def _check_part(recipe: SegmentRecipe, data_dir: Path, part: str) -> None:
    from .segment_scoring import check_part

    check_part(recipe, data_dir, part)


def _score(recipe: SegmentRecipe, model: Path, data_dir: Path, options: ScoreOptions) -> Scores:
    from .segment_scoring import score

    return score(recipe, model, data_dir, options)


SEGMENT = Task(
    recipe=SegmentRecipe,
    data=_data,
    objectives={"masks": _masks},
    export=_export,
    check=_check,
    layout=_layout,
    directions=DIRECTIONS,
    score_names=score_names,
    unmeasured=_unmeasured,
    check_part=_check_part,
    score=_score,
)
