"""Layout of a data folder: the images that a recipe would train on, with their truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import RecipeError
from napari_cytosynth.images.files import PICTURE_SUFFIXES, TIFF_SUFFIXES, image_name, is_hidden
from napari_cytosynth.images.vendors import VENDOR_SUFFIXES

from .wording import counted, named

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .findings import Findings

__all__ = [
    "PARTS",
    "DataLayout",
    "Item",
    "MaskKind",
    "find_folder",
    "matched",
    "report_unread",
    "try_split",
]

PARTS = ("train", "validation", "test")
_SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES)
_OTHER_SUFFIXES = (*VENDOR_SUFFIXES, ".oib", ".vsi", ".bmp", ".gif")


@dataclass(frozen=True)
class Item:
    """One image with its truth or its stain, if it has any.

    Attributes
    ----------
    name
        Name by which the recipe's split refers to it.
    part
        One of `PARTS`.
    label
        Index of the class. Default: 0.
    read
        Returns the image as (C, Y, X), of the file's own type.
    read_truths
        Return each mask (Y, X), or the one stain (C, Y, X). Default: none.
    """

    name: str
    part: str
    read: Callable[[], NDArray[Any]]
    read_truths: tuple[Callable[[], NDArray[Any]], ...] = ()
    label: int = 0


@dataclass(frozen=True)
class MaskKind:
    """One folder of masks of a data set.

    Attributes
    ----------
    name
        Name of the objects that the masks mark.
    labels
        Whether each object has a number of its own. Default: False.
    invert
        Whether the object is where the mask is zero. Default: False.
    """

    name: str
    labels: bool = False
    invert: bool = False


@dataclass
class DataLayout:
    """All images of a data folder, and the recipe's requirements of them.

    Attributes
    ----------
    crop_size
        Side of a crop in px of the file.
    pads
        Whether an image smaller than a crop is filled up by reflection (default); else it stops
        training.
    items
        The images.
    masks
        Kind of each mask of an item, in the order of :attr:`Item.read_truths`.
    stains
        Names of the channels of the one stained image that each item has instead.
    classes
        Names of the classes, by :attr:`Item.label`.
    planes
        Number of focal planes that lie behind each other in the channels of an item. Default: 1.
    fixed_scaling
        Whether intensities are divided by the range of their type. Default: False.
    local_scaling
        Whether intensities are divided by their local mean. Default: False.
    messages
        What the reader of image files said about those that were read so far.
    pixels_validate
        Whether a part of the pixels of training images validates. Default: False.
    split_by_name
        Settings that choose validation images by name, with ``{}`` for a name.
    """

    crop_size: int
    pads: bool = True
    items: list[Item] = field(default_factory=list)
    masks: list[MaskKind] = field(default_factory=list)
    stains: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    planes: int = 1
    fixed_scaling: bool = False
    local_scaling: bool = False
    messages: list[str] = field(default_factory=list)
    pixels_validate: bool = False
    split_by_name: str = "data.split.kind=names 'data.split.validation=[{}]'"

    def part(self, part: str) -> list[Item]:
        """Return the images of a part."""
        return [item for item in self.items if item.part == part]


def matched(
    images: dict[str, Path], truths: dict[str, Path], folder: str, what: str, report: Findings
) -> list[str]:
    """Return the names that are in both; report those that are in one only."""
    missing = [name for name in images if name not in truths]
    spare = [name for name in truths if name not in images]
    if missing:
        close = get_close_matches(missing[0], spare, 1, 0.6)
        hint = f" Is “{close[0]}” meant for “{missing[0]}”?" if close else ""
        report.errors.append(
            f"{counted(len(missing), 'image')} of {len(images):,} without {what} of the same "
            f"name in “{folder}”: {named(missing)}.{hint} Rename or add the files, or take the "
            "images away."
        )
    if spare:
        report.warnings.append(
            f"{counted(len(spare), 'file')} in “{folder}” without an image of the same name: "
            f"{named(spare)}. They will not be used."
        )
    return [name for name in images if name in truths]


def report_unread(folder: Path, suffixes: tuple[str, ...], report: Findings) -> None:
    """Report files of other types, and names that come with two types."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not is_hidden(path)]
    known = {*_SUFFIXES, *_OTHER_SUFFIXES} - set(suffixes)
    other = [path.name for path in files if path.suffix.lower() in known]
    if other:
        report.warnings.append(
            f"{counted(len(other), 'file')} in “{folder.name}” of a kind that is not read here: "
            f"{named(other)}. Convert them to TIFF."
        )
    stems = [image_name(path) for path in files if path.suffix.lower() in suffixes]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1}) if len(stems) < 5000 else []
    if twice:
        report.warnings.append(
            f"{counted(len(twice), 'name')} in “{folder.name}” with two files: "
            f"{named(twice)}. Only one of each is certain to be used; take the other away."
        )


def find_folder(data_dir: Path, name: str, part: str = "") -> Path:
    """Return a folder of the data set.

    Raises
    ------
    RecipeError
        If it does not exist, with the folders that do.
    """
    folder = data_dir / part / name
    if folder.is_dir():
        return folder
    place = data_dir / part if (data_dir / part).is_dir() else data_dir
    there = sorted(path.name for path in place.iterdir() if path.is_dir())
    inside = [sub.parent.name for sub in sorted(data_dir.glob(f"*/{name}")) if sub.is_dir()]
    inside = [each for each in inside if each != "test"]  # nobody is sent to train on that
    best = "train" if "train" in inside else "".join(inside[:1])
    hint = f" Did you mean “{data_dir / best}”?" if best and not part else ""
    raise RecipeError(
        f"The recipe reads the folder “{Path(part) / name}”, but “{place}” has "
        f"{', '.join(there) or 'no folders'}.{hint}"
    )


def try_split(
    split: Callable[..., tuple[list[str], list[str]]], names: Any, recipe: Any, report: Findings
) -> tuple[set[str], set[str]]:
    """Split as training does; where it would stop, report why and train on all."""
    try:
        train, validation = split(names, recipe)
    except RecipeError as error:
        report.errors.append(f"{error} The recipe's data.split names images that are not there.")
        return set(names), set()
    return set(train), set(validation)
