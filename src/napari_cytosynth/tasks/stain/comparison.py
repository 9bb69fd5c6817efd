"""Comparison of a virtual stain with the measured one, and with another model's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import ndimage

from napari_cytosynth.arguments import (
    check_number,
    check_text,
    check_whole,
    shown,
    unsuitable,
)
from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics.image import psnr, ssim
from napari_cytosynth.metrics.pixel import pcc
from napari_cytosynth.tasks.common.layers import read_source

from .overlap import GridImage, onto_grid
from .result import Staining

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Comparison", "Disagreement", "compare", "real_on_grid", "second_opinion"]

_COLUMNS = ["stain", "area_px", "difference", "sigmas"]


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


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Places where two virtual stains of one image differ beyond their uncertainty.

    Attributes
    ----------
    map
        float32 (C, …): absolute difference, in the units of the first stain.
    channels
        Names of the stains that both have.
    axes
        Letters of the axes of `map`.
    points
        float64 (N, axes without C): the centre of each place, in px.
    features
        One row for each place: ``stain``, ``area_px``, ``difference`` (mean over the place,
        signed: first minus second) and ``sigmas`` (the same in multiples of σ).
    calibrated
        Whether every σ in use is calibrated. If not, σ is usually too small, and too many
        places are listed. Default: False.
    """

    map: npt.NDArray[np.float32]
    channels: tuple[str, ...]
    axes: str
    points: npt.NDArray[np.float64]
    features: pd.DataFrame
    calibrated: bool = False


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
    _check_staining(staining, "staining")
    number = _stain_index(staining, channel)
    virtual = staining.mean[number]
    found = real_on_grid(staining, real, geometry)
    measured = found.pixels
    known = np.isfinite(measured)
    values = measured[known]
    span = float(np.ptp(values)) if values.size else 0.0
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
        known = np.isfinite(other)
        rows, columns = (np.flatnonzero(known.any(axis=axis)) for axis in (1, 0))
        # the window of the structural similarity is 11 px wide
        box = tuple(slice(at[0], at[-1] + 1) for at in (rows, columns) if at.size)
        if not box or min(one[box].shape) <= 11:
            continue
        found.append(ssim(one[box], np.where(known, other, one)[box], data_range=span))
    return float(np.mean(found)) if found else float("nan")


def _check_staining(value: Any, name: str) -> None:
    if not isinstance(value, Staining):
        raise unsuitable(name, value, "a Staining, the result of the function stain")


def _stain_index(staining: Staining, channel: str) -> int:
    names = ", ".join(staining.channels)
    if check_text(channel, "channel", f"the name of a stain: {names}") not in staining.channels:
        raise InputError(f"There is no stain “{shown(channel)}” in this result, only {names}.")
    return staining.channels.index(channel)


def second_opinion(
    first: Staining, second: Staining, *, sigmas: float = 3.0, min_area: int = 25
) -> Disagreement:
    """Find the places where the stains that two models predict of one image disagree.

    Parameters
    ----------
    first
        Stains with uncertainty.
    second
        Another model's stains of the image, with or without uncertainty.
    sigmas
        A pixel is a disagreement where the difference exceeds this many σ (of both, added
        in squares, where both have one). Default: 3.
    min_area
        Places of fewer connected pixels are not listed. Default: 25.

    Raises
    ------
    InputError
        If they are of different shapes, have no stain in common, or neither has an
        uncertainty.
    """
    _check_staining(first, "first")
    _check_staining(second, "second")
    sigmas = check_number(sigmas, "sigmas", 0)
    min_area = check_whole(min_area, "min_area", 0)
    names = tuple(name for name in first.channels if name in second.channels)
    if not names:
        raise InputError(
            f"The two models have no stain in common: {', '.join(first.channels)} against "
            f"{', '.join(second.channels)}."
        )
    if first.axes != second.axes or first.mean.shape[1:] != second.mean.shape[1:]:
        raise InputError("The two results are not of the same image: their shapes differ.")
    if first.std is None and second.std is None:
        raise InputError(
            "Neither result has an uncertainty to measure the difference with: stain with at "
            "least 2 samples."
        )
    maps, places = [], []
    for name in names:
        one, other = first.channels.index(name), second.channels.index(name)
        difference = first.mean[one] - second.mean[other]
        sigma = _difference_sigma(first, one, second, other)
        maps.append(np.abs(difference))
        places.append(_places(name, difference, sigma, sigmas, min_area))
    points = np.concatenate([points for points, _ in places])
    tables = [rows for _, rows in places if len(rows)]
    empty = pd.DataFrame(columns=_COLUMNS)
    features = pd.concat(tables, ignore_index=True) if tables else empty
    known = all(one.calibrated for one in (first, second) if one.std is not None)
    return Disagreement(np.stack(maps), names, first.axes, points, features, known)


def _difference_sigma(
    first: Staining, one: int, second: Staining, other: int
) -> npt.NDArray[np.float32]:
    """Return the σ of the difference of two stains."""
    parts = [
        staining.std[number]
        for staining, number in ((first, one), (second, other))
        if staining.std is not None
    ]
    sigma: npt.NDArray[np.float32] = parts[0] if len(parts) == 1 else np.hypot(*parts)
    return sigma


def _places(
    name: str,
    difference: npt.NDArray[np.float32],
    sigma: npt.NDArray[np.float32],
    sigmas: float,
    min_area: int,
) -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
    """Return the centres and a table of the places where a difference is too large."""
    centres, rows = [], []
    for plane in np.ndindex(difference.shape[:-2]):
        values, std = difference[plane], sigma[plane]
        for sign in (1, -1):  # a place is too bright or too dark, not both
            labels, count = ndimage.label(sign * values > sigmas * std)
            ids = np.arange(1, count + 1)
            area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
            ids, area = ids[area >= min_area], area[area >= min_area]
            if not ids.size:
                continue
            inside = np.array(ndimage.center_of_mass(labels > 0, labels, ids))
            centres += [(*plane, *centre) for centre in inside]
            mean = ndimage.mean(values, labels, ids)
            mean_std = np.maximum(ndimage.mean(std, labels, ids), np.finfo(np.float32).tiny)
            rows.append(
                {"stain": name, "area_px": area, "difference": mean, "sigmas": mean / mean_std}
            )
    table = pd.concat([pd.DataFrame(row) for row in rows]) if rows else pd.DataFrame()
    return np.array(centres, float).reshape(-1, difference.ndim), table
