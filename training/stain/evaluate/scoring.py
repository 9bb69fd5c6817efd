"""Scores of a stainer on fields that its training has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.stain.data import StainData
from napari_cytosynth.training.task import Scores
from napari_cytosynth.zoo.loading import load_model

from .fields import FieldReader, Stainer, StainField
from .run import StainOptions, evaluate_stain

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.training.stain.recipe import StainRecipe
    from napari_cytosynth.training.task import ScoreOptions

__all__ = ["check_part", "score"]


def check_part(recipe: StainRecipe, data_dir: Path, part: str) -> None:
    """Raise RecipeError if a data folder lacks the images of a part."""
    _names(StainData(recipe, data_dir), part)


def _names(data: StainData, part: str) -> list[str]:
    if part == "validation":
        return list(data.validation_names)
    names = [*data.train_names, *data.validation_names]
    left = [name for name in data.fields if name not in names]
    if data.recipe.data.split.kind != "hash" or not left:
        raise RecipeError(f"The recipe “{data.recipe.name}” leaves no fields to test.")
    return left


def score(recipe: StainRecipe, model: Path, data_dir: Path, options: ScoreOptions) -> Scores:
    """Measure the model in a folder as ``cytosynth evaluate stain`` does."""
    data, source = StainData(recipe, data_dir), recipe.data
    pairs = {name: data.fields[name] for name in _names(data, options.part)}
    reader = FieldReader(
        tuple(source.target_channels),
        source.channels_per_file,
        None if source.pick is None else tuple(source.pick),
        None if source.input_pick is None else tuple(source.input_pick),
    )
    fields = [
        StainField(name, dict(zip(source.input_folders, paths, strict=True)), target)
        for name, (paths, target) in pairs.items()
    ]
    if source.planes == "any":
        fields = [plane for field in fields for plane in field.planes()]
    device = recipe.train.accelerator
    report = evaluate_stain(
        [Stainer(load_model(model), samples=0, device=device)],
        fields,
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
