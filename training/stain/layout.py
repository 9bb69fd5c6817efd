"""Layout of a data folder for virtual staining: pairs of input and stained images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.training.data.layout import DataLayout, Item, find_folder, matched, try_split

from .data import split_fields
from .files import field_files, read_channels

if TYPE_CHECKING:
    from napari_cytosynth.training.data.findings import Findings

    from .recipe import StainRecipe

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
    parts, unread = [""], ""
    if split.kind == "folders":
        parts = list(dict.fromkeys([*split.train, *split.validation]))
        if "test" not in parts and (data_dir / "test" / recipe.inputs).is_dir():
            unread = "test"  # never read in training, but no copy of it may be trained on
            parts.append(unread)
    fields: dict[str, tuple[Path, Path]] = {}
    for part in parts:
        inputs = field_files(find_folder(data_dir, recipe.inputs, part))
        targets = field_files(find_folder(data_dir, recipe.targets, part))
        place = str(Path(part) / recipe.targets)
        for name in matched(inputs, targets, place, "a stained image", report):
            fields[f"{part}/{name}" if part else name] = inputs[name], targets[name]
    split_all = {n: pair for n, pair in fields.items() if not unread or Path(n).parts[0] != unread}
    train, validation = try_split(split_fields, split_all, split, report)
    local = recipe.normalisation.kind == "local"
    layout = DataLayout(recipe.crop_size, stains=recipe.target_channels, local_scaling=local)
    for name, (image, target) in fields.items():
        part = "validation" if name in validation else "train" if name in train else "test"
        said = layout.messages
        read = partial(read_channels, image, recipe.input_pick, len(recipe.input_channels), said)
        stain = partial(read_channels, target, recipe.pick, len(recipe.target_channels), said)
        layout.items.append(Item(name, part, read, (stain,)))
    return layout
