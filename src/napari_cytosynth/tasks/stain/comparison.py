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
from napari_cytosynth.tasks.common.region import bounding_box

from .overlap import GridImage, onto_grid
from .result import Staining

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Comparison", "check_staining", "compare", "real_on_grid"]


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
        float32 (…, Y, X): virtual minus real, in the target's own units; NaN where there is no
        real image.
    covered
        Fraction of the field that the real image covers. Default: 1.
    note
        How the real image came onto the grid of the virtual stain. Default: "", it was on it.
    """

    pcc: float
    ssim: float
    psnr: float
    difference: npt.NDArray[np.float32]
    covered: float = 1.0
    note: str = ""


def compare(
    staining: Staining, channel: str, real: Any, *, geometry: dict[str, Any] | None = None
) -> Comparison:
    """Compare a virtual stain with the measured one of the same field.

    The position and pixel size of a layer count: they are compared where both lie, and a layer
    with other pixels is resampled to the grid of the virtual stain.

    Parameters
    ----------
    staining
        The virtual stains.
    channel
        Name of the stain.
    real
        Layer, or array of the shape of that stain (axes of length 1 aside); NaN and infinite
        pixels are left out.
    geometry
        Where the virtual stain's layer lies now, as in
        :class:`~napari_cytosynth.tasks.common.layers.Source`. Default: None, where it was put.

    Raises
    ------
    InputError
        If there is no such stain, the two do not overlap, an array has another shape, or the
        real image is constant.
    """
    check_staining(staining, "staining")
    number = _stain_index(staining, channel)
    virtual = staining.mean[number]
    found = real_on_grid(staining, real, geometry)
    measured = found.pixels
    known = np.isfinite(measured) & np.isfinite(virtual)  # that is NaN outside of a region
    values = measured[known]
    span = float(np.ptp(values)) if values.size else 0.0
    if not values.size:
        raise InputError("The real image does not reach into the region that was stained.")
    if span == 0:
        raise InputError("The real image has the same value everywhere: nothing can be compared.")
    return Comparison(
        pcc=pcc(virtual[known], values),
        ssim=_similarity(virtual, measured, span),
        psnr=psnr(virtual[known], values, span),
        difference=np.where(known, virtual - measured, np.nan).astype(np.float32),
        covered=found.covered,
        note=found.note,
    )


def real_on_grid(
    staining: Staining, real: Any, geometry: dict[str, Any] | None = None, *, labels: bool = False
) -> GridImage:
    """Return a real image, or labels, on the grid of a virtual stain.

    Parameters
    ----------
    staining
        The virtual stains.
    real
        Layer or array.
    geometry
        As in :func:`compare`.
    labels
        Whether it holds numbers of objects. Default: False.

    Raises
    ------
    InputError
        If it does not overlap the virtual stain, or does not fit.
    """
    source = read_source(real, "labels" if labels else "real")
    if source.data.dtype.kind not in "buif":
        raise InputError(f"The real image holds {source.data.dtype} values, not intensities.")
    place, shape = staining.placement, staining.mean.shape[1:]
    geometry = place.geometry if geometry is None else geometry
    layer_shape = place.placed(np.broadcast_to(np.float32(0), shape)).shape
    found = onto_grid(source, layer_shape, geometry, staining.position, labels=labels)
    pixels = found.pixels if labels else found.pixels.astype(np.float32)
    return GridImage(pixels.reshape(shape), found.covered, found.note)


def _similarity(
    virtual: npt.NDArray[np.float32], measured: npt.NDArray[np.float32], span: float
) -> float:
    """Return the mean structural similarity of the planes, where both lie; NaN without room."""
    found, sides = [], virtual.shape[-2:]
    for one, other in zip(virtual.reshape(-1, *sides), measured.reshape(-1, *sides), strict=True):
        known = np.isfinite(other) & np.isfinite(one)
        box = bounding_box(known)
        # the window of the structural similarity is 11 px wide
        if box is None or min(one[box].shape) <= 11:
            continue
        own = np.where(np.isfinite(one), one, 0)  # NaN outside of a region
        found.append(ssim(own[box], np.where(known, other, own)[box], data_range=span))
    return float(np.mean(found)) if found else float("nan")


def check_staining(value: Any, name: str) -> None:
    """Raise InputError if the argument of this name is no result of a staining."""
    if not isinstance(value, Staining):
        raise unsuitable(name, value, "a Staining, the result of the function stain")


def _stain_index(staining: Staining, channel: str) -> int:
    names = ", ".join(staining.channels)
    if check_text(channel, "channel", f"the name of a stain: {names}") not in staining.channels:
        raise InputError(f"There is no stain “{shown(channel)}” in this result, only {names}.")
    return staining.channels.index(channel)
