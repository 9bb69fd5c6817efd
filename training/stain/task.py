"""The task “stain”: fluorescence, predicted from transmitted light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.stain.evaluate.score_names import DIRECTIONS, score_names
from napari_cytosynth.training.task import Task

from .recipe import StainRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.data.crops import EpochData
    from napari_cytosynth.training.data.findings import Findings
    from napari_cytosynth.training.data.layout import DataLayout
    from napari_cytosynth.training.loop.module import NetworkModule
    from napari_cytosynth.training.task import ScoreOptions, Scores

__all__ = ["STAIN"]


def _data(recipe: StainRecipe, data_dir: Path, out: Path) -> EpochData:
    from .data import StainData

    return StainData(recipe, data_dir)


def _regression() -> type[NetworkModule]:
    from .module import RegressionModule

    return RegressionModule


def _adversarial() -> type[NetworkModule]:
    from .adversarial import AdversarialModule

    return AdversarialModule


def _export(
    recipe: StainRecipe,
    module: Any,
    data: Any,
    checkpoint: Path,
    folder: Path,
    summary: dict[str, Any],
) -> Path:
    from .export import export_stainer

    return export_stainer(recipe, module, data, checkpoint, folder, summary)


def _check(recipe: StainRecipe) -> None:
    from .check import check_stainer

    check_stainer(recipe)


def _layout(recipe: StainRecipe, data_dir: Path, findings: Findings) -> DataLayout:
    from .layout import stain_layout

    return stain_layout(recipe, data_dir, findings)


def _check_part(recipe: StainRecipe, data_dir: Path, part: str) -> None:
    from napari_cytosynth.training.stain.evaluate.scoring import check_part

    check_part(recipe, data_dir, part)


def _score(recipe: StainRecipe, model: Path, data_dir: Path, options: ScoreOptions) -> Scores:
    from napari_cytosynth.training.stain.evaluate.scoring import score

    return score(recipe, model, data_dir, options)


def _settings_record(recipe: StainRecipe, data: Any) -> dict[str, Any]:
    from .export import settings_record

    return settings_record(recipe)


STAIN = Task(
    recipe=StainRecipe,
    data=_data,
    objectives={"regression": _regression, "adversarial": _adversarial},
    export=_export,
    check=_check,
    layout=_layout,
    directions=DIRECTIONS,
    score_names=score_names,
    check_part=_check_part,
    score=_score,
    settings_record=_settings_record,
)
