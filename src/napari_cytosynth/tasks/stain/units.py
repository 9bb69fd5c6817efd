"""From a staining network's output to the intensities, and to a calibrated uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.metrics.calibration import SigmaFit, calibrated_sigma
from napari_cytosynth.zoo.card import OutputScaling

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import Inference, ModelCard

    Floats = npt.NDArray[np.float32]

__all__ = ["Units", "sigma_fits"]


@dataclass(frozen=True)
class _Channel:
    """One wanted stain: its index in the output, its units and its calibration."""

    index: int
    offset: float
    scale: float
    fit: SigmaFit


@dataclass(frozen=True, eq=False)
class Units:
    """Picks the wanted stains of an output (K, Y, X) and gives them their units.

    Attributes
    ----------
    names
        Of the wanted stains.
    calibrated
        Whether :meth:`sigma` is calibrated.
    display_range
        For each, the intensities to show as black and as bright; empty if unknown.
    """

    names: tuple[str, ...]
    calibrated: bool
    display_range: tuple[tuple[float, float], ...]
    _channels: tuple[_Channel, ...]

    @classmethod
    def of(cls, card: ModelCard, names: Sequence[str], *, injected: bool = False) -> Units:
        """Read them from a card; injected dropout is never calibrated.

        Parameters
        ----------
        card
            Of the model.
        names
            Of the wanted stains, in the order of the result.
        injected
            The dropout is not that of the training.
        """
        inference = card.inference
        picked = [inference.output_channels.index(name) for name in names]
        scaling = inference.output_scaling or [OutputScaling()] * len(inference.output_channels)
        pairs = [(scaling[i].offset, scaling[i].scale) for i in picked]
        fitted = not injected and inference.sigma_scale is not None
        fits = sigma_fits(inference) if fitted else None
        known = tuple((low, low + size) for low, size in pairs) if inference.output_scaling else ()
        channels = (
            _Channel(i, low, size, fits[i] if fits else SigmaFit(1.0, 0.0, 0.0))
            for i, (low, size) in zip(picked, pairs, strict=True)
        )
        return cls(tuple(names), fitted, known, tuple(channels))

    def mean(self, output: Floats) -> Floats:
        """Return the intensities of the wanted stains."""
        chosen = [
            output[c.index] * np.float32(c.scale) + np.float32(c.offset) for c in self._channels
        ]
        return np.stack(chosen)

    def sigma(self, spread: Floats, output: Floats) -> Floats:
        """Return the (calibrated) uncertainty of the wanted stains, in their units.

        Parameters
        ----------
        spread, output
            Standard deviation and mean of the samples, (K, Y, X).
        """
        return np.stack(
            [
                calibrated_sigma(spread[c.index], *c.fit, output[c.index]) * np.float32(c.scale)
                for c in self._channels
            ]
        )


def sigma_fits(inference: Inference) -> list[SigmaFit] | None:
    """Return the calibration of each output channel as a card has it, or None."""
    scales, floors = inference.sigma_scale, inference.sigma_floor
    if scales is None or floors is None:
        return None
    slopes = inference.sigma_slope or [0.0] * len(scales)
    return [SigmaFit(*numbers) for numbers in zip(scales, floors, slopes, strict=True)]
