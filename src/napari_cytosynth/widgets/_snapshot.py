"""A layer as it was when a job began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["LayerSnapshot"]

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
            data=layer.data,
            rgb=bool(getattr(layer, "rgb", False)),
            multiscale=bool(getattr(layer, "multiscale", False)),
            ndim=int(layer.ndim),
            metadata=dict(layer.metadata),
            source=_Origin(getattr(getattr(layer, "source", None), "path", None)),
            **{name: _copied(getattr(layer, name)) for name in _GEOMETRY},
        )


def _copied(value: Any) -> Any:
    return value.copy() if hasattr(value, "copy") else value
