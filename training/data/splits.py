"""Split of images into training, validation and test."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from napari_cytosynth.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Split", "check_split", "hash_split"]

Split = Literal["train", "validation", "test"]


def hash_split(stem: str) -> Split:
    """Return the split of an image from a hash of its file name without suffix.

    For data sets without an official split: the choice depends on the name alone, so it
    is the same on every machine and does not move when images are added. One file in ten
    is for validation, two in ten are for the test.

    Parameters
    ----------
    stem
        File name without folder and suffix.

    Returns
    -------
    {'train', 'validation', 'test'}
        The split.
    """
    digit = int(hashlib.sha1(stem.encode(), usedforsecurity=False).hexdigest(), 16) % 10
    if digit <= 1:
        return "test"
    return "validation" if digit == 2 else "train"


def check_split(
    train: Collection[object], validation: Collection[object], what: str = "images"
) -> None:
    """Raise RecipeError if a split leaves nothing to train on or to validate with."""
    if not train or not validation:
        raise RecipeError(
            f"The split leaves {len(train)} {what} to train on and "
            f"{len(validation)} to validate with; each needs at least one. Add some, or choose "
            "by name in data.split (of a generator: data.parts)."
        )
