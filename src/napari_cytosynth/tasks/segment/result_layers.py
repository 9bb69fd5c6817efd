"""Layer data of a segmentation: the probability as an image, the objects as labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.tasks.common.provenance import KEY

if TYPE_CHECKING:
    from .result import Segmentation

__all__ = ["result_layers"]


def result_layers(segmentation: Segmentation) -> list[tuple[Any, dict[str, Any], str]]:
    """Return the layer data of a result: see :meth:`~.result.Segmentation.to_layers`."""
    suffix = f" – {segmentation.source.name}" if segmentation.source.name else ""
    shared = {"metadata": {KEY: segmentation.provenance}, **segmentation.placement.geometry}
    probability = {
        "name": f"probability{suffix}",
        "contrast_limits": (0.0, 1.0),
        "colormap": "magma",
        "blending": "additive",
        **shared,
    }
    labels = {"name": f"{segmentation.objects}{suffix}", "features": segmentation.table, **shared}
    return [
        (segmentation.placement.placed(segmentation.probability), probability, "image"),
        (segmentation.placement.placed(segmentation.labels), labels, "labels"),
    ]
