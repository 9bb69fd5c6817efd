"""Which layers of a virtual staining are shown: one stain on black, or all side by side."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.widgets.stain.shown.repaint import set_visible

from .side_by_side import SideBySide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .result_layers import Key, StainLayers

__all__ = ["StainView"]


_SPREADS = {"uncertainty": "sigma", "sample spread": "samples"}
"""Role of a layer that accompanies a stain -> its field of :class:`_Choice`."""


def _nothing() -> Any:
    return None


@dataclass
class _Choice:
    """What the user wants to see."""

    stains: set[str] = field(default_factory=set)
    sigma: bool = False
    samples: bool = False
    source: bool = False


class StainView:
    """Shows and hides the image, its stains and their uncertainties, and follows the eye icons.

    A new image begins with one stain alone on black, the one that was picked last: several
    additive stains over an opaque image are a white glare. Another run of the same image changes
    nothing that is shown.

    Parameters
    ----------
    viewer
        The napari viewer.
    on_change
        Called when something was shown, hidden, added or deleted.
    """

    def __init__(self, viewer: Any, on_change: Callable[[], None]) -> None:
        self._viewer = viewer
        self._on_change = on_change
        self._layers: StainLayers | None = None
        self._source: Callable[[], Any] = _nothing
        self._names: list[str] = []
        self._known: list[str] = []
        self._choice = _Choice()
        self._picked = ""
        self._quiet = False
        self._undo: Callable[[], None] = _nothing
        self._alone: Callable[[], Any] = _nothing
        self._others: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
        self._grid = SideBySide(viewer, self._on_grid_left)
        self._connected: weakref.WeakSet[Any] = weakref.WeakSet()

    # -- what is there --------------------------------------------------------------------

    @property
    def source(self) -> Any:
        """Layer of the image; None if it is gone."""
        layer = self._source()
        return layer if layer is not None and layer in self._viewer.layers else None

    @property
    def stains(self) -> list[str]:
        """Names of the stains of the image, those whose layers were deleted among them."""
        return list(self._known)

    def shows(self, role: str, stain: str = "") -> bool:
        """Return whether something is visible.

        Parameters
        ----------
        role
            ``mean``, ``uncertainty``, ``sample spread`` or ``source``.
        stain
            Name of the stain. Default: "", any.
        """
        if role == "source":
            return self.source is not None and bool(self.source.visible)
        return any(
            layer.visible
            for (name, own), layer in self._there().items()
            if own == role and stain in ("", name)
        )

    def has(self, role: str, stain: str = "") -> bool:
        """Return whether there is such a layer; parameters as for `shows`."""
        if role == "source":
            return self.source is not None
        return any(own == role and stain in ("", name) for name, own in self._there())

    @property
    def side_by_side(self) -> bool:
        """Whether all are shown side by side."""
        return self._grid.on

    def _there(self) -> dict[Key, Any]:
        return {} if self._layers is None else self._layers.layers()

    # -- a run ----------------------------------------------------------------------------

    def attach(self, layers: StainLayers, source: Any, names: list[str]) -> None:
        """Show the layers of a run that begins, in place of those of an earlier one.

        Parameters
        ----------
        layers
            Those of the image; later ones are announced by `follow`.
        source
            Layer of the image, or None.
        names
            Stains of the run.
        """
        self.show_alone(None)
        same_image = source is not None and source == self._source()
        same = layers is self._layers and any(e.visible for e in layers.layers().values())
        if not same:
            self.set_side_by_side(False)
        self._remember()
        if layers is not self._layers:
            self._known = []
        self._layers, self._names = layers, names
        self._known = list(dict.fromkeys([*self._known, *(k[0] for k in self._there()), *names]))
        self._source = _nothing if source is None else weakref.ref(source)
        if not same_image:
            self._choice = _Choice()
        if self._grid.on:
            self._choice.stains |= set(names)
        if not self._choice.stains & set(names):
            self._choice.stains = {self._pick()}
        if not same:
            self._show_result_only()
        for key, layer in layers.layers().items():
            self.follow(key, layer)
        self._watch(source)
        self._on_change()

    def _remember(self) -> None:
        """Keep how to undo what a run is about to change."""
        visible = weakref.WeakKeyDictionary({la: la.visible for la in self._viewer.layers})
        choice = replace(self._choice, stains=set(self._choice.stains))
        before = (self._layers, self._source, self._names, self._known, choice)

        def undo() -> None:
            self._layers, self._source, self._names, self._known, self._choice = before
            self._set(list(visible.items()))

        self._undo = undo

    def undo(self) -> None:
        """Show again what was shown before an unfinished run."""
        self._undo()
        self.settle()

    def settle(self) -> None:
        """Keep what is shown now, and select the stain: napari's controls are then of it."""
        self._undo = _nothing
        shown = [layer for layer in self._there().values() if layer.visible]
        if shown and not any(layer.visible for layer in self._viewer.layers.selection):
            self._viewer.layers.selection.active = shown[0]
        self._on_change()

    def wants(self, key: Key) -> bool:
        """Return whether a layer that comes now is to be visible."""
        stain, role = key
        chosen = self._choice.stains & set(self._names)
        if role == "mean":
            return stain in chosen
        return getattr(self._choice, _SPREADS[role]) and stain in (chosen or {self._pick()})

    def follow(self, _key: Key, layer: Any) -> None:
        """Watch a layer that was added or found; in the grid, name it."""
        self._watch(layer)
        if self._grid.on:
            self._grid.name(layer)
        self._on_change()

    def release(self) -> None:
        """Leave the layers as they are shown; the grid goes."""
        self.set_side_by_side(False)
        self.show_alone(None)
        for layer in list(self._connected):
            layer.events.visible.disconnect(self._on_visible)
        self._connected.clear()
        self._layers, self._source, self._undo = None, _nothing, _nothing
        self._known = []
        self._on_change()

    def _pick(self) -> str:
        """Return the stain that was picked last, or the first one."""
        return self._picked if self._picked in self._names else next(iter(self._names), "")

    def _show_result_only(self) -> None:
        """Show what the user wants of the result, and no other image.

        Shapes are hidden, too: a region filled with white would be added to the stain.
        """
        own = self._there()
        keys = {layer: key for key, layer in own.items()}
        kinds = ("image", "shapes")
        images = [layer for layer in self._viewer.layers if layer._type_string in kinds]
        source = self.source
        self._set(
            (
                layer,
                self.wants(keys[layer])
                if layer in keys
                else layer == source and self._choice.source,
            )
            for layer in images
        )

    # -- what the user ticks ----------------------------------------------------------------

    def set_stain(self, stain: str, shown: bool) -> None:
        """Show or hide a stain, with its uncertainty if that is shown."""
        self._choose(stain, shown)
        self._set(
            (layer, shown if role == "mean" else self.wants((name, role)))
            for (name, role), layer in self._there().items()
            if name == stain or role != "mean"
        )
        self._on_change()

    def set_sigma(self, shown: bool) -> None:
        """Show or hide the uncertainty of what is shown."""
        self._set_spread("uncertainty", shown)

    def set_samples(self, shown: bool) -> None:
        """Show or hide the spread of dropout samples of what is shown."""
        self._set_spread("sample spread", shown)

    def _set_spread(self, kind: str, shown: bool) -> None:
        setattr(self._choice, _SPREADS[kind], shown)
        self._set(
            (layer, self.wants((name, role)))
            for (name, role), layer in self._there().items()
            if role == kind
        )
        self._on_change()

    def set_source(self, shown: bool) -> None:
        """Show or hide the image."""
        self._choice.source = shown
        if self.source is not None:
            self._set([(self.source, shown)])
        self._on_change()

    def set_side_by_side(self, on: bool) -> None:
        """Show image and stains side by side, or again as before."""
        if on == self._grid.on or (on and not self._there()):
            self._on_change()
            return
        if on:
            self.show_alone(None)
            source = [] if self.source is None else [self.source]
            others = [] if self._layers is None else self._layers.extras()
            self._grid.enter([*source, *self._there().values(), *others])
            self._choice = replace(self._choice, stains=set(self._known), source=True)
            # outlines would have a picture of their own; they are shown again afterwards
            self._set((layer, False) for layer in others)
            self._set((layer, True) for layer in source)
            self._set((layer, self.wants(key)) for key, layer in self._there().items())
            self._grid.fit()
        else:
            self._leave_grid()
        self._on_change()

    def _leave_grid(self) -> None:
        with self.quiet():
            self._grid.leave()
        shown = {stain for stain in self._known if self.shows("mean", stain)}
        spreads = {field: self.shows(role) for role, field in _SPREADS.items()}
        self._choice = _Choice(shown, source=self.shows("source"), **spreads)

    def show_alone(self, layer: Any) -> None:
        """Hide all layers but one, such as a difference; None shows them again and hides it."""
        alone = self._alone()
        if layer is None and alone is None:
            return
        if layer is None:
            self._set([(alone, False), *self._others.items()])
            self._others.clear()
            self._alone = _nothing
        else:
            self.set_side_by_side(False)
            for other in self._viewer.layers:
                self._others.setdefault(other, bool(other.visible))
            self._others.pop(layer, None)
            self._alone = weakref.ref(layer)
            self._set((other, other == layer) for other in list(self._viewer.layers))
        self._on_change()

    # -- events -----------------------------------------------------------------------------

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Take what is shown and hidden meanwhile for no choice of the user."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def refresh(self) -> None:
        """Note layers that came or went; what a deleted one hid is shown again."""
        alone = self._alone()
        if self._others and alone not in self._viewer.layers:
            self._set(list(self._others.items()))
            self._others.clear()
            self._alone = _nothing
        if self._grid.on and not self._there():
            self._leave_grid()
        self._on_change()

    def _set(self, wanted: Iterable[tuple[Any, bool]]) -> None:
        with self.quiet():
            set_visible((layer, on) for layer, on in list(wanted) if layer in self._viewer.layers)

    def _choose(self, stain: str, shown: bool) -> None:
        if shown:
            self._choice.stains.add(stain)
            self._picked = stain
        else:
            self._choice.stains.discard(stain)

    def _watch(self, layer: Any) -> None:
        if layer is not None and layer not in self._connected:
            layer.events.visible.connect(self._on_visible)
            self._connected.add(layer)

    def _on_visible(self, event: Any) -> None:
        """Follow an eye icon of the layer list."""
        if self._quiet:
            return
        layer = event.source
        key = next((key for key, own in self._there().items() if own == layer), None)
        if layer == self.source:
            self._choice.source = bool(layer.visible)
        elif key is not None and key[1] == "mean":
            self._choose(key[0], bool(layer.visible))
        elif key is not None:
            setattr(self._choice, _SPREADS[key[1]], self.shows(key[1]))
        self._on_change()

    def _on_grid_left(self) -> None:
        """Follow the user, who switched the grid off."""
        self._leave_grid()
        self._on_change()
