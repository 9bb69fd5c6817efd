"""The task “generate”: synthetic images sampled from noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.training.generate.evaluate.score_names import (
    DIRECTIONS,
    score_names,
    unmeasured,
)
from napari_cytosynth.training.task import Task

from .families import FAMILIES
from .recipe import GenerateRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from lightning.pytorch.callbacks import Callback

    from napari_cytosynth.training.data.crops import EpochData
    from napari_cytosynth.training.data.findings import Findings
    from napari_cytosynth.training.data.layout import DataLayout
    from napari_cytosynth.training.loop.module import NetworkModule
    from napari_cytosynth.training.task import FirstStage, ScoreOptions, Scores

__all__ = ["GENERATE"]


def _data(recipe: GenerateRecipe, data_dir: Path, out: Path) -> EpochData:
    from .data import GenerateData
    from .latent import LatentData

    if recipe.autoencoder:
        return LatentData(recipe, data_dir, out)
    return GenerateData(recipe, data_dir)


def _vae() -> type[NetworkModule]:
    from .module import VaeModule

    return VaeModule


def _gan() -> type[NetworkModule]:
    from .gan import GanModule

    return GanModule


def _diffusion() -> type[NetworkModule]:
    from .module import DiffusionModule

    return DiffusionModule


def _autoencoder() -> type[NetworkModule]:
    from .module import AutoencoderModule

    return AutoencoderModule


def _export(
    recipe: GenerateRecipe,
    module: Any,
    data: Any,
    checkpoint: Path,
    folder: Path,
    summary: dict[str, Any],
) -> Path:
    from .export import export_generator

    return export_generator(recipe, module, data, checkpoint, folder, summary)


def _check(recipe: GenerateRecipe) -> None:
    from .check import check_generator

    check_generator(recipe)


def _layout(recipe: GenerateRecipe, data_dir: Path, findings: Findings) -> DataLayout:
    from .layout import generate_layout

    return generate_layout(recipe, data_dir, findings)


def _check_part(recipe: GenerateRecipe, data_dir: Path, part: str) -> None:
    from napari_cytosynth.training.generate.evaluate.scoring import check_part

    check_part(recipe, data_dir, part)


def _score(recipe: GenerateRecipe, model: Path, data_dir: Path, options: ScoreOptions) -> Scores:
    from napari_cytosynth.training.generate.evaluate.scoring import score

    return score(recipe, model, data_dir, options)


def _callbacks(recipe: GenerateRecipe, data: Any, module: Any) -> list[Callback]:
    from .export import generator_inference
    from .sample_grid import SampleGrid

    if recipe.objective.kind == "autoencoder":
        return []
    return [SampleGrid(generator_inference(recipe, data, module.network))]


def _first_stage(recipe: GenerateRecipe, out: Path) -> FirstStage | None:
    from .latent import first_stage

    return first_stage(recipe, out) if recipe.autoencoder else None


GENERATE = Task(
    recipe=GenerateRecipe,
    data=_data,
    objectives={"vae": _vae, "gan": _gan, "diffusion": _diffusion, "autoencoder": _autoencoder},
    export=_export,
    check=_check,
    layout=_layout,
    directions=DIRECTIONS,
    score_names=score_names,
    unmeasured=unmeasured,
    check_part=_check_part,
    score=_score,
    families=FAMILIES,
    callbacks=_callbacks,
    first_stage=_first_stage,
)
