"""Data sets and data modules of crops, reproducible from (seed, epoch, index)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.recipe.hardware import loading_workers, on_gpu

from .augmentation import cut, jitter, magnified, warp_crop
from .known import annotated_place, known_maps, settle_known

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.training.recipe.base import FieldDataRecipe, FieldRecipe, Recipe

__all__ = [
    "CropData",
    "CropDataset",
    "EpochCrops",
    "EpochData",
    "EpochOrder",
    "Field",
    "Planes",
    "fingerprint",
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
        (C, Y, X) float32, targets of the network: in [0, 1] for masks, unit vectors for
        flows, scaled intensities for stains.
    truth
        The first target as read: (Y, X) instances or a mask, (C, Y, X) intensities.
    source
        Name of the data folder, where there are several. Default: empty.
    magnify
        Magnification of its crops, times that of the augmentation. Default: 1.
    known
        (C, Y, X), where each map is known; None (default) for everywhere.
    """

    name: str
    image: NDArray[np.float32]
    maps: NDArray[np.float32]
    truth: NDArray[np.generic]
    source: str = ""
    magnify: float = 1.0
    known: NDArray[np.bool_] | None = None


def fingerprint(pairs: list[tuple[Path, list[Path]]], names: Sequence[str] = ()) -> str:
    """Return the SHA-256 over the names and contents of all files of a data set.

    Parameters
    ----------
    pairs
        Each image, with the files of its truth.
    names
        More names that tell data sets apart, such as those of the images with their folders.
        Default: none.
    """
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0")
    for image, truths in pairs:
        for path in (image, *truths):
            inside = sorted(part for part in path.rglob("*") if part.is_file())
            for file in inside or [path]:  # an OME-Zarr is a folder of files
                digest.update(file.name.encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class Planes:
    """How the focal planes of a field become the channels of one crop.

    Attributes
    ----------
    count
        Number of planes, in order along z, that lie behind each other in the channels of a
        field; of them a crop shows one. Default: 1.
    between
        Share of the crops that blend two neighbours, as a focus between them. Default: 0.
    """

    count: int = 1
    between: float = 0.0

    def draw(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return what a crop shows of all planes; a single plane draws nothing.

        Parameters
        ----------
        image
            (count times K, Y, X).
        rng
            Source of the draws.

        Returns
        -------
        Tensor
            (K, Y, X).
        """
        if self.count == 1:
            return image
        planes = image.chunk(self.count)
        if rng.random() < self.between:
            first, share = int(rng.integers(self.count - 1)), rng.random()
            return planes[first] * (1 - share) + planes[first + 1] * share
        return planes[int(rng.integers(self.count))]


class CropDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Crops of all fields; item `index` of epoch `epoch` is always the same crop.

    Parameters
    ----------
    fields
        Training images of the same channels. Where one is only partly known, so are all, and the
        targets of a crop are as :func:`.settle_known` gives them.
    recipe
        How crops are cut and changed.
    seed
        Seed of all draws.
    shares
        Name of each source -> its part of the random crops, in relation to the others'. Empty
        (default): by area, as fields of one source are drawn among each other.
    vectors
        First of two target channels that are the components of vectors along Y and X.
        Default: None.
    planes
        Of the fields' images. Default: one.
    """

    def __init__(
        self,
        fields: list[Field],
        recipe: FieldDataRecipe,
        seed: int,
        shares: Mapping[str, float] | None = None,
        vectors: int | None = None,
        planes: Planes | None = None,
    ) -> None:
        self.recipe, self.seed, self.epoch = recipe, seed, 0
        self.planes = planes or Planes()
        self.inputs = len(fields[0].image)
        self.vectors = None if vectors is None else self.inputs + vectors
        self.partial = any(field.known is not None for field in fields)
        self.stacks = [np.concatenate([field.image, self._truth(field)]) for field in fields]
        self.probabilities = _probabilities(fields, shares or {})
        augment = recipe.augment
        self.augments = [augment and magnified(augment, field.magnify) for field in fields]
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
        """Return the number of crops in one epoch."""
        return len(self.tiles) if self.recipe.sampling == "tiles" else self.recipe.crops_per_epoch

    def _truth(self, field: Field) -> NDArray[np.float32]:
        if not self.partial:
            return field.maps
        return known_maps(field.maps, field.known)

    def _place(self, index: int, rng: np.random.Generator) -> tuple[int, tuple[int, int]]:
        if self.recipe.sampling == "tiles":
            number, y, x = self.tiles[index]
            return number, (y, x)
        number = int(rng.choice(len(self.stacks), p=self.probabilities))
        stack = self.stacks[number]
        if self.partial:
            size, share = self.recipe.crop_size, self.recipe.foreground_share
            level = self.recipe.foreground_level
            return number, annotated_place(stack[self.inputs :], size, share, level, rng)
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
        size, augment = self.recipe.crop_size, self.augments[number]
        if augment is None:
            crop = torch.from_numpy(cut(self.stacks[number], centre, size, self.vectors))
            return self.planes.draw(crop[: self.inputs], rng), self._target(crop)
        crop = warp_crop(self.stacks[number], centre, size, augment, rng, self.vectors)
        image = self.planes.draw(crop[: self.inputs], rng)
        return jitter(image, augment, rng), self._target(crop)

    def _target(self, crop: torch.Tensor) -> torch.Tensor:
        target = crop[self.inputs :]
        return settle_known(target) if self.partial else target


def _known_area(field: Field) -> int:
    if field.known is None:
        return int(field.image[0].size)
    return int(np.count_nonzero(field.known.any(0)))


def _probabilities(fields: list[Field], shares: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the probability of each field to be cropped: by known area, or its source's share."""
    areas = np.array([_known_area(field) for field in fields], float)
    weights: NDArray[np.float64] = areas / areas.sum()
    if not shares:
        return weights
    sources = np.array([field.source for field in fields])
    weights = np.zeros(len(fields))
    for source, share in shares.items():
        own = sources == source
        if not own.any():
            raise RecipeError(
                f"The source “{source}” has a share of the crops, but its split leaves no image "
                "to train on."
            )
        weights[own] = share * areas[own] / areas[own].sum()
    weights /= weights.sum()
    return weights


class EpochCrops(Protocol):
    """Crops of which item `index` of epoch `epoch` is always the same."""

    seed: int
    epoch: int

    def __len__(self) -> int:
        """Return the number of crops in one epoch."""

    def __getitem__(self, index: int, /) -> Any:
        """Return one crop."""


class EpochOrder(Sampler[tuple[int, int]]):
    """Sampler of the crops in random order, drawn from (seed, epoch) when an epoch begins.

    Parameters
    ----------
    dataset
        The crops.
    process, processes
        Index of this process, and number of all: each sees its own part, and as many crops as
        the others. Their batches together are those of one process with a larger batch.
        Default: 0 of 1.
    """

    def __init__(self, dataset: EpochCrops, process: int = 0, processes: int = 1) -> None:
        self.dataset, self.process, self.processes = dataset, process, processes

    def __len__(self) -> int:
        """Return the number of crops of this process in one epoch."""
        return len(self.dataset) // self.processes

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (epoch, index) for every index of the part once."""
        epoch = self.dataset.epoch
        rng = np.random.default_rng((self.dataset.seed, epoch))
        order = rng.permutation(len(self.dataset))[: len(self) * self.processes]
        return ((epoch, index) for index in order[self.process :: self.processes].tolist())


class EpochIndexed(Dataset[Any]):
    """Crops indexed by (epoch, index), so that loading workers persist over epochs."""

    def __init__(self, crops: EpochCrops) -> None:
        self.crops = crops

    def __getitem__(self, place: tuple[int, int]) -> Any:
        """Return one crop."""
        self.crops.epoch, index = place
        return self.crops[index]


class EpochData(LightningDataModule):
    """Data module of training crops.

    Attributes
    ----------
    dataset
        Set by :meth:`setup` of a subclass.
    pairs
        All files: each image, with those of its truth.
    train_names, validation_names
        Names of the training and of the validation images.
    """

    recipe: Recipe
    pairs: list[tuple[Path, list[Path]]]
    train_names: list[str]
    validation_names: Collection[str]
    dataset: EpochCrops | None = None

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of all files, computed once."""
        return fingerprint(self.pairs)

    def prepare_network(self, network: torch.nn.Module) -> None:
        """Set parameters of a network that an earlier training determined; none by default."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader of the crops of :attr:`EpochCrops.epoch` when iteration begins."""
        assert self.dataset is not None
        order, workers = EpochOrder(self.dataset), loading_workers(self.recipe.train)
        if self.trainer is not None:  # a resumed run makes its loader before its epoch
            self.dataset.epoch = self.trainer.current_epoch
            order = EpochOrder(self.dataset, self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(
            EpochIndexed(self.dataset),
            batch_size=self.recipe.train.batch_size,
            sampler=order,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=on_gpu(self.recipe.train),
            drop_last=len(order) >= self.recipe.train.batch_size,
        )


class CropData(EpochData):
    """Data module of training crops, and of indices of whole validation fields.

    Attributes
    ----------
    validation
        Set by :meth:`setup` of a subclass.
    """

    recipe: FieldRecipe
    validation: list[Field]

    def val_dataloader(self) -> DataLoader[int]:
        """Return indices of :attr:`validation`; whole fields are run by the module."""
        return DataLoader(range(len(self.validation)), batch_size=None)  # type: ignore[arg-type]
