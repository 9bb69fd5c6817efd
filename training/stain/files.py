"""Fields of image pairs on disk: TIFF, PNG, OME-Zarr images and OME-Zarr plates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError, RecipeError
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.training.data.image_files import image_files
from napari_cytosynth.training.data.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["field_files", "read_channels", "read_planes"]


def field_files(folder: Path) -> dict[str, Path]:
    """Return the fields of a folder, or of an OME-Zarr plate, by name and in order.

    Parameters
    ----------
    folder
        A folder of TIFF or PNG files and OME-Zarr images, or a plate (``NAME.zarr`` with
        rows, columns and fields inside; a field is then called ``row-column-field``).

    Raises
    ------
    RecipeError
        If there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise RecipeError(f"The folder {folder} does not exist.")
    try:
        found = image_files(folder)
    except InputError as error:
        raise RecipeError(str(error)) from error
    if list(found.values()) == [folder]:
        raise RecipeError(f"{folder} is an OME-Zarr, but no plate: name the folder it lies in.")
    if not found:
        raise RecipeError(f"No TIFF, PNG or OME-Zarr images in {folder}.")
    return found


def read_channels(
    path: Path, pick: list[int] | None, count: int, messages: list[str] | None = None
) -> NDArray[Any]:
    """Read a field as (C, Y, X) with `count` channels.

    Parameters
    ----------
    path
        One of :func:`field_files`.
    pick
        Indices of the channels; None for all.
    count
        Required number of channels.
    messages
        Gets what the reader says about the file. Default: dropped.

    Raises
    ------
    RecipeError
        If the file cannot be read, or its axes or channels do not fit.
    """
    try:
        file = read_image(path, alone=True)
    except InputError as error:
        raise RecipeError(str(error)) from error
    if messages is not None:
        messages.extend(file.messages)
    data, axes = file.data, file.axes or {2: "YX", 3: "CYX"}.get(file.data.ndim, "")
    stack = _channels_first(data, axes, path)
    there = len(stack)
    if pick is not None:
        if beyond := [index for index in pick if not 0 <= index < there]:
            raise RecipeError(
                f"{path.name} has {there} channels, counted from 0; there is no {beyond[0]}."
            )
        stack = stack[pick]
    if len(stack) != count:
        raise RecipeError(
            f"{path.name} has the shape {data.shape}, which is {counted(there, 'channel')}, but "
            f"the recipe names {count}. {_hint(data, axes, count)}"
        )
    return stack


def read_planes(
    paths: Sequence[Path], pick: list[int] | None, count: int, messages: list[str] | None = None
) -> NDArray[Any]:
    """Read the focal planes of a field as (planes times `count`, Y, X).

    Parameters and errors as for :func:`read_channels`; the planes must be of one size.
    """
    planes = [read_channels(path, pick, count, messages) for path in paths]
    sizes = {plane.shape[1:]: path for plane, path in zip(planes, paths, strict=True)}
    if len(sizes) > 1:
        said = ", ".join(f"{path.parent.name}: {y} × {x} px" for (y, x), path in sizes.items())
        raise RecipeError(
            f"The focal planes of “{paths[0].stem}” differ in size ({said}). They must be of the "
            "same field, pixel by pixel."
        )
    return np.concatenate(planes)


def _hint(data: NDArray[Any], axes: str, count: int) -> str:
    if axes == "YXC" and count == 1 and data.shape[-1] in (2, 3, 4):
        return (
            "It is a colour picture: choose one of its colours with input_pick: [1] (of a stain: "
            "pick: [1]), where 1 is green, or convert it to grey."
        )
    if axes != "YXC" and data.ndim == 3 and data.shape[-1] in (count, 3, 4):
        return "Channels must come first: save it as (C, Y, X)."
    return "Name them all, or choose some with pick or input_pick."


def _channels_first(data: NDArray[Any], axes: str, path: Path) -> NDArray[Any]:
    for axis in reversed(range(data.ndim)):
        if data.shape[axis] == 1 and axes[axis : axis + 1] not in ("Y", "X"):
            data = np.take(data, 0, axis)
            axes = axes[:axis] + axes[axis + 1 :]
    if axes == "YX":
        return data[None]
    # pages of a TIFF without other metadata are its channels, in the order of the file
    if axes[-2:] == "YX" and data.ndim == 3:
        return data
    if axes == "YXC":
        return np.moveaxis(data, -1, 0)
    raise RecipeError(
        f"{path.name} has the axes {axes or 'unknown'} and the shape {data.shape}; one field of "
        "(Y, X) or (C, Y, X) is expected. Split stacks and movies into one file a field."
    )
