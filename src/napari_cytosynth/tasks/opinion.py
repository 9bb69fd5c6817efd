"""How far to trust a virtual stain: the real one, and another model, beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from napari_cytosynth.tasks.staining import Staining

__all__ = ["Comparison", "Disagreement", "compare", "second_opinion"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A virtual stain against the measured one.

    Attributes
    ----------
    pcc
        Pearson's correlation coefficient over all pixels.
    ssim, psnr
        Structural similarity, mean over the planes; peak signal-to-noise ratio in dB. Both
        take the range of the real image for the range of the data.
    difference
        float32 (…, Y, X): virtual minus real, in the target's own units.
    """

    pcc: float
    ssim: float
    psnr: float
    difference: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Where two virtual stains of the same image differ by more than the uncertainty allows.

    Attributes
    ----------
    map
        float32 (C, …): absolute difference, in the units of the first.
    channels
        Names of the stains that both have.
    axes
        Letters of the axes of `map`.
    points
        float64 (N, axes without C): the middle of each place, in px.
    features
        One row for each place: ``stain``, ``area_px``, ``difference`` (mean over the place,
        signed: first minus second) and ``sigmas`` (the same in multiples of σ).
    """

    map: npt.NDArray[np.float32]
    channels: tuple[str, ...]
    axes: str
    points: npt.NDArray[np.float64]
    features: pd.DataFrame


def compare(staining: Staining, channel: str, real: Any) -> Comparison:
    """Compare a virtual stain with the measured one of the same field.

    Parameters
    ----------
    staining
        The result.
    channel
        Which of its stains.
    real
        Array or layer of the shape of that stain (axes of length 1 aside); NaN and infinite
        pixels are left out.

    Raises
    ------
    InputError
        If there is no such stain, the shapes differ, or the real image is constant.
    """
    raise NotImplementedError


def second_opinion(
    first: Staining, second: Staining, *, sigmas: float = 3.0, min_area: int = 25
) -> Disagreement:
    """Find where two models disagree about the stains of the same image.

    Parameters
    ----------
    first
        A result with uncertainty.
    second
        Another model's, with or without.
    sigmas
        A pixel is a disagreement where the difference exceeds this many σ (of both, added
        in squares, where both have one).
    min_area
        Places of fewer connected pixels are not listed.

    Raises
    ------
    InputError
        If they are of different shapes, have no stain in common, or neither has an
        uncertainty.
    """
    raise NotImplementedError
