"""Layout of a data folder for a generator: images, masks and classes by part."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.images.files import is_hidden
from napari_cytosynth.training.data.image_files import read_plane
from napari_cytosynth.training.data.layout import DataLayout, Item, MaskKind
from napari_cytosynth.training.data.wording import counted, named

from .files import find_images, h5_image, mask_of, read_pixels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.findings import Findings

    from .files import DatasetImage
    from .recipe import GenerateRecipe, ImageRecipe

__all__ = ["generate_layout"]


def generate_layout(plan: GenerateRecipe, data_dir: Path, report: Findings) -> DataLayout:
    """List images, with their masks and classes; report what is missing or left over.

    Raises
    ------
    RecipeError
        If a folder is missing, or holds no images.
    """
    recipe = plan.data
    found = find_images(recipe.model_copy(update={"mask": None}), data_dir)
    raw = recipe.model_copy(update={"shrink": 1, "scaling": "image"})  # as they are in the files
    layout = DataLayout(
        recipe.crop_size * recipe.shrink,
        pads=False,
        masks=[MaskKind(recipe.mask_name)] if recipe.mask else [],
        classes=recipe.classes,
        fixed_scaling=recipe.scaling == "fixed",
        split_by_name="data.parts.hashed=none 'data.parts.validation_names=[{}]'",
    )
    missing = []
    for part, files in found.items():
        for file in files:
            try:
                mask = mask_of(file.path, recipe)
            except RecipeError:
                missing.append(file.name)
                continue
            masks = (partial(read_plane, mask, "mask", layout.messages),) if mask else ()
            read = partial(_pixels, file, raw, layout.messages)
            layout.items.append(Item(file.name, part, read, masks, file.label))
    if missing:
        report.errors.append(
            f"{counted(len(missing), 'image')} without a mask of the same name in the folder "
            f"“{recipe.mask}” beside the images: {named(missing)}."
        )
    if recipe.kind == "classes":
        _report_other_classes(recipe, data_dir, report)
    return layout


def _pixels(file: DatasetImage, recipe: ImageRecipe, messages: list[str]) -> NDArray[Any]:
    if file.row is not None:
        return np.rint(h5_image(file) * 255).astype(np.uint8)
    return read_pixels(file.path, recipe, messages)


def _report_other_classes(recipe: ImageRecipe, data_dir: Path, report: Findings) -> None:
    parts = recipe.parts
    for place in (*parts.train, *parts.validation, *parts.test):
        there = [
            path.name
            for path in sorted((data_dir / place).iterdir())
            if path.is_dir() and not is_hidden(path)
        ]
        if other := [name for name in there if name not in recipe.classes]:
            report.warnings.append(
                f"“{place}” has folders that the recipe does not name in data.classes: "
                f"{named(other)}. They will not be used."
            )
