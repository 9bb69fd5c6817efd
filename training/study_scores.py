"""Score one run of a study, on images that its training never saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.zoo.loading import load_model

from .data import SegmentationData
from .evaluate_generate import GenerateOptions, Sampling, evaluate_generate
from .evaluate_segment import Options, evaluate_segment
from .evaluate_stain import StainOptions, evaluate_stain
from .generate_data import GenerateData
from .generate_recipe import GenerateRecipe
from .splits import hash_split
from .stain_data import StainData
from .stain_fields import FieldReader, Stainer, StainField
from .stain_recipe import StainRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from .recipe import Recipe
    from .study import AnyRecipe, Study

__all__ = ["Scores", "check_data", "score_run"]


@dataclass(frozen=True)
class Scores:
    """What one run reached.

    Attributes
    ----------
    figures
        Name -> value.
    baselines
        ``real images`` and ``noise`` -> figures, of generators; empty for others.
    images
        Number of images (crops for generators) that were scored on.
    """

    figures: dict[str, float]
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    images: int = 0


def check_data(recipe: AnyRecipe, data_dir: Path, part: str) -> None:
    """Look whether a data folder has what the runs train and are scored on.

    Raises
    ------
    RecipeError
        If it has not.
    """
    if isinstance(recipe, GenerateRecipe):
        files = GenerateData(recipe, data_dir).files
        if not files.get(part):
            raise RecipeError(f"The recipe “{recipe.name}” names no images to {part}.")
    elif isinstance(recipe, StainRecipe):
        _stain_names(StainData(recipe, data_dir), part)
    else:
        _segment_names(SegmentationData(recipe, data_dir), part)


def score_run(study: Study, recipe: AnyRecipe, model: Path, data_dir: Path) -> Scores:
    """Measure the model of one run as ``cytosynth evaluate`` does.

    Parameters
    ----------
    study
        Says on which part of the data, and with how many images.
    recipe
        The recipe of the run.
    model
        Folder of its model.
    data_dir
        Folder of the data.

    Raises
    ------
    RecipeError
        If the part has no images, or a score of the study is not among the figures.
    CytosynthError
        As the evaluations do.
    """
    if isinstance(recipe, GenerateRecipe):
        found = _generated(study, recipe, model, data_dir)
    elif isinstance(recipe, StainRecipe):
        found = _stained(study, recipe, model, data_dir)
    else:
        found = _segmented(study, recipe, model, data_dir)
    if unknown := [score.name for score in study.scores if score.name not in found.figures]:
        raise RecipeError(
            f"“{unknown[0]}” was not measured. Scores of this run are {', '.join(found.figures)}."
        )
    return found


def _generated(study: Study, recipe: GenerateRecipe, model: Path, data_dir: Path) -> Scores:
    # all runs draw from the same noise: their scores differ by their weights only
    options = GenerateOptions(
        count=study.count,
        extractor=recipe.encoder,
        part=study.part,
        sampling=Sampling(device=recipe.train.accelerator),
        likelihood=study.likelihood,
        reference=study.count,  # describing more of them would take longer than the rest
    )
    report = evaluate_generate([load_model(model)], GenerateData(recipe, data_dir), options)
    (scores,) = report.models.values()
    baselines = {"real images": report.baselines["real"], "noise": report.baselines["noise"]}
    return Scores(scores.figures, baselines, study.count)


def _stain_names(data: StainData, part: str) -> list[str]:
    if part == "validation":
        return list(data.validation_names)
    names = [*data.train_names, *data.validation_names]
    left = [name for name in data.fields if name not in names]
    if data.recipe.data.split.kind != "hash" or not left:
        raise RecipeError(f"The recipe “{data.recipe.name}” leaves no fields to test.")
    return left


def _stained(study: Study, recipe: StainRecipe, model: Path, data_dir: Path) -> Scores:
    data, source = StainData(recipe, data_dir), recipe.data
    pairs = {name: data.fields[name] for name in _stain_names(data, study.part)}
    reader = FieldReader(
        tuple(source.target_channels),
        len(source.input_channels),
        None if source.pick is None else tuple(source.pick),
        None if source.input_pick is None else tuple(source.input_pick),
    )
    device = recipe.train.accelerator
    report = evaluate_stain(
        [Stainer(load_model(model), samples=0, device=device)],
        [StainField(name, *paths) for name, paths in pairs.items()],
        reader,
        StainOptions(segmenter=None, device=device),
    )
    (scores,) = report.models.values()
    stains = scores.figures
    names = set.intersection(*(set(figures) for figures in stains.values()))
    order = [name for name in next(iter(stains.values())) if name in names]
    figures = {name: float(np.mean([own[name] for own in stains.values()])) for name in order}
    if len(stains) > 1:
        figures |= {f"{s}: {name}": own[name] for s, own in stains.items() for name in order}
    return Scores(figures, images=len(pairs))


def _segment_names(data: SegmentationData, part: str) -> list[str]:
    if part == "validation":
        return sorted(data.validation_names)
    stems = [path.stem for path, _ in data.pairs]
    left = [stem for stem in stems if hash_split(stem) == "test"]
    if data.recipe.data.split.kind != "hash" or not left:
        raise RecipeError(f"The recipe “{data.recipe.name}” leaves no images to test.")
    return left


def _segmented(study: Study, recipe: Recipe, model: Path, data_dir: Path) -> Scores:
    data, target = SegmentationData(recipe, data_dir), recipe.data.targets[0]
    names = set(_segment_names(data, study.part))
    chosen = [(image, truths[0]) for image, truths in data.pairs if image.stem in names]
    report = evaluate_segment(
        model,
        [image for image, _ in chosen],
        [truth for _, truth in chosen],
        Options(kind=target.kind, invert=target.invert, device=recipe.train.accelerator),
        keep_worst=0,
    )
    return Scores(report.metrics, images=len(chosen))
