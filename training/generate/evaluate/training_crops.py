"""Training crops of a generator, cut again at the places stored with its embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.errors import InputError
from napari_cytosynth.training.generate.data import GenerateData
from napari_cytosynth.training.generate.loading import load_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.training.generate.data import Crops

__all__ = ["training_crops"]


def training_crops(
    data_dir: str | Path, recipe: str | Path | None = None
) -> Callable[[str, int], Crops]:
    """Return a cutter of crops for :func:`~napari_cytosynth.tasks.nearest.nearest_training`.

    Parameters
    ----------
    data_dir
        Folder of the training data.
    recipe
        Name or path of the recipe that the model was trained by; None for the one that its
        card names.

    Returns
    -------
    callable
        Takes the recipe's name on the card and a number of crops; returns as many
        :class:`~napari_cytosynth.training.generate.data.Crops` of the training images. It raises
        InputError if there is no such recipe of a generator, and RecipeError if the data cannot be
        read.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise InputError(f"There is no folder “{folder}” with the training images.")

    def cut(name: str, count: int) -> Crops:
        advice = ": name the one that the model was trained by"
        wanted = str(recipe or name)
        if not wanted:
            raise InputError(f"“{wanted}” is not a recipe of a generator{advice}.")
        plan = load_generator(wanted, advice)
        return GenerateData(plan, folder).crops("train", count)

    return cut
