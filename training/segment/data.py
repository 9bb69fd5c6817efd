"""Images with masks or labels from folders, split by image, served as augmented crops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import InputError, RecipeError
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.training.data.crops import CropData, CropDataset, Field, fingerprint
from napari_cytosynth.training.data.image_files import image_files, read_plane, truth_files
from napari_cytosynth.training.data.input_record import input_looks, input_quantiles
from napari_cytosynth.training.data.masks import check_truth, object_numbers
from napari_cytosynth.training.data.splits import check_split
from napari_cytosynth.training.data.wording import nothing_marked

from .sources import DataSource, sources_of, split_stems
from .targets import equivalent_diameters, target_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cytosynth.images.loaded import Content

    from .recipe import DataRecipe, SegmentRecipe

__all__ = ["ImageFiles", "SegmentationData", "find_images"]


@dataclass(frozen=True)
class ImageFiles:
    """The files of one image with its truth.

    Attributes
    ----------
    name
        Its name among the images of all sources.
    image
        File of the image.
    truths
        File of each target.
    source
        The data folder that they lie in.
    """

    name: str
    image: Path
    truths: list[Path]
    source: DataSource


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


def find_images(data_dir: Path, source: DataSource, recipe: DataRecipe) -> dict[str, ImageFiles]:
    """Match the images of a source with their masks or labels by file name.

    Parameters
    ----------
    data_dir
        The data folder of the training.
    source
        One of its sources.
    recipe
        The targets.

    Returns
    -------
    dict
        Stem -> files, in the order of the stems.

    Raises
    ------
    RecipeError
        If a folder is missing or empty, or an image has no truth.
    """
    place = source.place(data_dir)
    images = _index(place / source.images)
    if not images:
        raise RecipeError(f"No TIFF or PNG images in {place / source.images}.")
    targets = zip(source.truths, recipe.targets, strict=True)
    truths = [_index(place / folder, target.name) for folder, target in targets]
    missing = sorted({stem for found in truths for stem in images if stem not in found})
    if missing:
        where = f" in “{source.name}”" if source.name else ""
        raise RecipeError(
            f"{len(missing)} of {len(images)} images{where} have no truth of the same name, "
            f"for example “{missing[0]}”."
        )
    return {
        stem: ImageFiles(source.image(stem), path, [found[stem] for found in truths], source)
        for stem, path in images.items()
    }


def _load(files: ImageFiles, recipe: DataRecipe) -> Field:
    image, truths = files.image, files.truths
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
    maps, source = target_maps(read, recipe.targets), files.source
    return Field(files.name, plane, maps, read[0], source.name, source.magnify)


class SegmentationData(CropData):
    """Training crops and whole validation images of one data folder, or of its sources.

    Attributes
    ----------
    files
        Files of every image, of all parts, by name.
    test_names
        Images that are left out of training and validation.
    diameter
        Median diameter in px of the training objects, where flows separate them.
    """

    recipe: SegmentRecipe
    diameter: float
    dataset: CropDataset | None = None

    def __init__(self, recipe: SegmentRecipe, data_dir: Path) -> None:
        super().__init__()
        self.recipe = recipe
        self.files: dict[str, ImageFiles] = {}
        self.train_names = []
        self.test_names: list[str] = []
        validates: list[str] = []
        again: list[str] = []
        for source in sources_of(recipe.data):
            found = find_images(Path(data_dir), source, recipe.data)
            parts = split_stems(list(found), source.split, source.name)
            self.files |= {files.name: files for files in found.values()}
            self.train_names += map(source.image, parts.train)
            validates += map(source.image, parts.validation)
            self.test_names += map(source.image, parts.test)
            if source.split.use_all:
                again += sorted(map(source.image, parts.validation))
        self.pairs = [(files.image, files.truths) for files in self.files.values()]
        self.validation_names = set(validates)
        check_split(self.train_names, self.validation_names)
        self.train_names += again

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of all files; with sources, also of which files lie in which."""
        return fingerprint(self.pairs, list(self.files) if self.recipe.data.sources else [])

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
        data, names = self.recipe.data, {*self.train_names, *self.validation_names}
        fields = [_load(files, data) for files in self.files.values() if files.name in names]
        train = [field for field in fields if field.name in set(self.train_names)]
        _check_marked(train, self.recipe)
        if self.recipe.flow_channel is not None:
            sizes = [equivalent_diameters(field.truth) for field in train]
            self.diameter = float(np.median(np.concatenate(sizes)))
        self.validation = [field for field in fields if field.name in self.validation_names]
        shares = {each.name: each.share for each in sources_of(data) if each.share is not None}
        flows = self.recipe.flow_channel
        self.dataset = CropDataset(train, data, self.recipe.train.seed, shares, flows)


def _check_marked(fields: list[Field], recipe: SegmentRecipe) -> None:
    for channel, name in enumerate(recipe.output_channels):
        if not any(field.maps[channel].any() for field in fields):
            raise RecipeError(nothing_marked(name))
