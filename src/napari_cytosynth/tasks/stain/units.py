"""Intensities and calibrated uncertainties from a staining network's output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.metrics.calibration import SigmaFit, calibrated_sigma
from napari_cytosynth.metrics.error_curve import ErrorCurve, SpreadCurve
from napari_cytosynth.zoo.card import OutputScaling

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import Inference, ModelCard, StainError

    from .passes import Drawn

    Floats = npt.NDArray[np.float32]

__all__ = ["Units", "error_curves", "sigma_fits"]


@dataclass(frozen=True)
class _Channel:
    """Output index, units and calibration of one selected stain."""

    index: int
    offset: float
    scale: float
    fit: SigmaFit
    curve: ErrorCurve | None = None


@dataclass(frozen=True, eq=False)
class Units:
    """Selection of stains from an output (K, Y, X), and their conversion to intensities.

    Attributes
    ----------
    names
        Names of the selected stains.
    calibrated
        Whether :meth:`sigma` is calibrated.
    knows_errors
        Whether the card has a curve of typical errors, so that there is a sigma without samples.
    display_range
        For each stain, the intensities to show as black and as bright; empty if unknown.
    """

    names: tuple[str, ...]
    calibrated: bool
    knows_errors: bool
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
        fits = None if injected else sigma_fits(inference)
        curves = None if injected else error_curves(inference)
        known = tuple((low, low + size) for low, size in pairs) if inference.output_scaling else ()
        channels = (
            _Channel(
                i,
                low,
                size,
                fits[i] if fits else SigmaFit(1.0, 0.0, 0.0),
                curves[i] if curves else None,
            )
            for i, (low, size) in zip(picked, pairs, strict=True)
        )
        calibrated = fits is not None or curves is not None
        return cls(tuple(names), calibrated, curves is not None, known, tuple(channels))

    def mean(self, output: Floats) -> Floats:
        """Return the intensities of the selected stains."""
        chosen = [
            output[c.index] * np.float32(c.scale) + np.float32(c.offset) for c in self._channels
        ]
        return np.stack(chosen)

    def sigma(self, drawn: Drawn) -> Floats | None:
        """Return the uncertainty of the selected stains, one standard deviation, in their units.

        The typical error at that brightness, where the card has its curve; else the
        (calibrated) standard deviation of the samples, None without.
        """
        if self.knows_errors:
            return np.stack(
                [_typical_error(c, drawn) * np.float32(c.scale) for c in self._channels]
            )
        if drawn.sample_std is None:
            return None
        return np.stack(
            [
                calibrated_sigma(drawn.sample_std[c.index], *c.fit, drawn.mean[c.index])
                * np.float32(c.scale)
                for c in self._channels
            ]
        )

    def spread(self, std: Floats | None) -> Floats | None:
        """Return a standard deviation (K, Y, X) of the selected stains, in their units."""
        if std is None:
            return None
        return np.stack([std[c.index] * np.float32(c.scale) for c in self._channels])


def _typical_error(channel: _Channel, drawn: Drawn) -> Floats:
    assert channel.curve is not None
    stds = {"views": drawn.view_std, "samples": drawn.sample_std}
    spreads = {name: std[channel.index] for name, std in stds.items() if std is not None}
    return channel.curve.sigma(drawn.mean[channel.index], spreads)


def sigma_fits(inference: Inference) -> list[SigmaFit] | None:
    """Return the calibration of each output channel on a card, or None without one."""
    scales, floors = inference.sigma_scale, inference.sigma_floor
    if scales is None or floors is None:
        return None
    slopes = inference.sigma_slope or [0.0] * len(scales)
    return [SigmaFit(*numbers) for numbers in zip(scales, floors, slopes, strict=True)]


def error_curves(inference: Inference) -> list[ErrorCurve] | None:
    """Return the curve of typical errors of each output channel, or None without them."""
    known = inference.uncertainty
    return None if known is None else [_curve(stain) for stain in known.stains]


def _curve(stain: StainError) -> ErrorCurve:
    spreads = {
        str(name): SpreadCurve(tuple(spread.usual), spread.exponent)
        for name, spread in stain.spreads.items()
    }
    return ErrorCurve(tuple(stain.levels), tuple(stain.errors), spreads)
