"""Pairs of a transmitted-light image and its stains, split by field, served as crops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.images.files import image_name
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.training.data.crops import CropData, CropDataset, Field
from napari_cytosynth.training.data.input_record import QUANTILES, input_quantiles
from napari_cytosynth.training.data.splits import check_split, hash_split
from napari_cytosynth.zoo.card import OutputScaling

from .files import field_files, read_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .recipe import PairRecipe, PairSplitRecipe, StainRecipe

__all__ = ["QUANTILES", "StainData", "find_field_pairs", "split_fields", "target_scaling"]

_MAX_SAMPLES = 2_000_000

Pairs = dict[str, tuple[Path, Path]]


def find_field_pairs(data_dir: Path, recipe: PairRecipe) -> Pairs:
    """Match input and target fields by name.

    Returns
    -------
    dict
        Name of the field -> (input, target). With a split by folders, the names begin
        with their folder: ``train/field``.

    Raises
    ------
    RecipeError
        If a folder is missing or empty, or an input has no target of its name.
    """
    split = recipe.split
    parts = [*split.train, *split.validation] if split.kind == "folders" else [""]
    pairs: Pairs = {}
    for part in parts:
        inputs = field_files(Path(data_dir) / part / recipe.inputs)
        targets = field_files(Path(data_dir) / part / recipe.targets)
        missing = [name for name in inputs if name not in targets]
        if missing:
            raise RecipeError(
                f"{len(missing)} of {len(inputs)} images have no stained image of the same "
                f"name, for example “{missing[0]}”."
            )
        prefix = f"{part}/" if part else ""
        pairs |= {prefix + name: (path, targets[name]) for name, path in inputs.items()}
    return pairs


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
        validates = {n for n in names if any(n.startswith(f"{p}/") for p in split.validation)}
    elif split.kind == "names":
        validates = {image_name(name) for name in split.validation}
        if unknown := validates - set(names):
            raise RecipeError(f"Validation fields not found: {', '.join(sorted(unknown))}.")
    elif split.kind == "last":
        validates = set(names[-split.count :])
    else:
        parts = {name: hash_split(_well(name, fields[name][0])) for name in names}
        validates = {name for name in names if parts[name] == "validation"}
        names = [name for name in names if parts[name] != "test"]
    train = [name for name in names if split.use_all or name not in validates]
    return train, [name for name in names if name in validates]


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
        self.pairs = [(image, [target]) for image, target in self.fields.values()]
        self.train_names, self.validation_names = split_fields(self.fields, recipe.data.split)
        check_split(self.train_names, self.validation_names, "fields")
        self.scaling: list[OutputScaling] = []
        self.quantiles: dict[str, tuple[float, float]] = {}

    def _read(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        image_path, target_path = self.fields[name]
        data = self.recipe.data
        image = read_channels(image_path, data.input_pick, len(data.input_channels))
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
        self.quantiles = input_quantiles([image for image, _ in train])
        made = {name: self._field(name, *pair) for name, pair in read.items()}
        self.validation = [made[name] for name in self.validation_names]
        self.dataset = CropDataset(
            [made[name] for name in self.train_names], self.recipe.data, self.recipe.train.seed
        )

    def _field(self, name: str, image: NDArray[np.float32], target: NDArray[np.float32]) -> Field:
        offsets, scales = (
            np.array([getattr(item, key) for item in self.scaling], np.float32)[:, None, None]
            for key in ("offset", "scale")
        )
        return Field(name, image, (target - offsets) / scales, target)
