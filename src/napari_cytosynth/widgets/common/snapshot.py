"""Copies of layers for jobs, independent of the viewer."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

__all__ = [
    "GEOMETRY",
    "LayerSnapshot",
    "copied",
    "finest",
    "forget_whole",
    "remember_whole",
    "whole_data",
]

GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


@dataclass(frozen=True)
class _Origin:
    """Source of a layer; napari's own record keeps widgets alive."""

    path: str | None


@dataclass(frozen=True, eq=False)
class LayerSnapshot:
    """Copy of a layer's attributes at the start of a run, unaffected by later edits.

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
    features: Any

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
            features=copied(getattr(layer, "features", None)),
            **{name: copied(getattr(layer, name)) for name in GEOMETRY},
        )

    def pixels(self, ndim: int, position: tuple[int, ...] | None) -> Any:
        """Return the data at full resolution of the planes of a result.

        Parameters
        ----------
        ndim
            Number of axes of the result.
        position
            Index of the plane, for a result of a single plane; it is taken out of the data if
            they are a stack. None for a whole stack.
        """
        data = finest(self)
        single = bool(position) and data.ndim == ndim + len(position or ())
        return data[tuple(position or ())] if single else data


def finest(layer: Any) -> Any:
    """Return the data of a layer, or of its copy; those of a pyramid at full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def copied(value: Any) -> Any:
    """Return a copy of what has one."""
    return value.copy() if hasattr(value, "copy") else value


# Of layers with hidden pixels: the data shown, and the whole data.
_WHOLE: weakref.WeakKeyDictionary[Any, tuple[Any, Any]] = weakref.WeakKeyDictionary()


def remember_whole(layer: Any, shown: Any, whole: Any) -> None:
    """Register the whole data of a layer that shows `shown`, with some pixels hidden."""
    _WHOLE[layer] = shown, whole


def whole_data(layer: Any) -> Any:
    """Return a layer's data, including hidden pixels."""
    shown, whole = _WHOLE.get(layer, (None, None))
    return whole if shown is not None and layer.data is shown else layer.data


def forget_whole(layer: Any) -> None:
    """Unregister a layer that shows all its pixels again."""
    _WHOLE.pop(layer, None)
