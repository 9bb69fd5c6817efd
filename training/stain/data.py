"""Pairs of a transmitted-light image and its stains, split by field, served as crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.images.files import image_name
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.training.data.crops import CropData, CropDataset, Field, Planes
from napari_cytosynth.training.data.input_record import QUANTILES, input_quantiles
from napari_cytosynth.training.data.splits import check_split, hash_split
from napari_cytosynth.zoo.card import OutputScaling

from .files import field_files, read_channels, read_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .recipe import PairRecipe, PairSplitRecipe, StainRecipe

__all__ = ["QUANTILES", "StainData", "find_field_pairs", "split_fields", "target_scaling"]

_MAX_SAMPLES = 2_000_000

Pairs = dict[str, tuple[tuple[Path, ...], Path]]


def find_field_pairs(data_dir: Path, recipe: PairRecipe) -> Pairs:
    """Match input and target fields by name.

    Returns
    -------
    dict
        Name of the field -> (its input in each of the recipe's folders, target). With a split
        by folders, the names begin with their folder: ``train/field``.

    Raises
    ------
    RecipeError
        If a folder is missing or empty, or an input has no target of its name, or is missing
        in one of several focal planes.
    """
    pairs: Pairs = {}
    for part in recipe.split.folders:
        folder = Path(data_dir) / part
        planes = [field_files(folder / name) for name in recipe.input_folders]
        targets = field_files(folder / recipe.targets)
        first = planes[0]
        _check_complete(first, targets, "stained image")
        for name, plane in zip(recipe.input_folders[1:], planes[1:], strict=True):
            _check_complete(first, plane, f"image in “{name}”")
        prefix = f"{part}/" if part else ""
        pairs |= {
            prefix + name: (tuple(plane[name] for plane in planes), targets[name])
            for name in first
        }
    return pairs


def _check_complete(images: dict[str, Path], others: dict[str, Path], what: str) -> None:
    """Raise RecipeError if an image has no other of its name."""
    if missing := [name for name in images if name not in others]:
        raise RecipeError(
            f"{len(missing)} of {len(images)} images have no {what} of the same "
            f"name, for example “{missing[0]}”."
        )


def target_scaling(targets: list[NDArray[np.float32]], recipe: PairRecipe) -> list[OutputScaling]:
    """Compute the fixed scaling of each stain, from percentiles over all training fields.

    Parameters
    ----------
    targets
        (C, Y, X) of each field, in their own units.
    """
    scalings = []
    for channel, name in enumerate(recipe.target_channels):
        planes = [target[channel].ravel() for target in targets]
        step = max(1, sum(plane.size for plane in planes) // _MAX_SAMPLES)
        pixels = np.concatenate([plane[::step] for plane in planes])
        low, high = np.percentile(pixels, [recipe.low, recipe.high])
        if not low < high:  # a few objects on an empty background, or nearly all saturated
            low, high = pixels.min(), pixels.max()
        if not low < high:
            raise RecipeError(f"The stain “{name}” has the same value everywhere.")
        scalings.append(OutputScaling(offset=float(low), scale=float(high - low)))
    return scalings


def split_fields(fields: Pairs, split: PairSplitRecipe) -> tuple[list[str], list[str]]:
    """Return the names of training and validation fields; the others are left for testing.

    Raises
    ------
    RecipeError
        If a field that should validate is not there.
    """
    names = list(fields)
    if split.kind == "folders":
        validates = {n for n in names if any(f"{n}/".startswith(f"{p}/") for p in split.validation)}
        if unknown := [p for p in split.validation if not _any_in(p, names)]:
            raise RecipeError(f"Validation fields not found: {', '.join(sorted(unknown))}.")
    elif split.kind == "names":
        validates = {image_name(name) for name in split.validation}
        if unknown := validates - set(names):
            raise RecipeError(f"Validation fields not found: {', '.join(sorted(unknown))}.")
    elif split.kind == "last":
        validates = set(names[-split.count :])
    else:
        parts = {name: hash_split(_well(name, fields[name][0][0])) for name in names}
        validates = {name for name in names if parts[name] == "validation"}
        names = [name for name in names if parts[name] != "test"]
    train = [name for name in names if split.use_all or name not in validates]
    return train, [name for name in names if name in validates]


def _any_in(part: str, names: list[str]) -> bool:
    return any(f"{name}/".startswith(f"{part}/") for name in names)


def _well(name: str, path: Path) -> str:
    """Return the unit of the split: the well of a plate's field, else the field itself."""
    plate = [parent for parent in path.parents if parent.suffix == ".zarr"]
    return "-".join(path.parent.relative_to(plate[0]).parts) if plate else name


class StainData(CropData):
    """Training crops and whole validation fields of one data folder."""

    recipe: StainRecipe

    def __init__(self, recipe: StainRecipe, data_dir: Path) -> None:
        super().__init__()
        self.recipe = recipe
        self.fields = find_field_pairs(data_dir, recipe.data)
        self.pairs = [(images[0], [*images[1:], target]) for images, target in self.fields.values()]
        self.train_names, self.validation_names = split_fields(self.fields, recipe.data.split)
        check_split(self.train_names, self.validation_names, "fields")
        self.scaling: list[OutputScaling] = []
        self.quantiles: dict[str, tuple[float, float]] = {}

    def _read(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        image_paths, target_path = self.fields[name]
        data = self.recipe.data
        image = read_planes(image_paths, data.input_pick, data.channels_per_file)
        target = read_channels(target_path, data.pick, len(data.target_channels))
        if image.shape[1:] != target.shape[1:]:
            raise RecipeError(f"“{name}” is {image.shape[1:]}, its stain {target.shape[1:]}.")
        if not np.isfinite(target).all():
            raise RecipeError(f"The stain of “{name}” has pixels without a number (NaN).")
        return normalise(image, data.normalisation), target.astype(np.float32)

    def setup(self, stage: str) -> None:
        """Read all files into memory, once."""
        if self.dataset is not None:
            return
        read = {name: self._read(name) for name in {*self.train_names, *self.validation_names}}
        train = [read[name] for name in self.train_names]
        self.scaling = target_scaling([target for _, target in train], self.recipe.data)
        self.quantiles = input_quantiles(
            [plane for image, _ in train for plane in self._planes_of(image)]
        )
        made = {name: self._field(name, *pair) for name, pair in read.items()}
        self.validation = [
            replace(field, image=plane)
            for field in (made[name] for name in self.validation_names)
            for plane in self._planes_of(field.image)
        ]
        data = self.recipe.data
        self.dataset = CropDataset(
            [made[name] for name in self.train_names],
            data,
            self.recipe.train.seed,
            planes=Planes(data.planes_in_turn, data.between),
        )

    def _planes_of(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return what the network sees of a field at a time, (K, Y, X) each."""
        return np.split(image, self.recipe.data.planes_in_turn)

    def _field(self, name: str, image: NDArray[np.float32], target: NDArray[np.float32]) -> Field:
        offsets, scales = (
            np.array([getattr(item, key) for item in self.scaling], np.float32)[:, None, None]
            for key in ("offset", "scale")
        )
        return Field(name, image, (target - offsets) / scales, target)
