"""What users pass as an image, turned into an array that can be read plane by plane."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_cytosynth.arguments import shown
from napari_cytosynth.errors import InputError

__all__ = ["as_array", "check_layer_kind"]

MOST_ROWS = 1_000_000  # of a list; what is longer is no image, and would fill the memory
_PLAIN = (np.ndarray, np.memmap)
_PIXEL_LAYERS = ("image", "labels")


def as_array(image: Any, name: str = "image") -> Any:
    """Return a lazy array as it is, and anything else as a numpy array.

    Parameters
    ----------
    image
        numpy, dask or zarr array, memmap, torch tensor, masked array (masked pixels become
        NaN) or nested list of numbers.
    name
        Of the argument, for messages. Default: "image".

    Raises
    ------
    InputError
        If it is a path, a ragged list or no array at all.
    """
    if isinstance(image, str | bytes | os.PathLike):
        raise InputError(
            f"The argument “{name}” is the path of a file ({shown(image)}), not an image: read "
            "the file first, for example by tifffile.imread(path), or run the command "
            "“cytosynth” on it."
        )
    if hasattr(image, "detach") and hasattr(image, "cpu"):
        image = _from_tensor(image, name)
    if isinstance(image, np.ma.MaskedArray) and image.dtype.kind in "buif":
        image = np.ma.filled(image.astype(np.float64), np.nan) if image.mask.any() else image.data
    if not _is_lazy(image) or (isinstance(image, np.ndarray) and type(image) not in _PLAIN):
        if isinstance(image, Sequence) and len(image) > MOST_ROWS:
            raise _no_array(image, name)
        try:
            image = np.asarray(image)
        except Exception as error:  # whatever the object's own conversion raises
            raise _no_array(image, name) from error
    return image


def check_layer_kind(layer: Any) -> None:
    """Check that a layer holds pixels: points, shapes, tracks and others have none."""
    kind = str(getattr(layer, "_type_string", "image"))
    if kind not in _PIXEL_LAYERS:
        raise InputError(
            f"The layer “{getattr(layer, 'name', '')}” holds {kind}, not pixels: choose an image "
            "or labels."
        )


def _is_lazy(image: Any) -> bool:
    """Return whether it has shape and type as numpy has them, so that planes can be sliced."""
    try:
        np.dtype(image.dtype)
        shape = tuple(image.shape)
    except Exception:  # no array, or one with types of its own
        return False
    return all(isinstance(size, int | np.integer) for size in shape) and hasattr(
        image, "__getitem__"
    )


def _from_tensor(tensor: Any, name: str) -> Any:
    try:
        tensor = tensor.detach().cpu()
        if not tensor.dtype.is_complex and tensor.dtype.is_floating_point:
            tensor = tensor.float() if tensor.dtype.itemsize < 4 else tensor
        return tensor.resolve_neg().numpy()
    except Exception as error:  # sparse, without data, or of a type that numpy lacks
        raise _no_array(tensor, name) from error


def _no_array(image: Any, name: str) -> InputError:
    kind = type(image).__name__
    return InputError(
        f"The argument “{name}” must be an array of numbers (numpy, dask, zarr, torch) or a "
        f"napari layer, not {shown(image) if kind in ('NoneType', 'int', 'float') else kind}; "
        "nested lists must have rows of equal length."
    )
