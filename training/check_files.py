"""Which files a recipe would take from a data folder, whatever is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import RecipeError

from .check_report import Report, counted, named
from .data import split_stems
from .generate_files import _SUFFIXES, _h5_image, _mask_of, _read, find_images
from .generate_recipe import GenerateRecipe
from .pairs import SUFFIXES, image_files, read_plane
from .recipe import Recipe
from .stain_data import split_fields
from .stain_files import field_files, read_channels
from .stain_recipe import StainRecipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .generate_files import ImageFile
    from .generate_recipe import ImageRecipe
    from .recipe import DataRecipe
    from .stain_recipe import PairRecipe

__all__ = ["PARTS", "Item", "Layout", "find_layout"]

PARTS = ("train", "validation", "test")
_READABLE_ELSEWHERE = (".czi", ".nd2", ".lif", ".oib", ".vsi", ".jpg", ".jpeg", ".bmp", ".gif")


@dataclass(frozen=True)
class Item:
    """One image with its truth or its stain, if it has any.

    Attributes
    ----------
    name
        As the recipe's split would call it.
    part
        One of `PARTS`.
    label
        Index of the class.
    read
        Returns the image as (C, Y, X), of the file's own type.
    read_truths
        Return each mask (Y, X), or the one stain (C, Y, X).
    """

    name: str
    part: str
    read: Callable[[], NDArray[Any]]
    read_truths: tuple[Callable[[], NDArray[Any]], ...] = ()
    label: int = 0


@dataclass
class Layout:
    """All images of a data folder, and what the recipe wants of them.

    Attributes
    ----------
    crop_size
        Side of a crop in px of the file.
    pads
        Whether an image smaller than a crop is filled up by reflection; else it stops training.
    truth_names
        What the masks or the stain's channels are called.
    """

    crop_size: int
    pads: bool = True
    items: list[Item] = field(default_factory=list)
    truth_names: list[str] = field(default_factory=list)

    def part(self, part: str) -> list[Item]:
        """Return the images of a part."""
        return [item for item in self.items if item.part == part]


def find_layout(
    recipe: Recipe | StainRecipe | GenerateRecipe, data_dir: Path, report: Report
) -> Layout:
    """List the images that a recipe would take, and report what is missing or left over.

    Raises
    ------
    RecipeError
        If there is no such folder, or nothing in it that could be looked at.
    """
    if not data_dir.is_dir():
        raise RecipeError(f"There is no data folder “{data_dir}”.")
    if isinstance(recipe, Recipe):
        layout = _segment(recipe.data, data_dir, report)
    elif isinstance(recipe, StainRecipe):
        layout = _stain(recipe.data, data_dir, report)
    else:
        layout = _generate(recipe.data, data_dir, report)
    by_name = "data.split.kind=names 'data.split.validation=[{}]'"
    if isinstance(recipe, GenerateRecipe):
        by_name = "data.parts.hashed=none 'data.parts.validation_names=[{}]'"
    _report_counts(layout, by_name, report)
    return layout


def _report_counts(layout: Layout, by_name: str, report: Report) -> None:
    counts = {part: len(layout.part(part)) for part in PARTS}
    report.facts.append(
        f"{counted(counts['train'], 'image')} to train on, {counts['validation']:,} to validate "
        f"with, {counts['test']:,} left for the test."
    )
    if not counts["train"]:
        report.errors.append(
            "The split leaves no image to train on. Change data.split (or data.parts) in the "
            "recipe, or add images."
        )
    if layout.items and not counts["validation"]:
        # a split by hash may leave none of few images; of a shipped recipe no file can be edited
        report.errors.append(
            "The split leaves no image to validate with. Add images, or choose some by name: "
            f"--set {by_name.format(layout.items[-1].name)}."
        )
    if 0 < counts["train"] < 3:
        report.warnings.append(
            f"Only {counted(counts['train'], 'image')} to train on: the model will know these and "
            "little else. More fields help more than longer training."
        )


# -- names ---------------------------------------------------------------------------------


def _matched(
    images: dict[str, Path], truths: dict[str, Path], folder: str, what: str, report: Report
) -> list[str]:
    """Return the names that are in both; report those that are in one only."""
    missing = [name for name in images if name not in truths]
    spare = [name for name in truths if name not in images]
    if missing:
        close = get_close_matches(missing[0], spare, 1, 0.6)
        hint = f" Is “{close[0]}” meant for “{missing[0]}”?" if close else ""
        report.errors.append(
            f"{counted(len(missing), 'image')} of {len(images):,} without {what} of the same "
            f"name in “{folder}”: {named(missing)}.{hint} Rename or add the files, or take the "
            "images away."
        )
    if spare:
        report.warnings.append(
            f"{counted(len(spare), 'file')} in “{folder}” without an image of the same name: "
            f"{named(spare)}. They will not be used."
        )
    return [name for name in images if name in truths]


def _report_unread(folder: Path, suffixes: tuple[str, ...], report: Report) -> None:
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    known = {*_READABLE_ELSEWHERE, *_SUFFIXES} - set(suffixes)
    other = [path.name for path in files if path.suffix.lower() in known]
    if other:
        report.warnings.append(
            f"{counted(len(other), 'file')} in “{folder.name}” of a kind that is not read here: "
            f"{named(other)}. Convert them to TIFF."
        )
    stems = [path.stem for path in files if path.suffix.lower() in suffixes]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1}) if len(stems) < 5000 else []
    if twice:
        report.warnings.append(
            f"{counted(len(twice), 'name')} in “{folder.name}” with two file types: "
            f"{named(twice)}. Only one of each is certain to be used; take the other away."
        )


def _folder(data_dir: Path, name: str, part: str = "") -> Path:
    folder = data_dir / part / name
    if folder.is_dir():
        return folder
    place = data_dir / part if (data_dir / part).is_dir() else data_dir
    there = sorted(path.name for path in place.iterdir() if path.is_dir())
    inside = [sub.parent.name for sub in sorted(data_dir.glob(f"*/{name}")) if sub.is_dir()]
    inside = [each for each in inside if each != "test"]  # nobody is sent to train on that
    best = "train" if "train" in inside else "".join(inside[:1])
    hint = f" Did you mean “{data_dir / best}”?" if best and not part else ""
    raise RecipeError(
        f"The recipe reads the folder “{Path(part) / name}”, but “{place}” has "
        f"{', '.join(there) or 'no folders'}.{hint}"
    )


# -- the three kinds of recipe ---------------------------------------------------------------


def _plane(path: Path) -> NDArray[Any]:
    return read_plane(path)[None]


def _segment(recipe: DataRecipe, data_dir: Path, report: Report) -> Layout:
    folder = _folder(data_dir, recipe.images)
    images = image_files(folder)
    if not images:
        raise RecipeError(f"No TIFF or PNG images in {folder}.")
    _report_unread(folder, SUFFIXES, report)
    names, truths = list(images), []
    for target in recipe.targets:
        truths.append(image_files(_folder(data_dir, target.folder)))
        found = _matched(images, truths[-1], target.folder, "a mask", report)
        names = [name for name in names if name in found]
    layout = Layout(recipe.crop_size, truth_names=[target.name for target in recipe.targets])
    train, validation = _tried(split_stems, names, recipe, report)
    for name in names:
        part = "validation" if name in validation else "train" if name in train else "test"
        masks = tuple(partial(read_plane, found[name]) for found in truths)
        layout.items.append(Item(name, part, partial(_plane, images[name]), masks))
    return layout


def _tried(
    split: Callable[..., tuple[list[str], list[str]]], names: Any, recipe: Any, report: Report
) -> tuple[set[str], set[str]]:
    """Split as training does; where it would stop, report why and train on all."""
    try:
        train, validation = split(names, recipe)
    except RecipeError as error:
        report.errors.append(f"{error} The recipe's data.split names images that are not there.")
        return set(names), set()
    return set(train), set(validation)


def _stain(recipe: PairRecipe, data_dir: Path, report: Report) -> Layout:
    split = recipe.split
    parts, unread = [""], ""
    if split.kind == "folders":
        parts = list(dict.fromkeys([*split.train, *split.validation]))
        if "test" not in parts and (data_dir / "test" / recipe.inputs).is_dir():
            unread = "test"  # never read in training, but no copy of it may be trained on
            parts.append(unread)
    fields: dict[str, tuple[Path, Path]] = {}
    for part in parts:
        inputs = field_files(_folder(data_dir, recipe.inputs, part))
        targets = field_files(_folder(data_dir, recipe.targets, part))
        place = str(Path(part) / recipe.targets)
        for name in _matched(inputs, targets, place, "a stained image", report):
            fields[f"{part}/{name}" if part else name] = inputs[name], targets[name]
    split_all = {n: pair for n, pair in fields.items() if not unread or Path(n).parts[0] != unread}
    train, validation = _tried(split_fields, split_all, split, report)
    layout = Layout(recipe.crop_size, truth_names=recipe.target_channels)
    for name, (image, target) in fields.items():
        part = "validation" if name in validation else "train" if name in train else "test"
        read = partial(read_channels, image, recipe.input_pick, len(recipe.input_channels))
        stain = partial(read_channels, target, recipe.pick, len(recipe.target_channels))
        layout.items.append(Item(name, part, read, (stain,)))
    return layout


def _generate(recipe: ImageRecipe, data_dir: Path, report: Report) -> Layout:
    found = find_images(recipe.model_copy(update={"mask": None}), data_dir)
    raw = recipe.model_copy(update={"shrink": 1, "scaling": "image"})  # as they are in the files
    layout = Layout(recipe.crop_size * recipe.shrink, pads=False)
    layout.truth_names = [recipe.mask_name] if recipe.mask else []
    missing = []
    for part, files in found.items():
        for file in files:
            try:
                mask = _mask_of(file.path, recipe)
            except RecipeError:
                missing.append(file.name)
                continue
            masks = (partial(read_plane, mask),) if mask else ()
            read = partial(_pixels, file, raw)
            layout.items.append(Item(file.name, part, read, masks, file.label))
    if missing:
        report.errors.append(
            f"{counted(len(missing), 'image')} without a mask of the same name in the folder "
            f"“{recipe.mask}” beside the images: {named(missing)}."
        )
    if recipe.kind == "classes":
        _report_other_classes(recipe, data_dir, report)
    return layout


def _pixels(file: ImageFile, recipe: ImageRecipe) -> NDArray[Any]:
    if file.row is not None:
        return np.rint(_h5_image(file) * 255).astype(np.uint8)
    return _read(file.path, recipe)


def _report_other_classes(recipe: ImageRecipe, data_dir: Path, report: Report) -> None:
    parts = recipe.parts
    for place in (*parts.train, *parts.validation, *parts.test):
        there = [path.name for path in sorted((data_dir / place).iterdir()) if path.is_dir()]
        if other := [name for name in there if name not in recipe.classes]:
            report.warnings.append(
                f"“{place}” has folders that the recipe does not name in data.classes: "
                f"{named(other)}. They will not be used."
            )
