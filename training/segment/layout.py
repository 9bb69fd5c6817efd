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

from .kept_settings import START_ADVICE
from .sources import sources_of, split_stems

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.findings import Findings

    from .recipe import DataRecipe, SegmentRecipe, SplitRecipe
    from .sources import DataSource

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
    taught = [target for target in recipe.targets if target.taught]
    masks = [MaskKind(each.name, each.kind == "labels", each.invert) for each in taught]
    local = recipe.normalisation.kind == "local"
    layout = DataLayout(recipe.crop_size, masks=masks, local_scaling=local)
    for source in sources_of(recipe):
        _add_source(source, recipe, data_dir, layout, report)
    if plan.trains_on_validation and not (plan.network.start_from or plan.rounds):
        report.warnings.append(
            "With use_all, threshold and the like are chosen on images that were trained on. "
            f"{START_ADVICE}"
        )
    if recipe.sources:
        last = f"data.sources.{len(recipe.sources) - 1}.split"
        layout.split_by_name = f"{last}.kind=names '{last}.validation=[{{}}]'"
    return layout


def _add_source(
    source: DataSource, recipe: DataRecipe, data_dir: Path, layout: DataLayout, report: Findings
) -> None:
    place = source.place(data_dir)
    layout.pixels_validate |= source.split.kind == "pixels"
    folder = find_folder(place, source.images)
    images = image_files(folder)
    if not images:
        raise RecipeError(f"No TIFF or PNG images in {folder}.")
    report_unread(folder, SUFFIXES, report)
    names, truths = list(images), []
    taught = [pair for pair in zip(recipe.targets, source.truths, strict=True) if pair[0].taught]
    for target, name in taught:
        truths.append(truth_files(find_folder(place, name), target.name))
        within = f"{source.name}/{name}" if source.name else name
        found = matched(images, truths[-1], within, "a mask", report)
        names = [name for name in names if name in found]
    for folder_name in filter(None, (source.annotated, source.held_out)):
        known = image_files(find_folder(place, folder_name))
        found = matched(images, known, folder_name, "a mask of what is known", report)
        names = [name for name in names if name in found]
    train, validation = try_split(partial(_halves, source), names, source.split, report)
    kinds = [target.kind for target, _ in taught]
    for name in names:
        part = "train" if name in train else "validation" if name in validation else "test"
        reads = tuple(
            partial(read_plane, found[name], kind, layout.messages)
            for found, kind in zip(truths, kinds, strict=True)
        )
        read = partial(_plane, images[name], layout.messages)
        layout.items.append(Item(source.image(name), part, read, reads))


def _halves(
    source: DataSource, names: list[str], split: SplitRecipe
) -> tuple[list[str], list[str]]:
    parts = split_stems(names, split, source.name)
    return parts.train, parts.validation
