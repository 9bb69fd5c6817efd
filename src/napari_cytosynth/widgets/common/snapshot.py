"""A layer as it was when a job began."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

__all__ = ["LayerSnapshot", "forget_whole", "remember_whole", "whole_data"]

_GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


@dataclass(frozen=True)
class _Origin:
    """Where a layer came from; napari's own record holds on to widgets."""

    path: str | None


@dataclass(frozen=True, eq=False)
class LayerSnapshot:
    """A layer as it was when the run began, whatever the user does to it meanwhile.

    It has the attributes of a napari layer that tasks read, and no link to the viewer.
    """

    name: str
    data: Any
    rgb: bool
    multiscale: bool
    ndim: int
    scale: Any
    translate: Any
    rotate: Any
    shear: Any
    affine: Any
    units: Any
    axis_labels: Any
    metadata: dict[str, Any]
    source: _Origin

    @classmethod
    def of(cls, layer: Any) -> LayerSnapshot:
        """Copy everything but the pixels."""
        return cls(
            name=str(layer.name),
            data=whole_data(layer),
            rgb=bool(getattr(layer, "rgb", False)),
            multiscale=bool(getattr(layer, "multiscale", False)),
            ndim=int(layer.ndim),
            metadata=dict(layer.metadata),
            source=_Origin(getattr(getattr(layer, "source", None), "path", None)),
            **{name: _copied(getattr(layer, name)) for name in _GEOMETRY},
        )

    def pixels(self, ndim: int, position: tuple[int, ...] | None) -> Any:
        """Return the data at full resolution that belong to a result.

        Parameters
        ----------
        ndim
            Number of axes of the result.
        position
            Of the plane that the result is of, where it is a single one of a stack; it is
            taken out of the data if they are a stack.
        """
        data: Any = self.data[0] if self.multiscale else self.data
        single = bool(position) and data.ndim == ndim + len(position or ())
        return data[tuple(position or ())] if single else data


def _copied(value: Any) -> Any:
    return value.copy() if hasattr(value, "copy") else value


# Of layers that show only a part of their values: what they show, and all of it.
_WHOLE: weakref.WeakKeyDictionary[Any, tuple[Any, Any]] = weakref.WeakKeyDictionary()


def remember_whole(layer: Any, shown: Any, whole: Any) -> None:
    """Remember what a layer's data are while it shows `shown`, where some are hidden."""
    _WHOLE[layer] = shown, whole


def whole_data(layer: Any) -> Any:
    """Return a layer's data, with what is merely hidden from view."""
    shown, whole = _WHOLE.get(layer, (None, None))
    return whole if shown is not None and layer.data is shown else layer.data


def forget_whole(layer: Any) -> None:
    """Forget it: the layer shows all that it has."""
    _WHOLE.pop(layer, None)
