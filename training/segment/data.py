"""Images with masks or labels from folders, split by image, served as augmented crops."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.errors import InputError, RecipeError
from napari_cytosynth.images.files import image_name
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.training.data.crops import CropData, CropDataset, Field
from napari_cytosynth.training.data.image_files import image_files, read_plane, truth_files
from napari_cytosynth.training.data.input_record import input_looks, input_quantiles
from napari_cytosynth.training.data.masks import check_truth, object_numbers
from napari_cytosynth.training.data.splits import check_split, hash_split
from napari_cytosynth.training.data.wording import nothing_marked

from .targets import target_maps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_cytosynth.images.loaded import Content

    from .recipe import DataRecipe, SegmentRecipe

__all__ = ["SegmentationData", "find_pairs", "split_stems"]


def _read_grey(path: Path, content: Content = "image") -> NDArray[np.generic]:
    try:
        return read_plane(path, content)
    except InputError as error:
        raise RecipeError(f"In “{path.parent}”: {error}") from error


def _index(folder: Path, truth: str = "") -> dict[str, Path]:
    if not folder.is_dir():
        raise RecipeError(f"The folder {folder} does not exist.")
    try:
        return truth_files(folder, truth) if truth else image_files(folder)
    except InputError as error:
        raise RecipeError(str(error)) from error


def find_pairs(data_dir: Path, recipe: DataRecipe) -> list[tuple[Path, list[Path]]]:
    """Match images with their masks or labels by file name.

    Raises
    ------
    RecipeError
        If a folder is missing or empty, or an image has no truth.
    """
    images = _index(data_dir / recipe.images)
    if not images:
        raise RecipeError(f"No TIFF or PNG images in {data_dir / recipe.images}.")
    truths = [_index(data_dir / target.folder, target.name) for target in recipe.targets]
    missing = sorted({stem for found in truths for stem in images if stem not in found})
    if missing:
        raise RecipeError(
            f"{len(missing)} of {len(images)} images have no truth of the same name, "
            f"for example “{missing[0]}”."
        )
    return [(path, [found[stem] for found in truths]) for stem, path in images.items()]


def _load(image: Path, truths: list[Path], recipe: DataRecipe) -> Field:
    raw = _read_grey(image)
    kinds = [target.kind for target in recipe.targets]
    read = [_read_grey(path, kind) for path, kind in zip(truths, kinds, strict=True)]
    for path, truth in zip(truths, read, strict=True):
        if truth.shape != raw.shape:
            raise RecipeError(f"{image.name} is {raw.shape} but its truth {path} is {truth.shape}.")
    for path, truth, target in zip(truths, read, recipe.targets, strict=True):
        if wrong := check_truth(truth, labels=target.kind == "labels"):
            raise RecipeError(f"“{path}” cannot be learned from: {wrong}.")
    if recipe.targets[0].kind == "labels":
        read[0] = object_numbers(read[0])
    plane = normalise(raw[None], recipe.normalisation)
    return Field(image_name(image), plane, target_maps(read, recipe.targets), read[0])


def _validates(stems: list[str], recipe: DataRecipe) -> set[str]:
    split = recipe.split
    if split.kind == "hash":
        return {stem for stem in stems if hash_split(stem) == "validation"}
    if split.kind == "last":
        return set(stems[-split.count :])
    validates = {image_name(name) for name in split.validation}
    if unknown := validates - set(stems):
        raise RecipeError(f"Validation images not found: {', '.join(sorted(unknown))}.")
    return validates


def split_stems(stems: list[str], recipe: DataRecipe) -> tuple[list[str], list[str]]:
    """Return the names of training and validation images; the others are left for testing.

    Raises
    ------
    RecipeError
        If an image that should validate is not there.
    """
    validates = _validates(stems, recipe)
    train = [stem for stem in stems if stem not in validates]
    if recipe.split.kind == "hash":
        train = [stem for stem in train if hash_split(stem) == "train"]
    return train, [stem for stem in stems if stem in validates]


class SegmentationData(CropData):
    """Training crops and whole validation images of one data folder."""

    recipe: SegmentRecipe
    dataset: CropDataset | None = None

    def __init__(self, recipe: SegmentRecipe, data_dir: Path) -> None:
        super().__init__()
        self.recipe = recipe
        self.pairs = find_pairs(Path(data_dir), recipe.data)
        stems = [image_name(image) for image, _ in self.pairs]
        self.train_names, validates = split_stems(stems, recipe.data)
        self.validation_names = set(validates)
        check_split(self.train_names, self.validation_names)
        if recipe.data.split.use_all:
            self.train_names += sorted(self.validation_names)

    @cached_property
    def quantiles(self) -> dict[str, tuple[float, float]]:
        """Range of the quantiles of the scaled training images, for the card."""
        return input_quantiles(self._train_images())

    @cached_property
    def looks(self) -> dict[str, tuple[float, float]]:
        """Limits of the looks of the training images, for the card."""
        return input_looks(self._train_images())

    def _train_images(self) -> list[NDArray[np.float32]]:
        assert self.dataset is not None
        return [stack[: self.dataset.inputs] for stack in self.dataset.stacks]

    def setup(self, stage: str) -> None:
        """Read the training and validation images into memory, once."""
        if self.dataset is not None:
            return
        names = {*self.train_names, *self.validation_names}
        fields = [_load(i, t, self.recipe.data) for i, t in self.pairs if image_name(i) in names]
        train = [field for field in fields if field.name in set(self.train_names)]
        _check_marked(train, self.recipe)
        self.validation = [field for field in fields if field.name in self.validation_names]
        self.dataset = CropDataset(train, self.recipe.data, self.recipe.train.seed)


def _check_marked(fields: list[Field], recipe: SegmentRecipe) -> None:
    for channel, name in enumerate(recipe.output_channels):
        if not any(field.maps[channel].any() for field in fields):
            raise RecipeError(nothing_marked(name))
