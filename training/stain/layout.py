"""Layout of a data folder for virtual staining: pairs of input and stained images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.training.data.layout import DataLayout, Item, find_folder, matched, try_split

from .data import split_fields
from .files import field_files, read_channels, read_planes

if TYPE_CHECKING:
    from napari_cytosynth.training.data.findings import Findings

    from .data import Pairs
    from .recipe import PairRecipe, StainRecipe

__all__ = ["stain_layout"]


def stain_layout(plan: StainRecipe, data_dir: Path, report: Findings) -> DataLayout:
    """List input images with their stained images; report what is missing or left over.

    Raises
    ------
    RecipeError
        If a folder is missing, or holds no images.
    """
    recipe = plan.data
    split = recipe.split
    parts, unread = split.folders, ""
    if split.kind == "folders":
        if "test" not in parts and (data_dir / "test" / recipe.input_folders[0]).is_dir():
            unread = "test"  # never read in training, but no copy of it may be trained on
            parts.append(unread)
    fields: Pairs = {}
    for part in parts:
        fields |= _fields_of(part, recipe, data_dir, report)
    split_all = {n: pair for n, pair in fields.items() if not unread or Path(n).parts[0] != unread}
    train, validation = try_split(split_fields, split_all, split, report)
    local = recipe.normalisation.kind == "local"
    layout = DataLayout(recipe.crop_size, stains=recipe.target_channels, local_scaling=local)
    layout.planes = len(recipe.input_folders)
    for name, (images, target) in fields.items():
        part = "validation" if name in validation else "train" if name in train else "test"
        said = layout.messages
        stain = partial(read_channels, target, recipe.pick, len(recipe.target_channels), said)
        # all planes in one: each for itself would be a copy of the others
        read = partial(read_planes, images, recipe.input_pick, recipe.channels_per_file, said)
        layout.items.append(Item(name, part, read, (stain,)))
    return layout


def _fields_of(part: str, recipe: PairRecipe, data_dir: Path, report: Findings) -> Pairs:
    """Return the fields of one part that are complete; report the others."""
    planes = [field_files(find_folder(data_dir, name, part)) for name in recipe.input_folders]
    targets = field_files(find_folder(data_dir, recipe.targets, part))
    place = str(Path(part) / recipe.targets)
    names = matched(planes[0], targets, place, "a stained image", report)
    for folder, plane in zip(recipe.input_folders[1:], planes[1:], strict=True):
        there = matched(planes[0], plane, str(Path(part) / folder), "an image", report)
        names = [name for name in names if name in there]
    prefix = f"{part}/" if part else ""
    return {
        prefix + name: (tuple(plane[name] for plane in planes), targets[name]) for name in names
    }
