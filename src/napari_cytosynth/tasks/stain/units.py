"""Intensities and calibrated uncertainties from a staining network's output."""

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
    """Output index, units and calibration of one selected stain."""

    index: int
    offset: float
    scale: float
    fit: SigmaFit


@dataclass(frozen=True, eq=False)
class Units:
    """Selection of stains from an output (K, Y, X), and their conversion to intensities.

    Attributes
    ----------
    names
        Names of the selected stains.
    calibrated
        Whether :meth:`sigma` is calibrated.
    display_range
        For each stain, the intensities to show as black and as bright; empty if unknown.
    """

    names: tuple[str, ...]
    calibrated: bool
    display_range: tuple[tuple[float, float], ...]
    _channels: tuple[_Channel, ...]

    @classmethod
    def of(cls, card: ModelCard, names: Sequence[str], *, injected: bool = False) -> Units:
        """Create the conversion from a model's card.

        Parameters
        ----------
        card
            Card of the model.
        names
            Names of the selected stains, in the order of the result.
        injected
            Dropout that the network was not trained with is never calibrated. Default:
            False.
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
        """Return the intensities of the selected stains."""
        chosen = [
            output[c.index] * np.float32(c.scale) + np.float32(c.offset) for c in self._channels
        ]
        return np.stack(chosen)

    def sigma(self, std: Floats, output: Floats) -> Floats:
        """Return the (calibrated) uncertainty of the selected stains, in their units.

        Parameters
        ----------
        std, output
            Standard deviation and mean of the samples, (K, Y, X).
        """
        return np.stack(
            [
                calibrated_sigma(std[c.index], *c.fit, output[c.index]) * np.float32(c.scale)
                for c in self._channels
            ]
        )


def sigma_fits(inference: Inference) -> list[SigmaFit] | None:
    """Return the calibration of each output channel on a card, or None without one."""
    scales, floors = inference.sigma_scale, inference.sigma_floor
    if scales is None or floors is None:
        return None
    slopes = inference.sigma_slope or [0.0] * len(scales)
    return [SigmaFit(*numbers) for numbers in zip(scales, floors, slopes, strict=True)]
