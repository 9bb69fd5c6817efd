"""Arrays that a run of a segmentation model writes into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

__all__ = ["ChannelSplit", "check_output"]


def check_output(out: Any, shape: tuple[int, ...], image: Any) -> None:
    """Raise InputError unless the result can be written into an array of the user's."""
    try:
        fits = tuple(out.shape) == shape and np.dtype(out.dtype) == np.float32
    except (AttributeError, TypeError):
        fits = False
    if not fits or not hasattr(out, "__setitem__"):
        described = f"{getattr(out, 'dtype', type(out).__name__)} of {getattr(out, 'shape', '?')}"
        raise InputError(
            f"The output array (out) must be float32 of shape {shape}, not {described}."
        )
    flags = getattr(out, "flags", None)
    if flags is not None and not getattr(flags, "writeable", True):
        raise InputError("The output array (out) is read-only: give one that can be written to.")
    if all(isinstance(array, np.ndarray) for array in (out, image)) and np.may_share_memory(
        out, image
    ):
        raise InputError("The output array (out) must not be the image itself: give a new array.")


class ChannelSplit:
    """Output (K, Y, X) for the predictor that writes the channels in use to their arrays.

    Each array comes with the place of the plane in it.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        arrays: dict[int, tuple[Any, tuple[int | slice, ...]]],
        shape: tuple[int, ...],
        check: Callable[[npt.NDArray[np.floating]], None],
    ) -> None:
        self._arrays, self.shape, self._check = arrays, shape, check

    def clear(self) -> None:
        """Set the channels in use to 0."""
        for array, where in self._arrays.values():
            array[where] = 0

    def __setitem__(self, key: tuple[slice, slice, slice], value: npt.NDArray[np.float32]) -> None:
        self._check(value)
        for channel, (array, where) in self._arrays.items():
            spatial = iter(key[1:])
            place = tuple(next(spatial) if isinstance(k, slice) else k for k in where)
            array[place] = value[channel]
