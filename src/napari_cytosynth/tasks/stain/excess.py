"""Spread over the views of a virtual stain, relative to what is usual at that brightness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.zoo.card import OutputScaling

from .units import error_curves

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import Inference
    from napari_cytosynth.zoo.card.stains import SpreadName

    from .result import Staining

    Floats = npt.NDArray[np.float32]

__all__ = ["says_more_than_brightness", "views_excess", "why_no_excess"]


def views_excess(staining: Staining, stain: str) -> Callable[[Floats, Floats], Floats] | None:
    """Return the function that tells how unusual the spread over the views of a pixel is.

    Parameters
    ----------
    staining
        A virtual stain.
    stain
        One of its channels.

    Returns
    -------
    callable or None
        Takes intensities and their standard deviation over the views, both float32 of one shape
        in the stain's units; returns the ratio to the usual one at that brightness, where the
        model's card tells it, else to the typical error there. None without views, or without a
        curve on the card.
    """
    if staining.run is None or staining.view_std is None:
        return None
    inference = staining.run.model.card.inference
    curves = error_curves(inference)
    if curves is None:
        return None
    number = inference.output_channels.index(stain)
    curve, scaling = curves[number], (inference.output_scaling or {number: OutputScaling()})[number]
    known = curve.spreads.get("views")
    usual = curve.errors if known is None else known.usual

    def excess(mean: Floats, spread: Floats) -> Floats:
        level = (mean - np.float32(scaling.offset)) / np.float32(scaling.scale)
        own = spread / np.float32(scaling.scale)
        ratio: Floats = own / np.interp(level, curve.levels, usual).astype(np.float32)
        return ratio

    return excess


def why_no_excess(staining: Staining) -> str:
    """Return why :func:`views_excess` is None, as a sentence; empty where it is not."""
    if staining.run is None or error_curves(staining.run.model.card.inference) is None:
        return "the model's card has no curve of typical errors"
    return "" if staining.view_std is not None else "this run had one view only"


def says_more_than_brightness(inference: Inference, spread: SpreadName) -> bool | None:
    """Return whether a spread foretold errors beyond what the brightness did, in any stain.

    Parameters
    ----------
    inference
        Block of a model's card.
    spread
        ``views`` or ``samples``.

    Returns
    -------
    bool or None
        None where the card does not tell.
    """
    if inference.uncertainty is None:
        return None
    known = [stain.spreads.get(spread) for stain in inference.uncertainty.stains]
    if not any(one is not None for one in known):
        return None
    return any(one is not None and one.exponent > 0 for one in known)
