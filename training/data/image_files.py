"""Image files of a data folder: selection, and matching with the files of their truth."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.images.files import TIFF_SUFFIXES, image_name, list_images
from napari_cytosynth.images.ome_zarr import is_zarr, zarr_images, zarr_labels
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.images.vendors import VENDOR_SUFFIXES

from .splits import hash_split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.images.loaded import Content, LoadedImage

__all__ = [
    "Pair",
    "Selection",
    "find_target_folder",
    "image_files",
    "label_image",
    "pair_images",
    "read_plane",
    "truth_files",
    "without_single_axes",
]

SUFFIXES = (*TIFF_SUFFIXES, ".png", *VENDOR_SUFFIXES)


@dataclass(frozen=True)
class Pair:
    """An image file and the file of its truth."""

    image: Path
    target: Path


@dataclass(frozen=True)
class Selection:
    """Conditions that select images of a folder; all hold together.

    Attributes
    ----------
    pattern
        Pattern of the image's name (:func:`.images.files.image_name`), such as ``016*``. Default:
        all.
    split_file
        Text file with one file name (with or without suffix) on each line. Default: None.
    hashed
        ``train``, ``validation`` or ``test``: that part of :func:`.splits.hash_split`. None
        (default) for all.
    names
        File names with or without suffix; empty (default) for all.
    """

    pattern: str = "*"
    split_file: Path | None = None
    hashed: str | None = None
    names: tuple[str, ...] = ()

    def apply(self, stems: Sequence[str]) -> list[str]:
        """Return the selected stems, in their order.

        Raises
        ------
        InputError
            If the split file is missing, or it or `names` names an image that is not there.
        """
        listed = self._listed()
        if listed is not None and (missing := sorted(listed - set(stems))):
            raise InputError(f"The split file names images that are not there: {missing[:3]}.")
        named = {image_name(normalize("NFC", name)) for name in self.names}
        if missing := sorted(named - set(stems)):
            raise InputError(
                f"There is no image called “{missing[0]}”; there are {', '.join(stems[:3])} …"
            )
        return [
            stem
            for stem in stems
            if fnmatch(stem, normalize("NFC", self.pattern))
            and (listed is None or stem in listed)
            and (self.hashed is None or hash_split(stem) == self.hashed)
            and (not named or stem in named)
        ]

    def _listed(self) -> set[str] | None:
        if self.split_file is None:
            return None
        try:
            lines = self.split_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The split file {self.split_file} cannot be read: {error}") from error
        return {image_name(line.strip()) for line in lines if line.strip()}


def image_files(folder: Path) -> dict[str, Path]:
    """Return the images of a folder, or of an OME-Zarr plate, by their names in a recipe.

    Raises
    ------
    InputError
        If the folder is an OME-Zarr whose images cannot be found.
    """
    if folder.suffix.lower() == ".zarr" and is_zarr(folder):
        return {image_name(place): place for place in zarr_images(folder).values()}
    files = list_images(folder, (*SUFFIXES, ".zarr"))
    return {name: path for name, path in files.items() if path.is_file() or is_zarr(path)}


def truth_files(folder: Path, objects: str) -> dict[str, Path]:
    """Return the masks or labels of a folder by the names of their images.

    Of an OME-Zarr it is the label image inside (see `label_image`).

    Raises
    ------
    InputError
        If an OME-Zarr has several, and none is called `objects`.
    """
    found = image_files(folder)
    return {
        name: label_image(path, objects) if path.is_dir() else path for name, path in found.items()
    }


def label_image(path: Path, objects: str) -> Path:
    """Return the label image of an OME-Zarr: that called `objects`, the only one, or itself.

    Raises
    ------
    InputError
        If none of several is called so.
    """
    labels = zarr_labels(path)
    if len(labels) < 2:
        return next(iter(labels.values()), path)
    if objects not in labels:
        raise InputError(
            f"“{path.name}” has the label images {', '.join(labels)}, but none called “{objects}”, "
            "as the recipe's target is. Give the target the name of one of them."
        )
    return labels[objects]


def read_plane(
    path: Path, content: Content = "image", messages: list[str] | None = None
) -> NDArray[Any]:
    """Read a grey plane (Y, X) as all commands read images.

    Parameters
    ----------
    path
        The file; of an OME-TIFF in several files, only this one is read.
    content
        Whether it is an image (default), a mask or labels.
    messages
        Gets what the reader says about the file. Default: dropped.

    Raises
    ------
    InputError
        If it cannot be read, or is anything else.
    """
    file = read_image(path, content=content, alone=True)
    if messages is not None:
        messages.extend(file.messages)
    plane = without_single_axes(file)
    if plane.ndim != 2:
        raise InputError(
            f"“{path.name}” has the shape {plane.shape}; one grey plane (Y, X) is expected. "
            "Convert colour images to grey and stacks into one file for each plane."
        )
    return plane


def without_single_axes(file: LoadedImage) -> NDArray[Any]:
    """Return an image without axes of one plane, which OME-Zarr and CZI always have."""
    axes = file.axes or ""
    single = [
        place for place, axis in enumerate(axes) if axis not in "YX" and file.data.shape[place] == 1
    ]
    plain: NDArray[Any] = np.squeeze(file.data, tuple(single))
    return plain


def _folders(data_dir: Path) -> str:
    names = sorted(path.name for path in data_dir.iterdir() if path.is_dir())
    return ", ".join(names) if names else "no folders"


def _image_folder(data_dir: Path, images: str) -> Path:
    if not data_dir.is_dir():
        raise InputError(f"There is no data folder “{data_dir}”.")
    folder = data_dir / images
    if not folder.is_dir():
        inside = [sub.parent.name for sub in sorted(data_dir.glob(f"*/{images}")) if sub.is_dir()]
        hint = f" Did you mean its folder {' or '.join(inside)}?" if inside else ""
        raise InputError(
            f"“{data_dir}” has no folder “{images}” with the images; it has "
            f"{_folders(data_dir)}.{hint}"
        )
    return folder


def find_target_folder(data_dir: Path, masks: str | None, objects: str) -> str:
    """Return the name of the folder with the truth.

    Parameters
    ----------
    data_dir
        Folder of the data set.
    masks
        Name that the user gave, or None.
    objects
        What the model segments, such as ``mitochondria``: a folder of that name, or else
        one called ``labels``, is taken where `masks` is None.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    names = [masks] if masks else [objects.lower().replace(" ", "-"), "labels"]
    for name in names:
        if (data_dir / name).is_dir():
            return name
    raise InputError(
        f"“{data_dir}” has no folder “{'” or “'.join(names)}” with the truth; it has "
        f"{_folders(data_dir)}. Name the right one with --masks."
    )


def pair_images(
    data_dir: Path, images: str, masks: str, selection: Selection | None = None
) -> list[Pair]:
    """Match the images of a data folder with their truth by file name.

    Parameters
    ----------
    data_dir
        Folder of the data set.
    images, masks
        Names of the two folders inside it.
    selection
        Conditions on the images; None (default) for all.

    Returns
    -------
    list of Pair
        At least one, ordered by name.

    Raises
    ------
    InputError
        If a folder is missing, nothing is selected, or an image has no truth.
    """
    found = image_files(_image_folder(data_dir, images))
    targets = truth_files(data_dir / masks, masks) if (data_dir / masks).is_dir() else {}
    stems = (selection or Selection()).apply(list(found))
    if not stems:
        raise InputError(f"No image in “{data_dir / images}” was selected.")
    missing = [stem for stem in stems if stem not in targets]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(stems)} images have no truth of the same name in "
            f"“{data_dir / masks}”, for example “{missing[0]}”."
        )
    return [Pair(found[stem], targets[stem]) for stem in stems]
