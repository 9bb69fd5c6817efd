"""A stand-in for the network and its result, so that widgets are tested by themselves."""

from __future__ import annotations

import threading
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.tasks.instances import LabelOptions, label_plane
from napari_cytosynth.tasks.layers import physical_pixel_size, read_source


class FakeTree:
    def __init__(self, plane):
        self.plane = plane

    def at(self, threshold, options=None, *, out=None):
        options = LabelOptions(threshold, options.min_size, options.fill_holes)
        labels = label_plane(self.plane, None, options)
        areas = np.bincount(labels.ravel())[1:]
        return SimpleNamespace(
            threshold=threshold,
            labels=labels,
            areas=areas,
            count=len(areas),
            total_area=int(areas.sum()),
        )


class FakeSegmentation:
    """What `tasks.segment` returns, with the image itself as the probability."""

    def __init__(self, layer, probability, options, messages=(), pixel_size=None):
        self.layer, self.probability, self.options = layer, probability, options
        self.messages = list(messages)
        self.axes = "TZYX"[-probability.ndim :]
        self.model_threshold = 0.5
        self.position = None
        geometry, last = read_source(layer).geometry, [layer.ndim - 2, layer.ndim - 1]
        self.pixel_size = pixel_size or physical_pixel_size(geometry, last)
        self.provenance = {
            "task": "segment",
            "version": "0",
            "model": {"name": "fake", "source": "fake/model", "sha256": "0" * 64},
            "source": {"layer": "cells", "path": None, "shape": [64, 64], "dtype": "float32"},
            "parameters": {"threshold": options.threshold},
        }
        self._labels = None

    @property
    def threshold(self):
        return self.options.threshold

    def plane_indices(self):
        return np.ndindex(self.probability.shape[:-2])

    @property
    def labels(self):
        if self._labels is None:
            self._labels = np.zeros(self.probability.shape, np.int32)
            for plane in self.plane_indices():
                self._labels[plane] = label_plane(self.probability[plane], None, self.options)
        return self._labels

    @property
    def table(self):
        return self.measure()

    def measure(self, intensity=None):
        ids, areas = np.unique(self.labels[self.labels > 0], return_counts=True)
        table = {"index": ids, "label": ids, "area_px": areas}
        if intensity is not None:
            table["mean_intensity"] = [intensity[self.labels == i].mean() for i in ids]
        return pd.DataFrame(table)

    def at_threshold(self, threshold, *, progress=None, **options):
        options = LabelOptions(threshold, **options)
        return FakeSegmentation(self.layer, self.probability, options, pixel_size=self.pixel_size)

    def tree(self, plane=()):
        return FakeTree(self.probability[plane])

    def to_layers(self):
        names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        geometry = {name: getattr(self.layer, name) for name in names}
        shape = (1,) * (self.layer.ndim - self.probability.ndim) + self.probability.shape
        common = {**geometry, "metadata": {"napari-cytosynth": self.provenance}}
        name = self.layer.name
        return [
            (
                self.probability.reshape(shape),
                {**common, "name": f"{name} – probability", "contrast_limits": (0, 1)},
                "image",
            ),
            (
                self.labels.reshape(shape),
                {**common, "name": f"{name} – blobs", "features": self.table},
                "labels",
            ),
        ]


class FakeNetwork:
    """Counts its runs; can be held in the middle of one, or fail."""

    def __init__(self):
        self.runs = []
        self.gate = threading.Event()
        self.gate.set()
        self.inside = threading.Event()
        self.error = None

    def segment(self, image, model, *, threshold, progress, planes, axes, **options):
        self.runs.append({"threshold": threshold, "planes": planes, "axes": axes, **options})
        self.inside.set()
        for tile in range(200):
            progress(tile, 200, "Running the network")
            if self.gate.wait(0 if self.gate.is_set() else 0.01):
                break
        else:
            raise AssertionError("the test held the network for too long")
        if self.error is not None:
            raise self.error
        data = image.data if planes is None else image.data[planes]
        names = ("min_size", "fill_holes", "split_touching", "drop_border")
        kept = {name: options[name] for name in names}
        value = 0.5 if threshold is None else threshold
        size = options["pixel_size"]
        return FakeSegmentation(
            image,
            np.array(data, np.float32),
            LabelOptions(value, **kept),
            ["All went well."],
            None if size is None else (size, size),
        )


@pytest.fixture
def network():
    fake = FakeNetwork()
    yield fake
    fake.gate.set()


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def make_widget(viewer, network):
    """Return a function that docks a Segment widget which runs the fake network."""
    from napari_cytosynth.widgets.segment import SegmentWidget

    def make():
        widget = SegmentWidget(viewer, network.segment)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            viewer.window.add_dock_widget(widget, name="Segment")
        widget.model.value = "fake/model"
        return widget

    return make


@pytest.fixture
def blobs():
    """(64, 64) probabilities: two squares of 0.9 and one of 0.3."""
    image = np.full((64, 64), 0.02, np.float32)
    image[5:15, 5:15] = 0.9
    image[30:40, 30:40] = 0.9
    image[50:60, 5:15] = 0.3
    return image
