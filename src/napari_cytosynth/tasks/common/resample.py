"""Resampling of an image to a model's pixel size, and of the result to the image's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["TOLERANCE", "back_to", "model_shape", "pixel_size_hint", "to_shape"]

TOLERANCE = 1.5
"""Pixel sizes that differ by more than this factor call for resampling."""


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
    """Resample a plane (C, Y, X) of finite numbers linearly, without aliasing."""
    return _resize(plane.astype(np.float32, copy=False), shape, smooth=True)


def back_to(result: npt.NDArray[np.float32], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Resample a result (C, Y, X) to the image's own grid, linearly."""
    return _resize(result, shape, smooth=False)


def _resize(
    plane: npt.NDArray[np.float32], shape: tuple[int, int], *, smooth: bool
) -> npt.NDArray[np.float32]:
    from skimage.transform import resize

    channels = [
        resize(  # type: ignore[no-untyped-call]
            channel, shape, order=1, mode="edge", anti_aliasing=smooth, preserve_range=True
        )
        for channel in plane
    ]
    return np.stack(channels).astype(np.float32)
