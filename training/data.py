"""Images and truth from folders, split by image, served as augmented crops."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from napari_cytosynth.errors import InputError, RecipeError
from napari_cytosynth.inference.normalise import normalise

from .augment import cut, jitter, warp_crop
from .check_report import nothing_marked
from .pairs import image_files, read_plane
from .processes import loading_workers, on_gpu
from .splits import check_split, hash_split
from .targets import check_truth, object_numbers, target_maps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .generate_recipe import GenerateRecipe
    from .recipe import AugmentRecipe, DataRecipe, Recipe
    from .stain_recipe import StainRecipe

__all__ = [
    "CropData",
    "CropDataset",
    "EpochCrops",
    "EpochData",
    "EpochOrder",
    "Field",
    "SegmentationData",
    "find_pairs",
    "fingerprint",
    "split_stems",
]


@dataclass(frozen=True)
class Field:
    """One image with its truth, ready for training.

    Attributes
    ----------
    name
        Stem of the file.
    image
        (K, Y, X) float32, normalised as at inference.
    maps
        (C, Y, X) float32, what the network learns: in [0, 1] for masks, scaled
        intensities for stains.
    truth
        The first target as it was read: (Y, X) instances or a mask, (C, Y, X) intensities.
    """

    name: str
    image: NDArray[np.float32]
    maps: NDArray[np.float32]
    truth: NDArray[np.generic]


def _read_grey(path: Path) -> NDArray[np.generic]:
    try:
        return read_plane(path)
    except InputError as error:
        raise RecipeError(f"In “{path.parent}”: {error}") from error


def _index(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise RecipeError(f"The folder {folder} does not exist.")
    return image_files(folder)


def find_pairs(data_dir: Path, recipe: DataRecipe) -> list[tuple[Path, list[Path]]]:
    """Match images and truth by file name.

    Raises
    ------
    RecipeError
        If a folder is missing or empty, or an image has no truth.
    """
    images = _index(data_dir / recipe.images)
    if not images:
        raise RecipeError(f"No TIFF or PNG images in {data_dir / recipe.images}.")
    truths = [_index(data_dir / target.folder) for target in recipe.targets]
    missing = sorted({stem for found in truths for stem in images if stem not in found})
    if missing:
        raise RecipeError(
            f"{len(missing)} of {len(images)} images have no truth of the same name, "
            f"for example “{missing[0]}”."
        )
    return [(path, [found[stem] for found in truths]) for stem, path in images.items()]


def fingerprint(pairs: list[tuple[Path, list[Path]]]) -> str:
    """SHA-256 over the names and contents of all files of a data set."""
    digest = hashlib.sha256()
    for image, truths in pairs:
        for path in (image, *truths):
            inside = sorted(part for part in path.rglob("*") if part.is_file())
            for file in inside or [path]:  # an OME-Zarr is a folder of files
                digest.update(file.name.encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _load(image: Path, truths: list[Path], recipe: DataRecipe) -> Field:
    raw = _read_grey(image)
    read = [_read_grey(path) for path in truths]
    for path, truth in zip(truths, read, strict=True):
        if truth.shape != raw.shape:
            raise RecipeError(f"{image.name} is {raw.shape} but its truth {path} is {truth.shape}.")
    for path, truth, target in zip(truths, read, recipe.targets, strict=True):
        if wrong := check_truth(truth, labels=target.kind == "labels"):
            raise RecipeError(f"“{path}” cannot be learned from: {wrong}.")
    if recipe.targets[0].kind == "labels":
        read[0] = object_numbers(read[0])
    plane = normalise(raw[None], recipe.normalisation)
    return Field(image.stem, plane, target_maps(read, recipe.targets), read[0])


def _validates(stems: list[str], recipe: DataRecipe) -> set[str]:
    split = recipe.split
    if split.kind == "hash":
        return {stem for stem in stems if hash_split(stem) == "validation"}
    if split.kind == "last":
        return set(stems[-split.count :])
    unknown = set(split.validation) - set(stems)
    if unknown:
        raise RecipeError(f"Validation images not found: {', '.join(sorted(unknown))}.")
    return set(split.validation)


def split_stems(stems: list[str], recipe: DataRecipe) -> tuple[list[str], list[str]]:
    """Return which images train and which validate; the others are left for testing.

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


class CropRecipe(Protocol):
    """What :class:`CropDataset` reads of a recipe."""

    @property
    def sampling(self) -> str:
        """Either random or tiles."""

    @property
    def crop_size(self) -> int:
        """Side of a crop in px."""

    @property
    def crops_per_epoch(self) -> int:
        """Random crops that make an epoch."""

    @property
    def foreground_share(self) -> float:
        """Share of random crops centred on a foreground pixel."""

    @property
    def foreground_level(self) -> float:
        """Value of the first target channel from which a pixel is foreground."""

    @property
    def augment(self) -> AugmentRecipe | None:
        """Random changes of every crop."""


class CropDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Crops of all fields; item `index` of epoch `epoch` is always the same crop."""

    def __init__(self, fields: list[Field], recipe: CropRecipe, seed: int) -> None:
        self.recipe, self.seed, self.epoch = recipe, seed, 0
        self.inputs = len(fields[0].image)
        self.stacks = [np.concatenate([field.image, field.maps]) for field in fields]
        areas = np.array([stack[0].size for stack in self.stacks], float)
        self.shares = areas / areas.sum()
        self.tiles = [
            (number, y, x)
            for number, stack in enumerate(self.stacks)
            for y in range(recipe.crop_size // 2, stack.shape[1], recipe.crop_size)
            for x in range(recipe.crop_size // 2, stack.shape[2], recipe.crop_size)
        ]
        if recipe.sampling == "tiles" and not self.tiles:
            raise RecipeError(
                f"No training image is large enough for tiles of {recipe.crop_size} px: lower "
                "data.crop_size, or set data.sampling to random."
            )

    def __len__(self) -> int:
        """Crops in one epoch."""
        return len(self.tiles) if self.recipe.sampling == "tiles" else self.recipe.crops_per_epoch

    def _place(self, index: int, rng: np.random.Generator) -> tuple[int, tuple[int, int]]:
        if self.recipe.sampling == "tiles":
            number, y, x = self.tiles[index]
            return number, (y, x)
        number = int(rng.choice(len(self.stacks), p=self.shares))
        stack = self.stacks[number]
        if rng.random() < self.recipe.foreground_share:
            inside = np.flatnonzero(stack[self.inputs] > self.recipe.foreground_level)
            if inside.size:
                y, x = divmod(int(inside[rng.integers(inside.size)]), stack.shape[2])
                return number, (y, x)
        return number, (int(rng.integers(stack.shape[1])), int(rng.integers(stack.shape[2])))

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ((K, S, S) image, (C, S, S) target) of one crop."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        number, centre = self._place(index, rng)
        size, augment = self.recipe.crop_size, self.recipe.augment
        if augment is None:
            crop = torch.from_numpy(cut(self.stacks[number], centre, size))
            return crop[: self.inputs], crop[self.inputs :]
        crop = warp_crop(self.stacks[number], centre, size, augment, rng)
        return jitter(crop[: self.inputs], augment, rng), crop[self.inputs :]


class EpochCrops(Protocol):
    """Crops of which item `index` of epoch `epoch` is always the same."""

    seed: int
    epoch: int

    def __len__(self) -> int:
        """Crops in one epoch."""

    def __getitem__(self, index: int, /) -> Any:
        """Return one crop."""


class EpochOrder(Sampler[tuple[int, int]]):
    """A random order of the crops, drawn from (seed, epoch) when an epoch begins.

    Parameters
    ----------
    dataset
        The crops.
    process, processes
        Which of how many processes asks: each sees its own part, and as many crops as the
        others. Their batches together are those of one process with a larger batch.
    """

    def __init__(self, dataset: EpochCrops, process: int = 0, processes: int = 1) -> None:
        self.dataset, self.process, self.processes = dataset, process, processes

    def __len__(self) -> int:
        """Crops of this process in one epoch."""
        return len(self.dataset) // self.processes

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (epoch, index) for every index of the part once."""
        epoch = self.dataset.epoch
        rng = np.random.default_rng((self.dataset.seed, epoch))
        order = rng.permutation(len(self.dataset))[: len(self) * self.processes]
        return ((epoch, index) for index in order[self.process :: self.processes].tolist())


class EpochCopies(Dataset[Any]):
    """Crops asked for by (epoch, index), so that processes that load may live on."""

    def __init__(self, crops: EpochCrops) -> None:
        self.crops = crops

    def __getitem__(self, place: tuple[int, int]) -> Any:
        """Return one crop."""
        self.crops.epoch, index = place
        return self.crops[index]


class EpochData(LightningDataModule):
    """Serves training crops.

    Attributes
    ----------
    dataset
        What :meth:`setup` of a subclass reads.
    pairs
        All files: each image, with those of its truth.
    """

    recipe: Recipe | StainRecipe | GenerateRecipe
    pairs: list[tuple[Path, list[Path]]]
    dataset: EpochCrops | None = None

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of all files; they are read for it once."""
        return fingerprint(self.pairs)

    def train_dataloader(self) -> DataLoader[Any]:
        """Crops of the epoch that :attr:`EpochCrops.epoch` names when iteration begins."""
        assert self.dataset is not None
        order, workers = EpochOrder(self.dataset), loading_workers(self.recipe.train)
        if self.trainer is not None:  # of a resumed run, the order is asked for before its epoch
            self.dataset.epoch = self.trainer.current_epoch
            order = EpochOrder(self.dataset, self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(
            EpochCopies(self.dataset),
            batch_size=self.recipe.train.batch_size,
            sampler=order,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=on_gpu(self.recipe.train),
            drop_last=len(order) >= self.recipe.train.batch_size,
        )


class CropData(EpochData):
    """Serves training crops, and the indices of whole validation fields.

    Attributes
    ----------
    validation
        What :meth:`setup` of a subclass reads.
    """

    recipe: Recipe | StainRecipe
    validation: list[Field]

    def val_dataloader(self) -> DataLoader[int]:
        """Return indices of :attr:`validation`; whole fields are run by the module."""
        return DataLoader(range(len(self.validation)), batch_size=None)  # type: ignore[arg-type]


class SegmentationData(CropData):
    """Training crops and whole validation images of one data folder."""

    recipe: Recipe

    def __init__(self, recipe: Recipe, data_dir: Path) -> None:
        super().__init__()
        self.recipe = recipe
        self.pairs = find_pairs(Path(data_dir), recipe.data)
        self.train_names, validates = split_stems([i.stem for i, _ in self.pairs], recipe.data)
        self.validation_names = set(validates)
        check_split(self.train_names, self.validation_names)
        if recipe.data.split.use_all:
            self.train_names += sorted(self.validation_names)

    def setup(self, stage: str) -> None:
        """Read all files into memory, once."""
        if self.dataset is not None:
            return
        names = {*self.train_names, *self.validation_names}
        fields = [_load(i, t, self.recipe.data) for i, t in self.pairs if i.stem in names]
        train = [field for field in fields if field.name in set(self.train_names)]
        _check_marked(train, self.recipe)
        self.validation = [field for field in fields if field.name in self.validation_names]
        self.dataset = CropDataset(train, self.recipe.data, self.recipe.train.seed)


def _check_marked(fields: list[Field], recipe: Recipe) -> None:
    for channel, name in enumerate(recipe.output_channels):
        if not any(field.maps[channel].any() for field in fields):
            raise RecipeError(nothing_marked(name))
