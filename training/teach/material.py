"""The data folder of a fine-tuning, copied from arrays: the run and its resumption read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_cytosynth.errors import OutputError, RecipeError
from napari_cytosynth.files import explained_errors, scratch_folder

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ANNOTATED", "FOLDER", "HELD_OUT", "IMAGES", "write_material"]

FOLDER, IMAGES, ANNOTATED, HELD_OUT = "data", "image", "annotated", "held-out"


def write_material(out: Path, files: dict[str, NDArray[Any]]) -> Path:
    """Write the data folder, or find it as it was written before.

    Parameters
    ----------
    out
        Run folder, which need not exist.
    files
        Name in the data folder -> (Y, X) or (C, Y, X).

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
    folder = out / FOLDER
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
                # pages are channels, never colours
                tifffile.imwrite(path, array, compression="zlib", photometric="minisblack")
            (scratch / FOLDER).rename(folder)
    return folder


def _same(folder: Path, files: dict[str, NDArray[Any]]) -> bool:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.tif")}
    if there != set(files):
        return False
    try:
        return all(
            np.array_equal(np.squeeze(tifffile.imread(folder / name)), np.squeeze(array))
            for name, array in files.items()
        )
    except (OSError, tifffile.TiffFileError) as error:
        raise OutputError(f"“{folder}” cannot be read: {error}. Choose another folder.") from error
