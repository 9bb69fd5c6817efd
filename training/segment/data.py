"""Images with masks or labels from folders, split by image, served as augmented crops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError, RecipeError
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.training.data.crops import CropData, CropDataset, Field, fingerprint
from napari_cytosynth.training.data.image_files import image_files, read_plane, truth_files
from napari_cytosynth.training.data.input_record import input_looks, input_quantiles
from napari_cytosynth.training.data.masks import check_truth, object_numbers
from napari_cytosynth.training.data.splits import check_split
from napari_cytosynth.training.data.wording import nothing_marked

from .known import known_channels, known_objects
from .sources import DataSource, sources_of, split_stems
from .targets import equivalent_diameters, target_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cytosynth.images.loaded import Content

    from .recipe import DataRecipe, SegmentRecipe

_CONTEXT = 160  # px around what validates, more than a network sees
_ALIGNED = 64  # px, a multiple of the strides: windows give what the whole image does

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
        File of each target; the image where the target is not taught.
    source
        The data folder that they lie in.
    annotated, held_out
        Files of the masks of what is known, and of what of it validates; None (default) without.
    """

    name: str
    image: Path
    truths: list[Path]
    source: DataSource
    annotated: Path | None = None
    held_out: Path | None = None

    @property
    def all_truths(self) -> list[Path]:
        """Files of the truth and of what is known of it."""
        masks = [path for path in (self.annotated, self.held_out) if path is not None]
        return [*(path for path in self.truths if path != self.image), *masks]


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
    truths = [
        _index(place / folder, target.name) if target.taught else images
        for folder, target in targets
    ]
    masks = [
        None if folder is None else _index(place / folder, folder)
        for folder in (source.annotated, source.held_out)
    ]
    folders = [*truths, *(found for found in masks if found is not None)]
    missing = sorted({stem for found in folders for stem in images if stem not in found})
    if missing:
        where = f" in “{source.name}”" if source.name else ""
        raise RecipeError(
            f"{len(missing)} of {len(images)} images{where} have no truth of the same name, "
            f"for example “{missing[0]}”."
        )
    return {
        stem: ImageFiles(
            source.image(stem),
            path,
            [found[stem] for found in truths],
            source,
            *(None if found is None else found[stem] for found in masks),
        )
        for stem, path in images.items()
    }


def _same_shape(image: Path, path: Path, plane: NDArray[Any], shape: tuple[int, ...]) -> None:
    if plane.shape != shape:
        raise RecipeError(f"{image.name} is {shape} but its truth {path} is {plane.shape}.")


def _load(files: ImageFiles, recipe: DataRecipe) -> Field:
    image, truths = files.image, files.truths
    raw = _read_grey(image)
    read = []
    for path, target in zip(truths, recipe.targets, strict=True):
        truth = _read_grey(path, target.kind) if target.taught else np.zeros(raw.shape, np.uint8)
        _same_shape(image, path, truth, raw.shape)
        if wrong := check_truth(truth, labels=target.kind == "labels"):
            raise RecipeError(f"“{path}” cannot be learned from: {wrong}.")
        read.append(truth)
    if recipe.targets[0].kind == "labels":
        read[0] = object_numbers(read[0])
    plane = normalise(raw[None], recipe.normalisation)
    maps, source = target_maps(read, recipe.targets), files.source
    known = _known(files, recipe, raw.shape) if recipe.annotated else None
    return Field(files.name, plane, maps, read[0], source.name, source.magnify, known)


def _known(files: ImageFiles, recipe: DataRecipe, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return what is known of the truth of an image, (C, Y, X)."""
    if files.annotated is None:
        return known_channels(np.ones(shape, np.uint8), recipe.targets)
    annotated = _read_grey(files.annotated, "labels")
    _same_shape(files.image, files.annotated, annotated, shape)
    return known_channels(annotated, recipe.targets)


def _parts(field: Field, files: ImageFiles, *, instances: bool) -> tuple[Field, Field]:
    """Return a partly known field with what trains, and with what validates."""
    assert field.known is not None
    if files.held_out is None:  # of a source that only trains, or everything does both
        held = np.full(field.truth.shape, files.source.split.use_all)
        return field, _validating(field, held, instances=instances)
    held = _read_grey(files.held_out, "labels") != 0
    _same_shape(files.image, files.held_out, held, field.truth.shape)
    return replace(field, known=field.known & ~held), _validating(field, held, instances=instances)


def _validating(field: Field, held: NDArray[np.bool_], *, instances: bool) -> Field:
    """Return a field of which only held out pixels are known, and objects wholly in them."""
    assert field.known is not None
    known = field.known & held
    truth = known_objects(field.truth, known[1], 1.0) if instances else field.truth
    return replace(field, known=known, truth=truth)


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
            by_pixels = source.split.kind == "pixels"
            self.files |= {files.name: files for files in found.values()}
            self.train_names += map(source.image, parts.train)
            validates += map(source.image, parts.validation)
            self.test_names += map(source.image, parts.test)
            if source.split.use_all and not by_pixels:
                again += sorted(map(source.image, parts.validation))
        self.pairs = [(files.image, files.all_truths) for files in self.files.values()]
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
        data = self.recipe.data
        train, self.validation = self._fields()
        _check_marked(train, self.recipe)
        if self.recipe.flow_channel is not None:
            sizes = [equivalent_diameters(field.truth) for field in train]
            self.diameter = float(np.median(np.concatenate(sizes)))
        shares = {each.name: each.share for each in sources_of(data) if each.share is not None}
        flows = self.recipe.flow_channel
        self.dataset = CropDataset(train, data, self.recipe.train.seed, shares, flows)

    def _fields(self) -> tuple[list[Field], list[Field]]:
        """Read the fields that train, and those that validate."""
        train, validation, names = [], [], {*self.train_names, *self.validation_names}
        for files in self.files.values():
            if files.name not in names:
                continue
            field = _load(files, self.recipe.data)
            parts = (field, field)
            if files.source.split.kind == "pixels":
                parts = _parts(field, files, instances=self.recipe.instances)
            if files.name in self.train_names and _anything_known(parts[0]):
                train.append(parts[0])
            if files.name in self.validation_names and _anything_known(parts[1]):
                validation.append(
                    _around_known(parts[1]) if parts[1].known is not None else parts[1]
                )
        if self.recipe.data.annotated:
            check_split(train, validation, "images with annotated pixels")
        return train, validation


def _around_known(field: Field) -> Field:
    """Return the window of a field around what is known of it: the rest is not looked at."""
    assert field.known is not None
    places = np.nonzero(field.known.any(0))
    if not len(places[0]):
        return field
    window = tuple(
        slice(
            max(0, int(place.min()) - _CONTEXT) // _ALIGNED * _ALIGNED, int(place.max()) + _CONTEXT
        )
        for place in places
    )
    cut = {
        name: getattr(field, name)[(slice(None), *window)] for name in ("image", "maps", "known")
    }
    return replace(field, truth=field.truth[window], **cut)


def _anything_known(field: Field) -> bool:
    return field.known is None or bool(field.known.any())


def _check_marked(fields: list[Field], recipe: SegmentRecipe) -> None:
    for channel, name in enumerate(recipe.output_channels):
        if recipe.taught_channels[channel] and not any(_marked(f, channel) for f in fields):
            raise RecipeError(nothing_marked(name))


def _marked(field: Field, channel: int) -> bool:
    """Return whether a map is anything but zero, or its outlines are not known, only strokes."""
    if field.known is None:
        return bool(field.maps[channel].any())
    known = field.known[channel]
    return bool(field.maps[channel][known].any()) or (channel > 0 and not known.all())
