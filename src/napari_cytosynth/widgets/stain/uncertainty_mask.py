"""Mask that hides the uncertain pixels of a virtual stain and keeps their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.widgets.common.layers import format_number, position_in_view
from napari_cytosynth.widgets.common.snapshot import forget_whole, remember_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["StainedLayer", "UncertaintyMask"]

_RANKS = 1001
_TINY = float(np.finfo(np.float32).tiny)
_MAX_RANKED = 1_000_000
_FAINT = 0.1
"""Fraction of a stain's range; darker pixels count as background."""


class StainedLayer:
    """Mean layer of one stain, with the values of its hidden pixels.

    Where the stain's range is known, what is least certain *for its brightness* goes first:
    a calibrated uncertainty grows with the brightness, and by itself would take the bright
    structures, which are the surest ones, before the faint ones that may not be there. The
    ranking is then that of the pixels that show stain; background is not worth hiding.

    Parameters
    ----------
    name
        Name of the stain.
    layer
        A napari image layer that shows `mean`.
    mean, sigma
        float32 of the layer's shape, in the units of the target; neither is changed.
    value_range
        Intensities of no stain and of the brightest. None (default): unknown.
    """

    def __init__(
        self,
        name: str,
        layer: Any,
        mean: npt.NDArray[np.float32],
        sigma: npt.NDArray[np.float32],
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.name = name
        self.layer = layer
        self._mean, self._sigma = mean, sigma
        self._shown: npt.NDArray[np.float32] | None = None
        self._done: set[tuple[int | None, ...]] = set()
        self._limit = np.inf
        self._value_range = value_range
        self._cached: tuple[Any, npt.NDArray[np.float32]] | None = None
        some = slice(None, None, max(1, sigma.size // _MAX_RANKED))
        ranked = self._ranked(mean.reshape(-1)[some], sigma.reshape(-1)[some])
        self._ranks = np.quantile(ranked, np.linspace(0, 1, _RANKS))

    @property
    def relative(self) -> bool:
        """Whether limits are fractions of the brightness, not intensities."""
        return self._value_range is not None

    def _ranked(
        self, mean: npt.NDArray[np.float32], sigma: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Return the uncertainties of the pixels that are ranked."""
        uncertainty = self._uncertainty(mean, sigma)
        if self._value_range is None:
            return uncertainty
        low, high = self._value_range
        stained = uncertainty[mean - low > _FAINT * (high - low)]
        return stained if stained.size else uncertainty

    def _uncertainty(
        self, mean: npt.NDArray[np.float32], sigma: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Return sigma, relative to the brightness where the range is known."""
        if self._value_range is None:
            return sigma
        low, high = self._value_range
        brightness = np.maximum(mean - np.float32(low), np.float32(_FAINT * (high - low)))
        uncertainty: npt.NDArray[np.float32] = sigma / brightness
        return uncertainty

    def limit(self, fraction: float) -> float:
        """Return the uncertainty that a `fraction` (0 to 1) of the ranked pixels reaches."""
        if fraction <= 0:
            return np.inf
        # never 0: a pixel without any uncertainty is not to be hidden for it
        return max(float(self._ranks[round((1 - fraction) * (_RANKS - 1))]), _TINY)

    def hide_above(self, limit: float, section: tuple[int | None, ...]) -> None:
        """Hide the pixels of a section whose uncertainty reaches `limit`; infinity shows all.

        The hidden pixels are NaN, which napari leaves transparent. `section` has an index
        for each axis, or None for all of it.
        """
        if limit != self._limit:
            self._limit = limit
            self._done.clear()
        if np.isinf(limit):
            self.restore()
            return
        shown = self._buffer()
        if section in self._done:
            return
        where = (*(slice(None) if i is None else i for i in section), ...)
        np.copyto(shown[where], self._mean[where])
        np.copyto(shown[where], np.nan, where=self._uncertainty_in(section, where) >= limit)
        self._done.add(section)
        self.layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _uncertainty_in(
        self, section: tuple[int | None, ...], where: tuple[Any, ...]
    ) -> npt.NDArray[np.float32]:
        # kept for the section in view: a step of the slider then only compares
        if self._cached is None or self._cached[0] != section:
            self._cached = section, self._uncertainty(self._mean[where], self._sigma[where])
        return self._cached[1]

    def restore(self) -> None:
        """Show everything again."""
        # Data that someone else has put into the layer stay.
        if self._shown is not None and self.layer.data is self._shown:
            self.layer.data = self._mean
        forget_whole(self.layer)
        self._shown = self._cached = None
        self._done.clear()

    def _buffer(self) -> npt.NDArray[np.float32]:
        if self._shown is None:
            self._shown = self._mean.copy()
            self._done.clear()
            self.layer.data = self._shown
            remember_whole(self.layer, self._shown, self._mean)
        return self._shown


class UncertaintyMask:
    """Hides the most uncertain pixels of several stains in the viewer.

    Parameters
    ----------
    viewer
        The napari viewer.
    stains
        The layers, each with its uncertainty.
    """

    def __init__(self, viewer: Any, stains: Sequence[StainedLayer]) -> None:
        self._viewer = viewer
        self._stains = list(stains)
        self._fraction = 0.0
        for stain in self._stains:
            stain.layer.events.visible.connect(self._follow)
        viewer.dims.events.current_step.connect(self._follow)

    def hide(self, fraction: float) -> str:
        """Hide a fraction (0 to 1) of the pixels, the least certain; return a sentence on it.

        Only what is in view is computed, layer by layer and plane by plane.
        """
        self._fraction = fraction
        self._follow()
        if fraction <= 0:
            return "Nothing is hidden."
        limits = ", ".join(_limit(stain, fraction) for stain in self._stains)
        relative = all(stain.relative for stain in self._stains)
        what = "least certain of the stain" if relative else "least certain"
        of = " of the brightness" if relative else ""
        return f"Hidden: the {100 * fraction:.3g} % {what}, from {limits}{of} on."

    def restore(self) -> None:
        """Show everything again and disconnect from the layers."""
        self._viewer.dims.events.current_step.disconnect(self._follow)
        for stain in self._stains:
            stain.layer.events.visible.disconnect(self._follow)
            stain.restore()
        self._stains = []

    def _follow(self, _event: Any = None) -> None:
        for stain in self._stains:
            layer = stain.layer
            if layer not in self._viewer.layers:
                continue
            if self._fraction <= 0:
                stain.restore()
            elif layer.visible:
                stain.hide_above(stain.limit(self._fraction), self._in_view(layer))

    def _in_view(self, layer: Any) -> tuple[int | None, ...]:
        dims = self._viewer.dims
        shown = {axis - dims.ndim + layer.ndim for axis in dims.displayed}
        position = position_in_view(self._viewer, layer)
        return tuple(None if axis in shown else index for axis, index in enumerate(position))


def _limit(stain: StainedLayer, fraction: float) -> str:
    limit = stain.limit(fraction)
    return f"{stain.name} ±{f'{100 * limit:.0f} %' if stain.relative else format_number(limit)}"
