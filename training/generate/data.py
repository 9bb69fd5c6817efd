"""Images without truth: read, scaled, split by file, served as crops in [-1, 1]."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.data.crops import EpochData
from napari_cytosynth.training.data.splits import check_split

from .files import find_images, read_fields

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .files import ImageField
    from .recipe import GenerateRecipe, ImageRecipe

__all__ = ["Crops", "GenerateData", "GenerateDataset", "Part"]

Part = Literal["train", "validation", "test"]
Item = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

_STATISTICS_CROPS = 512


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops of real images, prepared as for the training of a generator.

    Attributes
    ----------
    images
        (N, C, Y, X) float32 in [-1, 1], in steps of 8 bits, the signed mask last.
    labels
        (N,) class indices, 0 without classes.
    conditions
        (N, K) standardised conditions.
    index
        (N, 4): number of the file in the part, y and x of the corner, view (0 to 7).
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    conditions: NDArray[np.float32]
    index: NDArray[np.int32]


def _views(crop: NDArray[np.float32], view: int) -> NDArray[np.float32]:
    turned = np.rot90(crop, view % 4, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if view >= 4 else turned)


class GenerateDataset(Dataset[Item]):
    """Random crops of one part, the same for the same index and epoch."""

    def __init__(self, fields: list[ImageField], recipe: ImageRecipe, seed: int) -> None:
        self.fields, self.recipe, self.seed, self.epoch = fields, recipe, seed, 0
        self.mean, self.std, self.range = 0.0, 1.0, (0.0, 1.0)
        areas = np.array([field.area for field in fields], float)
        self.probabilities = areas / areas.sum()
        self._inside: dict[int, NDArray[np.intp]] = {}
        if recipe.condition_on_fraction:
            fractions = [self._fraction(self.place(index)[0]) for index in range(_STATISTICS_CROPS)]
            self.mean, self.std = float(np.mean(fractions)), float(np.std(fractions)) or 1.0
            low, high = np.quantile(fractions, (0.02, 0.98)).tolist()
            self.range = low, high

    def __len__(self) -> int:
        """Return the number of crops in one epoch."""
        return self.recipe.crops_per_epoch

    def _fraction(self, crop: NDArray[np.float32]) -> float:
        return float((crop[-1] > 0).mean())

    def _corner(self, number: int, rng: np.random.Generator) -> tuple[int, int]:
        height, width = self.fields[number].shape
        size = self.recipe.crop_size
        room = height - size + 1, width - size + 1
        if rng.random() < self.recipe.foreground_share:
            if number not in self._inside:
                plane = self.fields[number].cut()[0]
                level = 2 * self.recipe.foreground_level - 1
                self._inside[number] = np.flatnonzero(plane > level)
            inside = self._inside[number]
            if inside.size:
                y, x = divmod(int(inside[rng.integers(inside.size)]), width)
                shift = rng.integers(-size // 4, size // 4 + 1, 2) - size // 2
                y, x = y + int(shift[0]), x + int(shift[1])
                return min(max(y, 0), room[0] - 1), min(max(x, 0), room[1] - 1)
        return int(rng.integers(room[0])), int(rng.integers(room[1]))

    def place(self, index: int) -> tuple[NDArray[np.float32], int, tuple[int, int, int, int]]:
        """Return the crop (C, S, S), its class, and where it was cut."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        number = int(rng.choice(len(self.fields), p=self.probabilities))
        y, x = self._corner(number, rng)
        size = self.recipe.crop_size
        view = int(rng.integers(8)) if self.recipe.turn else 0
        crop = self.fields[number].cut(y, x, size)
        return _views(crop, view), self.fields[number].label, (number, y, x, view)

    def condition(self, crop: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the standardised conditions (K,) of a crop."""
        if not self.recipe.condition_on_fraction:
            return np.empty(0, np.float32)
        return np.array([(self._fraction(crop) - self.mean) / self.std], np.float32)

    def __getitem__(self, index: int) -> Item:
        """Return the (C, S, S) crop in [-1, 1], its class, and its (K,) conditions."""
        crop, label, _ = self.place(index)
        return torch.from_numpy(crop), torch.tensor(label), torch.from_numpy(self.condition(crop))


class GenerateData(EpochData):
    """Crops of one data folder, in three parts.

    Parameters
    ----------
    recipe
        The validated recipe.
    data_dir
        Folder that the recipe's folders are in.

    Raises
    ------
    RecipeError
        If a folder is missing or empty, the split leaves nothing to train on or to
        validate with, or an image is smaller than a crop.
    """

    recipe: GenerateRecipe

    def __init__(self, recipe: GenerateRecipe, data_dir: Path) -> None:
        super().__init__()
        self.recipe = recipe
        self.files = find_images(recipe.data, Path(data_dir))
        check_split(self.files["train"], self.files["validation"])
        # a file of many images counts once
        self.pairs = [
            (path, [mask] if mask else [])
            for path, mask in dict.fromkeys(
                (file.path, file.mask)
                for part in ("train", "validation")
                for file in self.files[part]
            )
        ]
        self.train_names = [file.name for file in self.files["train"]]
        self.validation_names = {file.name for file in self.files["validation"]}
        self.validation: list[Item] = []
        self._parts: dict[str, GenerateDataset] = {}

    def part(self, part: Part) -> GenerateDataset:
        """Return the crops of a part, read at the first call."""
        if part not in self._parts:
            files = self.files[part]
            if not files:
                raise RecipeError(f"The recipe “{self.recipe.name}” names no images to {part}.")
            fields = read_fields(files, self.recipe.data, self.files["train"])
            self._parts[part] = GenerateDataset(fields, self.recipe.data, self.recipe.train.seed)
            if part != "train" and self.recipe.data.condition_on_fraction:
                train = self.part("train")
                self._parts[part].mean, self._parts[part].std = train.mean, train.std
        return self._parts[part]

    def setup(self, stage: str) -> None:
        """Read the training and validation images into memory, once."""
        if self.dataset is None:
            self.dataset = self.part("train")
            held_out = self.part("validation")
            self.validation = [
                held_out[index] for index in range(self.recipe.data.validation_crops)
            ]

    def crops(self, part: Part, count: int, seed: int = 0) -> Crops:
        """Cut `count` crops of a part as for training; equal seeds give equal crops."""
        source = self.part(part)
        dataset = copy.copy(source)
        dataset.seed, dataset.epoch = seed, 0
        placed = [dataset.place(index) for index in range(count)]
        return Crops(
            np.stack([crop for crop, _, _ in placed]),
            np.array([label for _, label, _ in placed], np.int64),
            np.stack([dataset.condition(crop) for crop, _, _ in placed]),
            np.array([where for _, _, where in placed], np.int32),
        )

    def val_dataloader(self) -> DataLoader[Item]:
        """Return the same crops of the validation images at every validation."""
        return DataLoader(
            self.validation,  # type: ignore[arg-type]
            batch_size=self.recipe.train.batch_size,
        )
