"""Small results of all tasks, and what a folder holds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_cytosynth.tasks.common.layers import Source
from napari_cytosynth.tasks.generate.result import Generation
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.tasks.stain.result import Staining


def segmentation(threshold=0.5, name="a.tif", shape=(20, 30)):
    probability = np.zeros(shape, np.float32)
    probability[..., 2:6, 3:9] = 0.7
    probability[..., 9:12, 3:9] = 0.9
    pixels = np.zeros(shape, np.uint8)
    record = {"task": "segment", "source": {"path": name, "shape": list(shape), "dtype": "uint8"}}
    return Segmentation(
        probability,
        "ZYX"[-len(shape) :],
        LabelOptions(threshold),
        source=Source(pixels, path=name),
        base_provenance=record,
    )


def staining(std=True):
    mean = np.full((1, 8, 8), 0.5, np.float32)
    return Staining(mean, mean if std else None, ("DNA",), "CYX", provenance={"task": "stain"})


def generation(seeds=(1, 2)):
    images = np.random.default_rng(0).random((len(seeds), 1, 8, 8), np.float32)
    return Generation(images, ("grey",), seeds, model="tiny", provenance={"task": "generate"})


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="session")
def made():
    """Functions that make a result of each task, and that reads all files of a folder."""
    return SimpleNamespace(
        segmentation=segmentation, staining=staining, generation=generation, content=content
    )
