"""Generate, virtually stain and segment microscopy images, in napari and in scripts.

The public names are loaded on first use: importing the package imports neither torch
nor Qt.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_cytosynth.version import __version__

if TYPE_CHECKING:
    from napari_cytosynth import errors, phantoms
    from napari_cytosynth.errors import Cancelled, CytosynthError
    from napari_cytosynth.tasks.batch.settings import load_settings, save_settings
    from napari_cytosynth.tasks.batch.task import BatchResult, batch
    from napari_cytosynth.tasks.export.objects.exchange import read_objects, write_objects
    from napari_cytosynth.tasks.generate.task import Generation, generate, vary
    from napari_cytosynth.tasks.link.tracking import track
    from napari_cytosynth.tasks.link.tracks import Tracks
    from napari_cytosynth.tasks.look.figure.task import save_figure
    from napari_cytosynth.tasks.measure.table import measure
    from napari_cytosynth.tasks.segment.task import Segmentation, segment
    from napari_cytosynth.tasks.stain.task import Staining, stain
    from napari_cytosynth.training.teach.task import fine_tune
    from napari_cytosynth.zoo.catalogue import ModelInfo, list_models
    from napari_cytosynth.zoo.loading import Model, load_model

# Read by torch at its first allocation: large results come in pages of 2 MB where Linux lets a
# program ask for them; pages of 4 kB cost a good part of the time of a large plane.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__all__ = [
    "BatchResult",
    "Cancelled",
    "CytosynthError",
    "Generation",
    "Model",
    "ModelInfo",
    "Segmentation",
    "Staining",
    "Tracks",
    "__version__",
    "batch",
    "errors",
    "fine_tune",
    "generate",
    "list_models",
    "load_model",
    "load_settings",
    "measure",
    "phantoms",
    "read_objects",
    "save_figure",
    "save_settings",
    "segment",
    "stain",
    "track",
    "vary",
    "write_objects",
]

_PUBLIC_MODULES = {
    "BatchResult": "tasks.batch.task",
    "Cancelled": "errors",
    "CytosynthError": "errors",
    "Generation": "tasks.generate.task",
    "Model": "zoo.loading",
    "ModelInfo": "zoo.catalogue",
    "Segmentation": "tasks.segment.task",
    "Staining": "tasks.stain.task",
    "Tracks": "tasks.link.tracks",
    "batch": "tasks.batch.task",
    "fine_tune": "training.teach.task",
    "generate": "tasks.generate.task",
    "list_models": "zoo.catalogue",
    "load_model": "zoo.loading",
    "load_settings": "tasks.batch.settings",
    "measure": "tasks.measure.table",
    "read_objects": "tasks.export.objects.exchange",
    "save_figure": "tasks.look.figure.task",
    "save_settings": "tasks.batch.settings",
    "segment": "tasks.segment.task",
    "stain": "tasks.stain.task",
    "track": "tasks.link.tracking",
    "vary": "tasks.generate.task",
    "write_objects": "tasks.export.objects.exchange",
}


def __getattr__(name: str) -> Any:
    if name in ("errors", "phantoms"):
        return import_module(f"{__name__}.{name}")
    if name not in _PUBLIC_MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_PUBLIC_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
