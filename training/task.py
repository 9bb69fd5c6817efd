"""The record of a task: the functions that train, export, check and score its models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from napari_cytosynth.training.recipe.base import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lightning.pytorch.callbacks import Callback

    from napari_cytosynth.training.data.crops import EpochData
    from napari_cytosynth.training.data.findings import Findings
    from napari_cytosynth.training.data.layout import DataLayout
    from napari_cytosynth.training.loop.module import NetworkModule

__all__ = ["Direction", "FirstStage", "ScoreOptions", "Scores", "Task"]

Direction = Literal["minimize", "maximize"]
R = TypeVar("R", bound=Recipe)


@dataclass(frozen=True)
class ScoreOptions:
    """Options of scoring a model: which images, and how many.

    Attributes
    ----------
    part
        Either validation or test.
    count
        Number of images that a generator makes, and is compared with. Default: 0.
    likelihood
        Number of images whose bits/dim are measured; 0 (default) for none.
    """

    part: Literal["validation", "test"]
    count: int = 0
    likelihood: int = 0


@dataclass(frozen=True)
class Scores:
    """Scores of one model.

    Attributes
    ----------
    figures
        Name -> value.
    baselines
        ``real images`` and ``noise`` -> figures, of generators; empty (default) for others.
    images
        Number of images (crops for generators) that were scored. Default: 0.
    """

    figures: dict[str, float]
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    images: int = 0


@dataclass(frozen=True)
class FirstStage:
    """A training that precedes the one of the recipe, such as that of an autoencoder.

    Attributes
    ----------
    recipe
        Recipe of the first stage.
    folder
        Its run folder.
    check
        Given the data folder, raises RecipeError if the recipe cannot use its images.
    finish
        Given the data folder, returns the recipe completed by what the first stage learned.
    """

    recipe: Recipe
    folder: Path
    check: Callable[[Path], None]
    finish: Callable[[Path], Recipe]


def _no_reason(recipe: Recipe, name: str) -> str:
    return ""


def _no_callbacks(recipe: Recipe, data: EpochData, module: NetworkModule) -> list[Callback]:
    return []


def _no_record(recipe: Recipe, data: EpochData) -> dict[str, Any]:
    return {}


def _no_first_stage(recipe: Recipe, out: Path) -> None:
    return None


@dataclass(frozen=True)
class Task(Generic[R]):
    """Record of a task: its class of recipes, and the functions that train and score its models.

    All functions import what they need when they are called, so that listing the tasks, or the
    help of a command, loads neither torch nor Lightning.

    Attributes
    ----------
    recipe
        Class of the task's recipes.
    data
        Given recipe, data folder and run folder, lists the files; returns the data module.
    objectives
        :attr:`.Recipe.objective_name` -> function that returns the Lightning module's class.
    export
        Writes the model of (recipe, module, data, checkpoint, folder, summary).
    check
        Raises RecipeError if a setting of the task's own blocks is impossible.
    layout
        Lists the images that a recipe would take from a folder, and reports what is wrong.
    directions
        Every figure that the task's evaluation may measure -> whether smaller or larger is better;
        None for neither.
    score_names
        Given a recipe and a number of likelihood images, names the figures that are measured.
    unmeasured
        Given a recipe and a figure's name, returns why it is not measured; empty (default) if
        unknown.
    check_part
        Raises RecipeError if a data folder lacks the images of a part.
    score
        Measures the model in a folder as ``cytosynth evaluate`` does.
    families
        Architecture -> what trains and samples it; empty (default) if every registered architecture
        whose arguments fit the data may be trained.
    callbacks
        Lightning callbacks beside those of all tasks; none by default.
    settings_record
        Given a recipe and its images, returns what the export needs to know of settings that
        cannot be chosen on validation images, with ``settings_note`` in words; empty by default.
    first_stage
        The training that comes first, if the recipe has one; none by default.
    """

    recipe: type[R]
    data: Callable[[R, Path, Path], EpochData]
    objectives: Mapping[str, Callable[[], type[NetworkModule]]]
    export: Callable[[R, Any, Any, Path, Path, dict[str, Any]], Path]
    check: Callable[[R], None]
    layout: Callable[[R, Path, Findings], DataLayout]
    directions: Mapping[str, Direction | None]
    score_names: Callable[[R, int], list[str]]
    check_part: Callable[[R, Path, str], None]
    score: Callable[[R, Path, Path, ScoreOptions], Scores]
    unmeasured: Callable[[R, str], str] = _no_reason
    families: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Callable[[R, Any, Any], list[Callback]] = _no_callbacks
    settings_record: Callable[[R, Any], dict[str, Any]] = _no_record
    first_stage: Callable[[R, Path], FirstStage | None] = _no_first_stage

    def module(self, recipe: R, steps: int) -> NetworkModule:
        """Return the Lightning module of a recipe, for as many optimiser steps."""
        return self.objectives[recipe.objective_name]()(recipe, steps)
