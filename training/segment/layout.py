"""Layout of a data folder for segmentation: images with masks or labels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.data.image_files import (
    SUFFIXES,
    image_files,
    read_plane,
    truth_files,
)
from napari_cytosynth.training.data.layout import (
    DataLayout,
    Item,
    MaskKind,
    find_folder,
    matched,
    report_unread,
    try_split,
)

from .data import split_stems

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.findings import Findings

    from .recipe import SegmentRecipe

__all__ = ["segment_layout"]


def _plane(path: Path, messages: list[str]) -> NDArray[Any]:
    return read_plane(path, messages=messages)[None]


def segment_layout(plan: SegmentRecipe, data_dir: Path, report: Findings) -> DataLayout:
    """List images with their masks or labels; report what is missing or left over.

    Raises
    ------
    RecipeError
        If a folder is missing, or holds no images.
    """
    recipe = plan.data
    folder = find_folder(data_dir, recipe.images)
    images = image_files(folder)
    if not images:
        raise RecipeError(f"No TIFF or PNG images in {folder}.")
    report_unread(folder, SUFFIXES, report)
    names, truths = list(images), []
    for target in recipe.targets:
        truths.append(truth_files(find_folder(data_dir, target.folder), target.name))
        found = matched(images, truths[-1], target.folder, "a mask", report)
        names = [name for name in names if name in found]
    masks = [MaskKind(each.name, each.kind == "labels", each.invert) for each in recipe.targets]
    local = recipe.normalisation.kind == "local"
    layout = DataLayout(recipe.crop_size, masks=masks, local_scaling=local)
    kinds = [target.kind for target in recipe.targets]
    train, validation = try_split(split_stems, names, recipe, report)
    for name in names:
        part = "validation" if name in validation else "train" if name in train else "test"
        reads = tuple(
            partial(read_plane, found[name], kind, layout.messages)
            for found, kind in zip(truths, kinds, strict=True)
        )
        read = partial(_plane, images[name], layout.messages)
        layout.items.append(Item(name, part, read, reads))
    return layout
