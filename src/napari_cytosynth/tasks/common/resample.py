"""Resampling of an image to what a model was trained on, and of the result to the image's grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = [
    "LARGEST_FACTOR",
    "TOLERANCE",
    "at_magnification",
    "back_to",
    "check_scale",
    "model_shape",
    "pixel_size_hint",
    "resampled_shape",
    "to_shape",
]

TOLERANCE = 1.5
"""Pixel sizes that differ by more than this factor call for resampling."""

LARGEST_FACTOR = 8
"""Resampling by more than this leaves nothing of what a model was trained to see."""

_LINEAR, _CUBIC = 1, 3  # orders of splines


def check_scale(pixel_size: Sequence[float], wanted: float, name: str) -> None:
    """Raise InputError if an image is too far from a model's scale to be resampled to it.

    Parameters
    ----------
    pixel_size
        Pixel size of the image along Y and X in µm.
    wanted
        Pixel size of the model's training images in µm.
    name
        Of the model.
    """
    factor = max(max(size / wanted, wanted / size) for size in pixel_size)
    if factor > LARGEST_FACTOR:
        own = " × ".join(f"{size:.3g}" for size in dict.fromkeys(pixel_size))
        raise InputError(
            f"The image has {own} µm per pixel, the model “{name}” was trained at {wanted:.3g} µm: "
            f"this model is for another scale. Resampling by a factor of {factor:,.3g} (more than "
            f"{LARGEST_FACTOR}) is refused: correct the pixel size (pixel_size), choose another "
            "model, or do not resample."
        )


def model_shape(
    shape: tuple[int, int], pixel_size: Sequence[float] | None, wanted: float | None
) -> tuple[int, int] | None:
    """Return the shape (Y, X) at the model's pixel size, or None where that is near enough.

    Parameters
    ----------
    shape
        Rows and columns of a plane.
    pixel_size
        Pixel size of the image along Y and X in µm, or None if unknown.
    wanted
        Pixel size of the model's training images in µm, or None if unknown.
    """
    if pixel_size is None or wanted is None:
        return None
    factors = [size / wanted for size in pixel_size]
    if all(1 / TOLERANCE <= factor <= TOLERANCE for factor in factors):
        return None
    return resampled_shape(shape, factors)


def resampled_shape(shape: tuple[int, int], factors: Sequence[float]) -> tuple[int, int]:
    """Return rows and columns of a plane of `shape` (Y, X) that is resampled by two factors."""
    rows, columns = (max(1, round(n * f)) for n, f in zip(shape, factors, strict=True))
    return rows, columns


def pixel_size_hint(pixel_size: Sequence[float], wanted: float, *, resampled: bool) -> str:
    """Return the message that the pixel sizes differ and what was done or may help."""
    own = " × ".join(f"{size:.3g}" for size in dict.fromkeys(pixel_size))
    text = f"The image has {own} µm per pixel; the model was trained at {wanted:.3g} µm. "
    if resampled:
        return text + "The image was resampled for the model, the result brought back."
    return text + "Resampling to the model's pixel size (resample=True) may work better."


def to_shape(plane: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Resample a plane (C, Y, X) of finite numbers for a model.

    Enlarged by cubic splines, which keep more contrast of fine structures than linear
    interpolation (Unser, IEEE Signal Processing Magazine 16, 1999), within the range of the
    plane's values; reduced linearly, without aliasing.

    Parameters
    ----------
    plane
        (C, Y, X).
    shape
        Rows and columns of the result.
    """
    rows, columns = plane.shape[-2:]
    if shape[0] * shape[1] <= rows * columns:
        return at_magnification(plane, shape)
    return _resize(plane.astype(np.float32, copy=False), shape, order=_CUBIC, smooth=True)


def at_magnification(plane: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Resample a plane (C, Y, X) linearly, without aliasing, as if it were taken so.

    Other than :func:`to_shape`, which enlarges for a model; reducing, the two are the same.
    """
    return _resize(plane.astype(np.float32, copy=False), shape, order=_LINEAR, smooth=True)


def back_to(result: npt.NDArray[np.float32], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Resample a result (C, Y, X) to the image's own grid, linearly."""
    return _resize(result, shape, order=_LINEAR, smooth=False)


def _resize(
    plane: npt.NDArray[np.float32], shape: tuple[int, int], *, order: int, smooth: bool
) -> npt.NDArray[np.float32]:
    from skimage.transform import resize

    channels = [
        resize(  # type: ignore[no-untyped-call]
            channel, shape, order=order, mode="edge", anti_aliasing=smooth, preserve_range=True
        )
        for channel in plane
    ]
    return np.stack(channels).astype(np.float32)
