"""The data folders of a segmentation recipe: one, or several to learn from together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.images.files import image_name
from napari_cytosynth.training.data.splits import hash_split
from napari_cytosynth.training.data.wording import named

if TYPE_CHECKING:
    from pathlib import Path

    from .recipe import DataRecipe, SplitRecipe

__all__ = ["DataSource", "Parts", "sources_of", "split_stems"]


@dataclass(frozen=True)
class DataSource:
    """One data folder, as the recipe reads it.

    Attributes
    ----------
    name
        Folder relative to the data folder, with slashes; empty where the recipe names no sources.
    images
        Folder of the images inside it.
    truths
        Folder of each target inside it.
    split
        Split of its images.
    annotated
        Folder inside it of the masks of what is known; None (default): all of its truth is.
    share
        Its part of the random crops, in relation to the others; None (default): by pixels.
    magnify
        Magnification of its crops. Default: 1.
    """

    name: str
    images: str
    truths: tuple[str, ...]
    split: SplitRecipe
    annotated: str | None = None
    share: float | None = None
    magnify: float = 1.0

    @property
    def held_out(self) -> str | None:
        """Folder inside it of the masks of what validates; None if whole images do."""
        by_pixels = self.annotated and self.split.kind == "pixels" and not self.split.use_all
        return self.split.held_out if by_pixels else None

    def place(self, data_dir: Path) -> Path:
        """Return the folder of the source.

        Raises
        ------
        RecipeError
            If it does not exist.
        """
        folder = data_dir / self.name
        if self.name and data_dir.is_dir() and not folder.is_dir():
            there = sorted(path.name for path in data_dir.iterdir() if path.is_dir())
            raise RecipeError(
                f"The recipe learns from the folder “{self.name}” among others, but “{data_dir}” "
                f"has {named(there) if there else 'no folders'}. Give the folder that holds all "
                "sources, or, to train on a single folder of your own, set data.sources=[] and "
                "data.split."
            )
        return folder

    def image(self, stem: str) -> str:
        """Return the name of an image among those of all sources."""
        return f"{self.name}/{stem}" if self.name else stem


@dataclass(frozen=True)
class Parts:
    """Stems of the training, validation and test images of one source, in their order.

    With a split by pixels, the same images train and validate.
    """

    train: list[str]
    validation: list[str]
    test: list[str]


def sources_of(recipe: DataRecipe) -> list[DataSource]:
    """Return the data folders of a recipe; without ``sources`` it is the data folder itself."""
    folders = [target.folder for target in recipe.targets]
    if not recipe.sources:
        return [DataSource("", recipe.images, tuple(folders), recipe.split, recipe.annotated)]
    return [
        DataSource(
            PurePath(source.folder).as_posix(),
            source.images or recipe.images,
            tuple(source.truths.get(folder, folder) for folder in folders),
            source.split,
            None if source.fully_annotated else recipe.annotated,
            source.share,
            source.magnify,
        )
        for source in recipe.sources
    ]


def _known(names: list[str], stems: list[str], what: str, source: str) -> set[str]:
    # with the source's name before it, as reports call it, or without
    found = {image_name(name.removeprefix(f"{source}/") if source else name) for name in names}
    if unknown := sorted(found - set(stems)):
        where = f" in “{source}”" if source else ""
        hint = " If no images are kept for a test, set the split's test to []."
        raise RecipeError(
            f"{what} images not found{where}: {', '.join(unknown)}.{hint * (what == 'Test')}"
        )
    return found


def split_stems(stems: list[str], split: SplitRecipe, source: str = "") -> Parts:
    """Split the images of one data folder.

    Parameters
    ----------
    stems
        Names of its images, in order.
    split
        Settings of the split.
    source
        Name of the source, which may stand before the names in `split`; empty (default) for the
        only folder.

    Raises
    ------
    RecipeError
        If an image that should validate or test is not there.
    """
    test = _known(split.test, stems, "Test", source)
    rest = [stem for stem in stems if stem not in test]
    if split.kind == "hash":
        digits = {stem: hash_split(stem) for stem in rest}
        validates = {stem for stem in rest if digits[stem] == "validation"}
        test |= {stem for stem in rest if digits[stem] == "test"}
    elif split.kind == "last":
        validates = set(rest[-split.count :])
    elif split.kind == "pixels":
        return Parts(rest, rest, [stem for stem in stems if stem in test])
    else:
        validates = _known(split.validation, stems, "Validation", source)
    return Parts(
        [stem for stem in rest if stem not in validates | test],
        [stem for stem in rest if stem in validates],
        [stem for stem in stems if stem in test],
    )
