"""Data folders of a study of synthetic data: real slices and generated pairs.

Everything is written once as the generator sees it (shrunk, scaled to 8 bits), so that real
and synthetic images reach the segmenter alike and its data module need not distinguish them.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
from skimage.io import imsave

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.training.data.crops import fingerprint
from napari_cytosynth.training.data.splits import check_split
from napari_cytosynth.training.generate.files import find_images, read_fields
from napari_cytosynth.training.reports.records import results_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.training.generate.files import DatasetImage, ImageField
    from napari_cytosynth.training.generate.recipe import ImageRecipe

    from .plan import Plan

__all__ = ["check_files", "copy_pairs", "nested_slices", "pair_names", "write_pairs", "write_part"]

_FOLDERS = ("image", "mask")


def nested_slices(names: list[str], count: int, draw: int) -> tuple[str, ...]:
    """Choose slices by a seed; more of the same seed include the fewer.

    Parameters
    ----------
    names
        All slices that may train.
    count
        How many to choose.
    draw
        Seed.

    Raises
    ------
    RecipeError
        If there are not as many.
    """
    if count > len(names):
        raise RecipeError(
            f"There are {len(names)} slices to train on, not {count}: choose other slices."
        )
    order = np.random.default_rng(draw).permutation(len(names))
    return tuple(sorted(names)[place] for place in order[:count])


def check_files(plan: Plan, data_dir: Path) -> str:
    """Check the images and masks of every part; return a fingerprint of all but the test's.

    Of test images only the names are read.

    Raises
    ------
    RecipeError
        If images or masks are missing, or a test image is to be learned from.
    """
    found = find_images(plan.source.data, data_dir)
    learned = [*found["train"], *found["validation"]]
    seen = {file.path.resolve() for file in learned}
    if shared := [file.path.name for file in found["test"] if file.path.resolve() in seen]:
        raise RecipeError(
            f"{len(shared)} test images are among those to learn from, for example “{shared[0]}”: "
            "choose other folders in data.parts."
        )
    return fingerprint([(file.path, [file.mask] if file.mask else []) for file in learned])


def write_part(plan: Plan, data_dir: Path, part: str, folder: Path) -> list[str]:
    """Write the real images and masks of a part; return their names.

    Only the final test writes the part ``test``: other steps read no test image.

    Raises
    ------
    RecipeError
        If images or masks are missing or cannot be used.
    OutputError
        If they cannot be written.
    """
    files, recipe = _files(plan, data_dir, part)
    names = [file.name for file in files]
    missing = set(names) - set(pair_names(folder))
    if missing:
        bounds = _files(plan, data_dir, "train")[0] if recipe.scaling == "source" else []
        wanted = [file for file in files if file.name in missing]
        images, masks = zip(*map(_planes, read_fields(wanted, recipe, bounds)), strict=True)
        write_pairs(folder, [file.name for file in wanted], images, masks)
    return names


def _files(plan: Plan, data_dir: Path, part: str) -> tuple[list[DatasetImage], ImageRecipe]:
    recipe = plan.source.data
    if part != "test":
        parts = recipe.parts.model_copy(update={"test": []})
        recipe = recipe.model_copy(update={"parts": parts})
    found = find_images(recipe, data_dir)
    check_split(found["train"], found["validation"])
    return found[part], recipe


def _planes(field: ImageField) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    pixels = field.pixels
    assert pixels is not None
    return pixels[0], pixels[-1] > 127


def write_pairs(
    folder: Path,
    names: Sequence[str],
    images: Sequence[NDArray[np.uint8]],
    masks: Sequence[NDArray[np.bool_]],
) -> None:
    """Write grey images and their masks as PNG files of the same name.

    Parameters
    ----------
    folder
        Gets the folders ``image`` and ``mask``.
    names
        Of the files, without suffix.
    images
        (Y, X) uint8.
    masks
        (Y, X), true inside.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    with results_folder(folder):
        for part in _FOLDERS:
            (folder / part).mkdir(exist_ok=True)
        for name, image, mask in zip(names, images, masks, strict=True):
            # the image last: where it is, the mask is too
            _write(folder / "mask" / f"{name}.png", mask.astype(np.uint8) * 255)
            _write(folder / "image" / f"{name}.png", image)


def _write(path: Path, plane: NDArray[np.uint8]) -> None:
    """Write a file atomically: a killed study resumes with the files that exist."""
    part = path.parent.with_name("unfinished.png")
    imsave(part, plane, check_contrast=False)
    part.replace(path)


def pair_names(folder: Path) -> list[str]:
    """Return the names of the pairs that were written into a folder."""
    return sorted(path.stem for path in (folder / "image").glob("*.png"))


def copy_pairs(source: Path, names: list[str], target: Path, prefix: str = "") -> None:
    """Copy pairs into another folder, with a prefix (default: empty) to their names.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    with results_folder(target):
        for part in _FOLDERS:
            (target / part).mkdir(exist_ok=True)
            for name in names:
                shutil.copyfile(
                    source / part / f"{name}.png", target / part / f"{prefix}{name}.png"
                )
