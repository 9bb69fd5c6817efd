"""Definition of a study: a question, the settings that are varied, and the scores."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.recipe.base import SettingsBlock
from napari_cytosynth.training.recipe.files import in_words, read_tree, shipped_names
from napari_cytosynth.training.recipe.settings import dotted
from napari_cytosynth.training.tasks import load_recipe

from .ranges import Range, override, range_of
from .score_names import FIGURES, Score, check_scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napari_cytosynth.training.recipe.base import Recipe

__all__ = [
    "Arm",
    "Study",
    "check_feasible",
    "list_studies",
    "load_study",
    "recipe_with",
]

_LONGEST_NAME = 80  # of a folder
# what tables of runs and arms hold beside settings and figures
COLUMNS = (
    *("seed", "seconds", "status", "message", "images", "data_sha256"),
    *("arm", "n", "mean", "low", "high", "runs", "failed"),
)
_NOT_OF_AUGMENTATION = ("vary", "scores", "sampler", "trials", "count", "likelihood", "part")


@dataclass(frozen=True)
class Arm:
    """One combination of the varied settings.

    Attributes
    ----------
    labels
        Short name of each setting -> its value as tables show it.
    values
        Key of the recipe -> value.
    """

    labels: dict[str, str]
    values: dict[str, Any]

    @property
    def folder(self) -> str:
        """Name of the folder of its runs: ``schedule-linear_attention-none``."""
        text = "_".join(f"{_slug(name)}-{_slug(value)}" for name, value in self.labels.items())
        if len(text) <= _LONGEST_NAME:
            return text
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{text[:_LONGEST_NAME]}-{digest}"

    def __str__(self) -> str:
        """Return ``schedule linear, attention none``."""
        return ", ".join(f"{name} {value}" for name, value in self.labels.items())


class Study(SettingsBlock):
    """A study: everything but the data folder."""

    name: str = Field(min_length=1)
    title: str = Field("", description="heading of the page; the name if empty")
    kind: Literal["ablation", "search", "augmentation"] = Field(
        "ablation",
        description="ablation: does a setting matter; search: which setting is best; "
        "augmentation: does synthetic data help a segmentation",
    )
    question: str = ""
    recipe: str = Field(min_length=1, description="shipped name, or YAML file")
    set: dict[str, Any] = Field(
        default_factory=dict,
        description="recipe settings of every run: train.max_epochs: 3, or train: {max_epochs: 3}",
    )
    vary: dict[str, Any] = Field(
        default_factory=dict,
        description="recipe setting -> list of values, names of values -> values, or for a "
        "random or TPE search a range {low, high, log}",
    )
    seeds: list[int] = Field(default_factory=lambda: [0, 1, 2], min_length=1)
    sampler: Literal["grid", "random", "tpe"] = "grid"
    trials: int | None = Field(None, ge=1, description="settings that random or tpe try")
    scores: list[Score] = Field(default_factory=list, description="the first one decides")
    part: Literal["validation", "test"] = Field(
        "validation", description="images that the runs are scored on"
    )
    count: int = Field(200, ge=4, description="generated images of each run for its scores")
    likelihood: int = Field(32, ge=0, description="images whose bits/dim are measured")
    remarks: str = Field("", description="what a reader of the page should know")
    options: dict[str, Any] = Field(
        default_factory=dict, description="settings of studies of kind augmentation"
    )

    @field_validator("set")
    @classmethod
    def _one_spelling(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Flatten blocks into dotted keys: a block of a single setting changes only that one."""
        return dotted(given)

    @model_validator(mode="after")
    def _enough_to_do(self) -> Study:
        if self.kind == "augmentation":
            if idle := [key for key in _NOT_OF_AUGMENTATION if key in self.model_fields_set]:
                raise ValueError(f"a study of synthetic data has no use for {', '.join(idle)}")
            return self
        if not self.vary or not self.scores:
            raise ValueError("a study needs something to vary, and scores")
        if repeated := _twice(score.name for score in self.scores):
            raise ValueError(f"the score “{repeated}” is named twice")
        return self

    @model_validator(mode="after")
    def _sampled(self) -> Study:
        if self.sampler == "grid" and any(self._range(key) for key in self.vary):
            raise ValueError("a grid needs lists of values: a range is for random or tpe")
        if self.sampler == "grid" and self.trials is not None:
            raise ValueError("a grid tries everything: trials are for random or tpe")
        if self.sampler != "grid" and self.trials is None:
            raise ValueError(f"the sampler {self.sampler} needs the number of trials")
        return self

    @model_validator(mode="after")
    def _told_apart(self) -> Study:
        if "train.seed" in {*self.vary, *self.set}:
            raise ValueError("train.seed follows from seeds")
        for key in self.vary:
            if key in self.set:
                raise ValueError(f"{key} cannot be both set and varied")
            if not self._range(key):
                self._check_choices(key)
        if self.vary and self.sampler == "grid":
            folders = (self.arm(pick).folder.casefold() for pick in self.combinations())
            if shared := _twice(folders):
                raise ValueError(f"two arms would share the folder {shared}: give values names")
        return self

    def _check_choices(self, key: str) -> None:
        """Check that a setting has values, each with a name and a folder of its own."""
        if not self.choices(key):
            raise ValueError(f"{key} has no values to vary")
        if repeated := _twice(self._names(key)):
            raise ValueError(f"{key} has two values called “{repeated}”: give them names")
        # some file systems take no heed of case
        folders = {name: _slug(name).casefold() for name in self._names(key)}
        if shared := _twice(folders.values()):
            names = " and ".join(f"“{name}”" for name, own in folders.items() if own == shared)
            raise ValueError(f"{names} of {key} would share a folder: give them other names")

    @model_validator(mode="after")
    def _seeds_differ(self) -> Study:
        if len({*self.seeds}) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds must be different numbers of at least 0")
        return self

    def _range(self, key: str) -> Range | None:
        return range_of(key, self.vary[key])

    def _names(self, key: str) -> list[str]:
        """Return the names of the values to choose among, as often as they are given."""
        given = self.vary[key]
        if isinstance(given, dict):
            return [str(name) for name in given]
        return [label(value) for value in (given if isinstance(given, list) else [given])]

    def ranges(self) -> dict[str, Range]:
        """Return the settings that are drawn from ranges."""
        found = {key: self._range(key) for key in self.vary}
        return {key: value for key, value in found.items() if value is not None}

    def choices(self, key: str) -> dict[str, Any]:
        """Return the values of a categorical setting by name."""
        given = self.vary[key]
        values = list(given.values()) if isinstance(given, dict) else given
        values = values if isinstance(values, list) else [values]
        return dict(zip(self._names(key), values, strict=True))

    @property
    def factors(self) -> dict[str, str]:
        """Short name of each varied key: its shortest unique ending."""
        return _short_names(self.vary, {*COLUMNS, *FIGURES, *(score.name for score in self.scores)})

    def arm(self, picked: Mapping[str, Any]) -> Arm:
        """Return the arm of some picks: names of choices, or numbers of ranges, by recipe key."""
        ranges = self.ranges()
        labels, values = {}, {}
        for key, short in self.factors.items():
            chosen = picked[key]
            values[key] = chosen if key in ranges else self.choices(key)[chosen]
            labels[short] = label(chosen)
        return Arm(labels, values)

    def grid(self) -> list[dict[str, Any]]:
        """Return the picks of all combinations, the last setting changing fastest."""
        return list(self.combinations())

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Yield what :meth:`grid` returns; nothing where a range holds real numbers."""
        ranges = self.ranges()
        values = [ranges[key].values if key in ranges else self._names(key) for key in self.vary]
        return (dict(zip(self.vary, pick, strict=True)) for pick in itertools.product(*values))

    @property
    def planned(self) -> int:
        """Number of arms of the study, at most all combinations."""
        ranges = self.ranges()
        sizes = [ranges[key].size if key in ranges else len(self._names(key)) for key in self.vary]
        every = math.prod(sizes)
        return int(every if self.trials is None else min(every, self.trials))

    def recipe_of(self, arm: Arm, seed: int) -> Recipe:
        """Return the recipe of one run.

        Raises
        ------
        RecipeError
            If a setting is unknown or impossible.
        """
        settings = {**self.set, **arm.values, "train.seed": seed}
        return recipe_with(self.recipe, settings)

    def check(self) -> Recipe:
        """Validate the recipes of all runs before work starts; return the first one.

        Raises
        ------
        RecipeError
            If a setting is unknown or impossible, or a score is not among those measured.
        """
        ends: dict[str, list[Any]] = {
            key: [limit.low, limit.high] for key, limit in self.ranges().items()
        }
        sets: list[list[Any]] = [ends.get(key) or [*self.choices(key)] for key in self.vary]
        # of many combinations, each value at least once
        longest = max(map(len, sets))
        each = ([values[k % len(values)] for values in sets] for k in range(longest))
        picks = itertools.product(*sets) if math.prod(map(len, sets)) <= 256 else each
        arms = [self.arm(dict(zip(self.vary, pick, strict=True))) for pick in picks]
        recipes = [self.recipe_of(arm, self.seeds[0]) for arm in arms]
        for arm, recipe in zip(arms, recipes, strict=True):
            check_scores(self.scores, recipe, self.likelihood)
            check_feasible(recipe, str(arm))
        if any(recipe.train.devices * recipe.train.num_nodes > 1 for recipe in recipes):
            raise RecipeError(
                "A study trains each run on one device: leave train.devices and train.num_nodes "
                "at 1, and start the command several times, each with another device."
            )
        return recipes[0]


def label(value: Any) -> str:
    """Format a value for tables and folders: ``16, 32`` for a list."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(label, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _slug(text: str) -> str:
    """Return a text as a part of a folder's name."""
    return re.sub(r"[^\w.-]+", "-", text)


def _twice(names: Iterable[str]) -> str:
    """Return the first repeated name; empty if there is none."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), "")  # type: ignore[func-returns-value]


def _short_names(keys: Iterable[str], taken: set[str]) -> dict[str, str]:
    parts = {key: key.split(".") for key in keys}
    names = {}
    for key, words in parts.items():
        for length in range(1, len(words) + 1):
            ending = words[-length:]
            alone = sum(other[-length:] == ending for other in parts.values()) == 1
            if alone and " ".join(ending) not in taken:
                break
        names[key] = " ".join(ending)
    return names


def recipe_with(name: str, settings: Mapping[str, Any]) -> Recipe:
    """Return a recipe with some settings changed: dotted key -> value.

    A run of a study has one round, unless the settings name ``rounds``.

    Raises
    ------
    RecipeError
        If there is no such recipe, or a setting is unknown or impossible.
    """
    settings = {"rounds": [], **settings}
    return load_recipe(name, [f"{key}={json.dumps(value)}" for key, value in settings.items()])


def check_feasible(recipe: Recipe, what: str) -> None:
    """Raise RecipeError, with the name given, if a recipe cannot be trained."""
    from napari_cytosynth.training.run.recipe_check import (
        check_recipe,  # imports torch, which a list of studies does without
    )

    try:
        check_recipe(recipe)
    except RecipeError as error:
        raise RecipeError(f"“{what}” cannot be trained: {error}") from error


def list_studies() -> list[str]:
    """Return the names of the shipped studies."""
    return shipped_names("studies")


def load_study(name_or_path: str, overrides: list[str] | None = None) -> Study:
    """Read and validate a study.

    Parameters
    ----------
    name_or_path
        Name of a shipped study, or the path of a YAML file.
    overrides
        Assignments. Those of a setting of the study change it (``seeds=[0,1]``,
        ``vary.train.learning_rate=[0.001,0.01]``); all others go to the recipe of every run
        (``train.max_epochs=5``).

    Raises
    ------
    RecipeError
        If there is no such study, or a setting is unknown or impossible.
    """
    tree = read_tree(name_or_path, "studies", "study")
    beside = Path(name_or_path).parent / str(tree.get("recipe"))
    if Path(name_or_path).is_file() and beside.is_file():
        tree["recipe"] = str(beside)
    for assignment in overrides or []:
        override(tree, assignment, {*Study.model_fields})
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        words = in_words(error, "study")
        raise RecipeError(f"The study “{name_or_path}” cannot be used:\n{words}") from error
