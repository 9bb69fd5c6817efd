"""The data folder of a fine-tuning, copied from arrays: the run and its resumption read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_cytosynth.errors import OutputError, RecipeError
from napari_cytosynth.files import explained_errors, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .pairs import AnnotatedPlane
    from .strokes import HeldOut

__all__ = ["ANNOTATED", "FOLDER", "HELD_OUT", "IMAGES", "write_material"]

FOLDER, IMAGES, ANNOTATED, HELD_OUT = "data", "image", "annotated", "held-out"


def write_material(
    out: Path, planes: Sequence[AnnotatedPlane], held_out: HeldOut, truth: str
) -> Path:
    """Write the data folder, or find it as it was written before.

    Parameters
    ----------
    out
        Run folder, which need not exist.
    planes, held_out
        What is written.
    truth
        Name of the folder of the truth.

    Returns
    -------
    Path
        The data folder in `out`.

    Raises
    ------
    RecipeError
        If there is one with other images or labels.
    OutputError
        If it cannot be written.
    """
    folder, files = out / FOLDER, _files(planes, held_out, truth)
    if folder.exists():
        if not _same(folder, files):
            raise RecipeError(
                f"“{out}” holds the images of another training: choose another folder."
            )
        return folder
    with explained_errors(folder):
        out.mkdir(parents=True, exist_ok=True)
        with scratch_folder(out) as scratch:
            for name, array in files.items():
                path = scratch / FOLDER / name
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, array, compression="zlib")
            (scratch / FOLDER).rename(folder)
    return folder


def _files(
    planes: Sequence[AnnotatedPlane], held_out: HeldOut, truth: str
) -> dict[str, NDArray[Any]]:
    """Return all files by their names in the data folder."""
    files: dict[str, NDArray[Any]] = {}
    digits = len(str(len(planes)))
    for number, plane in enumerate(planes):
        name = f"{number + 1:0{digits}d}.tif"
        image = plane.image
        files[f"{IMAGES}/{name}"] = image.astype(np.uint8) if image.dtype == bool else image
        largest = np.min_scalar_type(int(plane.objects.max()))
        files[f"{truth}/{name}"] = plane.objects.astype(np.result_type(largest, np.uint8))
        files[f"{ANNOTATED}/{name}"] = plane.annotated
        if held_out.masks:
            files[f"{HELD_OUT}/{name}"] = held_out.masks[number].astype(np.uint8)
    return files


def _same(folder: Path, files: dict[str, NDArray[Any]]) -> bool:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.tif")}
    if there != set(files):
        return False
    try:
        return all(
            np.array_equal(tifffile.imread(folder / name), array) for name, array in files.items()
        )
    except (OSError, tifffile.TiffFileError) as error:
        raise OutputError(f"“{folder}” cannot be read: {error}. Choose another folder.") from error
