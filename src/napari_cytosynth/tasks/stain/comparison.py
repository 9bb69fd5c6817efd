"""Comparison of a virtual stain with the measured one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import (
    check_text,
    shown,
    unsuitable,
)
from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics.image import psnr, ssim
from napari_cytosynth.metrics.pixel import pcc
from napari_cytosynth.tasks.common.layers import read_source

from .result import Staining

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Agreement of a virtual stain with the measured one.

    Attributes
    ----------
    pcc
        Pearson's correlation coefficient over all pixels.
    ssim, psnr
        Structural similarity, mean over the planes; peak signal-to-noise ratio in dB. Both
        take the range of the real image for the range of the data. Where the real image is
        not finite, the similarity counts both as equal; the other values leave it out.
    difference
        float32 (…, Y, X): virtual minus real, in the target's own units.
    """

    pcc: float
    ssim: float
    psnr: float
    difference: npt.NDArray[np.float32]


def compare(staining: Staining, channel: str, real: Any) -> Comparison:
    """Compare a virtual stain with the measured one of the same field.

    Parameters
    ----------
    staining
        The virtual stains.
    channel
        Name of the stain.
    real
        Array or layer of the shape of that stain (axes of length 1 aside); NaN and infinite
        pixels are left out.

    Raises
    ------
    InputError
        If there is no such stain, the shapes differ, or the real image is constant.
    """
    _check_staining(staining, "staining")
    number = _stain_index(staining, channel)
    virtual = staining.mean[number]
    measured = _measured(real, virtual.shape, channel)
    known = np.isfinite(measured)
    values = measured[known]
    span = float(np.ptp(values)) if values.size else 0.0
    if span == 0:
        raise InputError("The real image has the same value everywhere: nothing can be compared.")
    whole = np.where(known, measured, virtual)
    flat = (-1, *virtual.shape[-2:])
    planes = zip(virtual.reshape(flat), whole.reshape(flat), strict=True)
    # the window of the structural similarity is 11 px wide
    similarities = [ssim(*pair, data_range=span) for pair in planes if min(flat[1:]) > 11]
    return Comparison(
        pcc=pcc(virtual[known], values),
        ssim=float(np.mean(similarities)) if similarities else float("nan"),
        psnr=psnr(virtual[known], values, span),
        difference=np.where(known, virtual - measured, np.nan).astype(np.float32),
    )


def _check_staining(value: Any, name: str) -> None:
    if not isinstance(value, Staining):
        raise unsuitable(name, value, "a Staining, the result of the function stain")


def _stain_index(staining: Staining, channel: str) -> int:
    names = ", ".join(staining.channels)
    if check_text(channel, "channel", f"the name of a stain: {names}") not in staining.channels:
        raise InputError(f"There is no stain “{shown(channel)}” in this result, only {names}.")
    return staining.channels.index(channel)


def _measured(real: Any, shape: tuple[int, ...], channel: str) -> npt.NDArray[np.float32]:
    data = np.asarray(read_source(real, "real").data)
    if tuple(n for n in data.shape if n > 1) != tuple(n for n in shape if n > 1):
        raise InputError(
            f"The real image has the shape {tuple(data.shape)}, but the virtual {channel} has "
            f"{shape}: choose an image of the same field and size."
        )
    if data.dtype.kind not in "buif":
        raise InputError(f"The real image holds {data.dtype} values, not intensities.")
    return data.reshape(shape).astype(np.float32)
