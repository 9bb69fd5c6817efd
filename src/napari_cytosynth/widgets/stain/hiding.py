"""Layers with what is doubtful hidden: by nucleus, or by pixel; all values are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_cytosynth.widgets.common.layers import position_in_view
from napari_cytosynth.widgets.common.snapshot import forget_whole, remember_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Mask = npt.NDArray[np.bool_]
    Section = tuple[int | None, ...]

__all__ = ["HidingLayer", "HidingLayers", "NucleusRule", "Rule", "SpreadRule"]

_RANKS = 1001
_TINY = float(np.finfo(np.float32).tiny)
_MAX_RANKED = 1_000_000
_FAINT = 0.1
"""Fraction of a stain's range; darker pixels count as background."""


class Rule(Protocol):
    """What is hidden first. Limits: infinity hides nothing, minus infinity all."""

    def limit(self, fraction: float) -> float:
        """Return the doubt from which on a `fraction` (0 to 1) is hidden."""

    def hidden(self, limit: float, section: Section) -> Mask:
        """Return which pixels of a section are hidden from a limit on."""


class NucleusRule:
    """Hides whole nuclei, the most doubtful first.

    Parameters
    ----------
    owners
        int32 of the layer's shape: for each pixel the label of the nucleus that it goes with, 0
        for none.
    doubts
        Of each label from 0 on, in [0, 1]; NaN for labels that are of no nucleus.
    """

    def __init__(self, owners: npt.NDArray[np.int32], doubts: npt.NDArray[np.float64]) -> None:
        self.owners, self.doubts = owners, doubts
        self._falling = np.sort(doubts[np.isfinite(doubts)])[::-1]

    @property
    def count(self) -> int:
        """Number of nuclei."""
        return len(self._falling)

    def limit(self, fraction: float) -> float:
        """Return the doubt from which on a `fraction` (0 to 1) of the nuclei is hidden."""
        if fraction >= 1:
            return -np.inf
        number = round(fraction * self.count)
        return float(self._falling[number - 1]) if number else np.inf

    def number_hidden(self, limit: float) -> int:
        """Return how many nuclei are hidden from a limit on."""
        return int((self._falling >= limit).sum())

    def hidden(self, limit: float, section: Section) -> Mask:
        """Return which pixels of a section are hidden: a look-up by label."""
        owners = self.owners[index_of(section)]
        if np.isneginf(limit):
            return np.ones(owners.shape, bool)
        with np.errstate(invalid="ignore"):
            hides = self.doubts >= limit
        hides[0] = False
        found: Mask = hides[owners]
        return found


class SpreadRule:
    """Hides pixels, first those whose views differ most for their brightness.

    The share counts the pixels that show stain, where the stain's range is known; background is
    not worth hiding.

    Parameters
    ----------
    mean, spread
        float32 of the layer's shape: the stain, and its standard deviation over the views.
    excess
        Of both, how unusual the spread is.
    value_range
        Intensities of no stain and of the brightest. None (default): unknown.
    """

    def __init__(
        self,
        mean: Floats,
        spread: Floats,
        excess: Callable[[Floats, Floats], Floats],
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self._mean, self._spread, self._excess = mean, spread, excess
        self._cached: tuple[Section, Floats] | None = None
        some = slice(None, None, max(1, mean.size // _MAX_RANKED))
        levels = mean.reshape(-1)[some]
        known = np.isfinite(levels)  # not outside of a region
        levels = levels[known]
        ranked = excess(levels, spread.reshape(-1)[some][known])
        if value_range is not None:
            low, high = value_range
            stained = ranked[levels - low > _FAINT * (high - low)]
            ranked = stained if stained.size else ranked
        if not ranked.size:
            ranked = np.zeros(1, np.float32)
        self._ranks = np.quantile(ranked, np.linspace(0, 1, _RANKS))

    def limit(self, fraction: float) -> float:
        """Return the excess that a `fraction` (0 to 1) of the pixels reaches."""
        if fraction <= 0:
            return np.inf
        if fraction >= 1:
            return -np.inf
        # never 0: a pixel in which all views agree is not to be hidden for it
        return max(float(self._ranks[round((1 - fraction) * (_RANKS - 1))]), _TINY)

    def hidden(self, limit: float, section: Section) -> Mask:
        """Return which pixels of a section are hidden."""
        # kept for the section in view: a step of the slider then only compares
        if self._cached is None or self._cached[0] != section:
            where = index_of(section)
            self._cached = section, self._excess(self._mean[where], self._spread[where])
        found: Mask = self._cached[1] >= limit
        return found

    def release(self) -> None:
        """Forget what was computed for the section in view."""
        self._cached = None


class HidingLayer:
    """Image layer, parts of which can be hidden; its own values stay as they are.

    Parameters
    ----------
    layer
        A napari image layer that shows `whole`. Other data, which the user has put there, are
        left alone.
    whole
        float32 of the layer's shape; never changed.
    rule
        What is hidden first.
    """

    def __init__(self, layer: Any, whole: Floats, rule: Rule) -> None:
        self.layer, self.rule = layer, rule
        self.whole = whole
        self._shown: Floats | None = None
        self._done: set[Section] = set()
        self._limit = np.inf

    @property
    def untouched(self) -> bool:
        """Whether the layer shows what it did, and no data of the user's."""
        return self.layer.data is self.whole or self.layer.data is self._shown

    def hide_from(self, limit: float, section: Section) -> None:
        """Hide the pixels of a section from a limit on; infinity shows all.

        The hidden pixels are NaN, which napari leaves transparent. `section` has an index
        for each axis, or None for all of it.
        """
        if limit != self._limit:
            self._limit = limit
            self._done.clear()
        if np.isposinf(limit) and self._plain:
            self.restore()
            return
        if not self.untouched:
            return
        shown, where = self._buffer(), index_of(section)
        if section in self._done:
            return
        np.copyto(shown[where], self.whole[where])
        self._draw(shown, where)
        if not np.isposinf(limit):
            np.copyto(shown[where], np.nan, where=self.rule.hidden(limit, section))
        self._done.add(section)
        self.layer.refresh(thumbnail=False, highlight=False, extent=False)

    @property
    def _plain(self) -> bool:
        """Whether there is nothing to draw upon the values."""
        return True

    def _draw(self, shown: Floats, where: tuple[Any, ...]) -> None:
        """Draw upon the values of a part."""

    def restore(self) -> None:
        """Show everything again."""
        # Data that someone else has put into the layer stay.
        if self._shown is not None and self.layer.data is self._shown:
            self.layer.data = self.whole
        forget_whole(self.layer)
        self._shown, self._limit = None, np.inf
        self._done.clear()
        if isinstance(self.rule, SpreadRule):
            self.rule.release()

    def _buffer(self) -> Floats:
        if self._shown is None:
            self._shown = self.whole.copy()
            self._done.clear()
            self.layer.data = self._shown
            remember_whole(self.layer, self._shown, self.whole)
        return self._shown


class HidingLayers:
    """Hides what is doubtful in several layers of a viewer, in what is in view.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layers: dict[str, HidingLayer] = {}
        self._fraction = 0.0
        viewer.dims.events.current_step.connect(self._follow)
        viewer.dims.events.order.connect(self._follow)
        viewer.dims.events.ndisplay.connect(self._follow)

    def add(self, name: str, layer: HidingLayer) -> None:
        """Hide in one more layer, in place of an earlier one of that name."""
        self.remove(name)
        self._layers[name] = layer
        layer.layer.events.visible.connect(self._follow)
        self._follow()

    def remove(self, name: str) -> None:
        """Show all of a layer again, and leave it alone from now on."""
        layer = self._layers.pop(name, None)
        if layer is not None:
            layer.layer.events.visible.disconnect(self._follow)
            layer.restore()

    def get(self, name: str) -> HidingLayer | None:
        """Return a layer; None if it is not known, or no longer in the viewer."""
        found = self._layers.get(name)
        return found if found is not None and found.layer in self._viewer.layers else None

    def rules(self, names: Sequence[str]) -> tuple[dict[str, Rule], list[str]]:
        """Return the rules of the layers of these names, and which of these cannot be hidden.

        Those were deleted, or the user has put other data there.
        """
        known = {name: self._layers[name] for name in names if name in self._layers}
        there = self._viewer.layers
        gone = [n for n, one in known.items() if one.layer not in there or not one.untouched]
        return {name: one.rule for name, one in known.items()}, gone

    def hide(self, fraction: float) -> None:
        """Hide a fraction (0 to 1) in each layer.

        Only what is in view is computed, layer by layer and plane by plane.
        """
        self._fraction = fraction
        self._follow()

    def refresh(self) -> None:
        """Draw again what is in view, as after a mark was set."""
        self._follow()

    def restore(self) -> None:
        """Show everything again and disconnect from viewer and layers."""
        events = self._viewer.dims.events
        for event in (events.current_step, events.order, events.ndisplay):
            event.disconnect(self._follow)
        for name in list(self._layers):
            self.remove(name)

    def _follow(self, _event: Any = None) -> None:
        for hiding in self._layers.values():
            layer = hiding.layer
            if layer in self._viewer.layers and (layer.visible or self._fraction <= 0):
                limit = np.inf if self._fraction <= 0 else hiding.rule.limit(self._fraction)
                hiding.hide_from(limit, self._in_view(layer))

    def _in_view(self, layer: Any) -> Section:
        dims = self._viewer.dims
        shown = {axis - dims.ndim + layer.ndim for axis in dims.displayed}
        position = position_in_view(self._viewer, layer)
        return tuple(None if axis in shown else index for axis, index in enumerate(position))


def index_of(section: Section) -> tuple[Any, ...]:
    """Return the index of a section: all of the axes that are None."""
    return (*(slice(None) if i is None else i for i in section), ...)
