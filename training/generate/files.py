"""Image files of a generator's data: folders, class folders, PatchCamelyon's HDF5."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.transform import downscale_local_mean

from napari_cytosynth.errors import InputError, RecipeError
from napari_cytosynth.images.files import (
    PICTURE_SUFFIXES,
    TIFF_SUFFIXES,
    image_name,
    is_hidden,
    list_images,
)
from napari_cytosynth.images.ome_zarr import is_zarr
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.training.data.image_files import label_image, read_plane, without_single_axes
from napari_cytosynth.training.data.masks import check_truth
from napari_cytosynth.training.data.splits import hash_split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .recipe import ImageRecipe

__all__ = [
    "DatasetImage",
    "ImageField",
    "find_images",
    "h5_image",
    "mask_of",
    "read_fields",
    "read_pixels",
]

_SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES)
_PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetImage:
    """One image of a data set.

    Attributes
    ----------
    path
        The file; of an HDF5 file, the file of the images.
    source
        Top folder below the data folder: images of one source were taken alike.
    label
        Index of the class, 0 without classes.
    mask
        File of the mask.
    row
        Number of the image in an HDF5 file.
    """

    path: Path
    source: str
    label: int = 0
    mask: Path | None = None
    row: int | None = None

    @property
    def name(self) -> str:
        """Name of the image, with the row of an HDF5 file."""
        name = image_name(self.path)
        return name if self.row is None else f"{name}[{self.row}]"


@dataclass(eq=False)
class ImageField:
    """One scaled image to cut crops from: (C, Y, X) in [-1, 1], the signed mask last."""

    label: int
    shape: tuple[int, int]
    pixels: NDArray[np.uint8] | None
    file: DatasetImage
    bounds: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    def cut(self, y: int = 0, x: int = 0, size: int | None = None) -> NDArray[np.float32]:
        """Return a window (the whole image if no size is given) as float32 in [-1, 1].

        Rows of HDF5 files are read at each call.
        """
        pixels = _quantised(h5_image(self.file)) if self.pixels is None else self.pixels
        height, width = (size, size) if size else self.shape
        return pixels[:, y : y + height, x : x + width].astype(np.float32) / 127.5 - 1


# -- which files ------------------------------------------------------------------------


def _folder_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise RecipeError(f"The folder {folder} does not exist.")
    found = [
        path
        for path in sorted(folder.iterdir())
        if not is_hidden(path) and (path.suffix.lower() in _SUFFIXES or is_zarr(path))
    ]
    if not found:
        raise RecipeError(f"No TIFF, PNG, JPEG or OME-Zarr images in {folder}.")
    return found


def mask_of(image: Path, recipe: ImageRecipe) -> Path | None:
    """Return the file of an image's mask; None if the recipe reads no masks.

    Raises
    ------
    RecipeError
        If there is none of the image's name.
    """
    if not recipe.mask:
        return None
    folder, name = image.parent.parent / recipe.mask, image_name(image)
    for suffix in _SUFFIXES:
        for mask in (folder / f"{name}{suffix}", folder / f"{name}.ome{suffix}"):
            if mask.is_file():
                return mask
    for mask in (folder / f"{name}.zarr", folder / f"{name}.ome.zarr"):
        if is_zarr(mask):
            return label_image(mask, recipe.mask_name)
    # a name with accents may be written in two ways
    if not name.isascii() and folder.is_dir() and (found := list_images(folder, _SUFFIXES)):
        if name in found:
            return found[name]
    raise RecipeError(f"{image.name} has no mask in {folder}.")


def _source(place: str, data_dir: Path) -> str:
    parts = Path(place).parts
    return parts[0] if len(parts) > 1 else str(data_dir)


def _files_in(place: str, recipe: ImageRecipe, data_dir: Path) -> list[DatasetImage]:
    source = _source(place, data_dir)
    if recipe.kind == "hdf5":
        return _h5_files(data_dir / place, recipe, source)
    if recipe.kind == "classes":
        return [
            DatasetImage(path, source, label)
            for label, name in enumerate(recipe.classes)
            for path in _folder_files(data_dir / place / name)
        ]
    paths = _folder_files(data_dir / place)
    return [DatasetImage(path, source, mask=mask_of(path, recipe)) for path in paths]


def find_images(recipe: ImageRecipe, data_dir: Path) -> dict[str, list[DatasetImage]]:
    """List the images of the parts ``train``, ``validation`` and ``test``.

    Raises
    ------
    RecipeError
        If a folder is missing or empty, a mask is missing, or a name that should
        validate is not there.
    """
    parts = recipe.parts
    found: dict[str, list[DatasetImage]] = {}
    for part in _PARTS:
        places: Sequence[str] = getattr(parts, part)
        found[part] = [file for place in places for file in _files_in(place, recipe, data_dir)]
    if parts.hashed != "none":
        every, found["train"] = found["train"], []
        for file in every:
            part = hash_split(file.name)
            if parts.hashed == "validation" and part == "test":
                part = "train"
            found[part].append(file)
    names = {image_name(name) for name in parts.validation_names}
    if missing := names - {file.name for file in found["train"]}:
        raise RecipeError(f"Validation images not found: {', '.join(sorted(missing))}.")
    found["validation"] += [file for file in found["train"] if file.name in names]
    found["train"] = [file for file in found["train"] if file.name not in names]
    return found


# -- PatchCamelyon ------------------------------------------------------------------------


def _h5_open(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise RecipeError(
            "HDF5 files need the package h5py: pip install 'napari-cytosynth[train]'."
        ) from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise RecipeError(f"{path} cannot be read as HDF5: {error}.") from error


def _h5_files(path: Path, recipe: ImageRecipe, source: str) -> list[DatasetImage]:
    """List the rows of a file of images `…_x.h5`, labelled by `…_y.h5` beside it."""
    truth = path.with_name(path.name.replace("_x.h5", "_y.h5"))
    if truth == path:
        raise RecipeError(f"{path.name} should end in _x.h5, with the labels in a file …_y.h5.")
    with _h5_open(truth) as file:
        labels = np.asarray(file["y"]).reshape(-1).astype(int)
    if len(labels) and labels.max() >= len(recipe.classes):
        raise RecipeError(f"{truth.name} holds more classes than the recipe names.")
    return [DatasetImage(path, source, int(label), row=row) for row, label in enumerate(labels)]


def h5_image(file: DatasetImage) -> NDArray[np.float64]:
    """Read one image (C, Y, X) of an HDF5 file, in [0, 1]."""
    with _h5_open(file.path) as content:
        rgb = np.asarray(content["x"][file.row])
    return np.moveaxis(rgb, -1, 0) / 255.0


# -- reading and scaling --------------------------------------------------------------------


def _quantised(scaled: NDArray[np.float64]) -> NDArray[np.uint8]:
    # eight bits: what the likelihood in bits per dimension is defined for
    result: NDArray[np.uint8] = np.rint(scaled.clip(0, 1) * 255).astype(np.uint8)
    return result


def read_pixels(path: Path, recipe: ImageRecipe, messages: list[str] | None = None) -> NDArray[Any]:
    """Read an image as (C, Y, X), with the recipe's channels and number of averaged pixels.

    Parameters
    ----------
    path
        The file; of an OME-TIFF in several files, only this one is read.
    recipe
        The recipe's block ``data``.
    messages
        Gets what the reader says about the file. Default: dropped.

    Raises
    ------
    RecipeError
        If it cannot be read, or has other channels.
    """
    try:
        file = read_image(path, alone=True)
    except InputError as error:
        raise RecipeError(f"In “{path.parent}”: {error}") from error
    if messages is not None:
        messages.extend(file.messages)
    image = without_single_axes(file)
    wanted = len(recipe.channels)
    if image.ndim == 2:
        image = image[None]
    elif image.ndim == 3 and image.shape[0] != wanted and image.shape[-1] in (wanted, wanted + 1):
        image = np.moveaxis(image, -1, 0)[:wanted]
    if image.ndim != 3 or len(image) != wanted:
        raise RecipeError(
            f"{path.name} has the shape {image.shape}, but the recipe's data.channels names "
            f"{wanted}. Convert colour images to grey, or name all channels; they come first "
            "(C, Y, X)."
        )
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise RecipeError(
            f"{path.name} has pixels without a number (NaN or infinite), which a generator would "
            "learn: repair it, or take it away."
        )
    if recipe.scaling == "fixed" and np.issubdtype(image.dtype, np.integer):
        image = image / np.iinfo(image.dtype).max
    return _shrunk(image, recipe.shrink)


def _shrunk(image: NDArray[Any], factor: int) -> NDArray[Any]:
    if factor == 1:
        return image
    height, width = (length - length % factor for length in image.shape[-2:])
    result: NDArray[Any] = downscale_local_mean(  # type: ignore[no-untyped-call]
        image[:, :height, :width], (1, factor, factor)
    )
    return result


def _bounds(images: list[NDArray[Any]], recipe: ImageRecipe) -> NDArray[np.float64]:
    """Return the intensities that are scaled to 0 and 1, (C, 2)."""
    channels = range(len(recipe.channels))
    pixels = [np.concatenate([image[c].ravel()[::7] for image in images]) for c in channels]
    found = np.array([np.percentile(values, (recipe.low, recipe.high)) for values in pixels])
    found[:, 1] = np.maximum(found[:, 1], found[:, 0] + 1e-6)
    return found


def _signed_mask(path: Path, recipe: ImageRecipe) -> NDArray[np.float64]:
    """Return a mask in [0, 1] that passes 0.5 at the edge, softened to both sides of it."""
    plane = read_plane(path, "mask")
    if wrong := check_truth(plane, labels=False):
        raise RecipeError(f"“{path}” cannot be learned from: {wrong}.")
    mask = plane > 0
    inside = _shrunk(mask[None].astype(float), recipe.shrink)[0] > 0.5
    signed = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    signed -= np.sign(signed) * 0.5  # the edge runs between two pixels
    result: NDArray[np.float64] = 0.5 + 0.5 * np.clip(signed / recipe.mask_softness, -1, 1)
    return result


def read_fields(
    files: list[DatasetImage], recipe: ImageRecipe, train: list[DatasetImage]
) -> list[ImageField]:
    """Read, shrink and scale images; those of HDF5 files stay on disk.

    Parameters
    ----------
    files
        The images.
    recipe
        Describes their channels and scaling.
    train
        The training images, whose percentiles scale all images of their source.

    Raises
    ------
    RecipeError
        If an image cannot be read, has other channels, or is smaller than a crop.
    """
    if recipe.kind == "hdf5":
        shape = h5_image(files[0]).shape[-2:]
        fields = [ImageField(file.label, (shape[0], shape[1]), None, file) for file in files]
        return _large_enough(fields, recipe)
    of_source: dict[str, NDArray[np.float64]] = {}
    if recipe.scaling == "source":
        for source in {file.source for file in files}:
            like = [file for file in train if file.source == source] or files
            of_source[source] = _bounds([read_pixels(file.path, recipe) for file in like], recipe)
    fields = [_field(file, recipe, of_source.get(file.source)) for file in files]
    return _large_enough(fields, recipe)


def _field(
    file: DatasetImage, recipe: ImageRecipe, bounds: NDArray[np.float64] | None
) -> ImageField:
    image = read_pixels(file.path, recipe)
    if recipe.scaling == "fixed":
        bounds = np.tile([0.0, 1.0], (len(image), 1))
    elif bounds is None:
        bounds = _bounds([image], recipe)
    low, high = bounds[:, 0, None, None], bounds[:, 1, None, None]
    scaled = (image - low) / (high - low)
    if file.mask is not None:
        mask = _signed_mask(file.mask, recipe)
        if mask.shape != scaled.shape[1:]:
            raise RecipeError(f"{file.path.name} and its mask have different sizes.")
        scaled = np.concatenate([scaled, mask[None]])
    pixels = _quantised(scaled)
    return ImageField(file.label, (pixels.shape[1], pixels.shape[2]), pixels, file, bounds)


def _large_enough(fields: list[ImageField], recipe: ImageRecipe) -> list[ImageField]:
    for item in fields:
        if min(item.shape) < recipe.crop_size:
            raise RecipeError(
                f"{item.file.name} is {item.shape[0]} × {item.shape[1]} px after shrinking, "
                f"smaller than a crop of {recipe.crop_size} px."
            )
    return fields
