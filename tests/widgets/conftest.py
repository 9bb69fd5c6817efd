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

    def measure(self, intensity=None, uncertainty=None):
        ids, areas = np.unique(self.labels[self.labels > 0], return_counts=True)
        table = {"index": ids, "label": ids, "area_px": areas}
        if intensity is not None:
            table["mean_intensity"] = [intensity[self.labels == i].mean() for i in ids]
        if uncertainty is not None:
            table["mean_uncertainty"] = [uncertainty[self.labels == i].mean() for i in ids]
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


class FakeStaining:
    """What `tasks.stain` returns: 100 × image for DNA, image for AGP, sigma = image."""

    def __init__(self, layer, mean, std, channels, *, count=0, messages=(), position=None):
        self.layer, self.mean, self.std = layer, mean, std
        self.channels, self.count, self.messages = channels, count, list(messages)
        self.axes = "C" + "TZYX"[-(mean.ndim - 1) :]
        self.calibrated, self.samples, self.position = True, None, position
        self.provenance = {
            "task": "stain",
            "version": "0",
            "model": {"name": "fake", "source": "fake/model", "sha256": "0" * 64},
            "source": {"layer": "cells", "path": None, "shape": [64, 64], "dtype": "float32"},
            "parameters": {"samples": count, "seed": 3},
        }

    def to_layers(self):
        geometry = read_source(self.layer).geometry
        lead = (1,) * (self.layer.ndim - self.mean.ndim + 1)
        layers = []
        for role, values, colormap in (
            ("mean", self.mean, "blue"),
            ("uncertainty", self.std, "magma"),
        ):
            for name, plane in zip(self.channels, () if values is None else values, strict=False):
                record = {**self.provenance, "stain": name, "role": role}
                if role == "mean":
                    record["uncertainty_layer"] = self._name(name, "uncertainty")
                attributes = {
                    "name": self._name(name, role),
                    "colormap": colormap,
                    "blending": "additive",
                    "metadata": {"napari-cytosynth": record},
                    **geometry,
                }
                layers.append((plane.reshape(lead + plane.shape), attributes, "image"))
        return layers

    def _name(self, channel, role):
        return f"{self.layer.name} – virtual {channel} ({role})"


class FakeStainer:
    """Counts its runs; can be held after a number of samples, or fail."""

    def __init__(self):
        self.runs = []
        self.hold_at = None
        self.gate = threading.Event()
        self.held = threading.Event()
        self.error = None

    def stain(self, image, model, *, samples, stains, planes, on_update=None, on_start=None,
              enough=None, progress=None, first_plane=None, **options):  # fmt: skip
        self.runs.append(
            {"model": model, "samples": samples, "stains": stains, "planes": planes,
             "first_plane": first_plane, **options}
        )  # fmt: skip
        data = np.asarray(image.data if planes is None else image.data[planes], np.float32)
        channels = stains or ("DNA", "AGP")
        factors = {"DNA": 100.0, "AGP": 1.0}
        mean = np.stack([factors[name] * data for name in channels])
        if model == "fake/rival":
            mean[..., 20:28, 20:28] += 5
        std = np.stack([data for _ in channels]) if samples else None
        if on_start is not None:
            empty = np.zeros_like(mean)
            on_start(FakeStaining(image, empty, empty if samples else None, channels))
        count = 0
        for count in range(1, max(samples, 1) + 1):
            if self.error is not None:
                raise self.error
            for plane in np.ndindex(data.shape[:-2]):
                if on_update is not None:
                    where = (slice(None), *plane)
                    spread = std[where] if std is not None and count > 1 else None
                    on_update(plane, count, mean[where], spread)
            self._hold(count, progress, samples)
            if enough is not None and enough():
                break
        messages = [f"{count} samples." if samples else "One prediction."]
        count = count if samples else 0
        return FakeStaining(image, mean, std, channels, count=count, messages=messages)

    def _hold(self, count, progress, samples):
        for _ in range(2000):
            progress(count, samples, f"sample {count} of {samples}")
            if count != self.hold_at or self.gate.is_set():
                return
            self.held.set()
            self.gate.wait(0.01)
        raise AssertionError("the test held the stainer for too long")


@pytest.fixture
def network():
    fake = FakeNetwork()
    yield fake
    fake.gate.set()


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer):
    """Return a function that docks a widget in the viewer's window."""

    def add(widget, name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            viewer.window.add_dock_widget(widget, name=name)

    return add


@pytest.fixture
def make_widget(viewer, dock, network):
    """Return a function that docks a Segment widget which runs the fake network."""
    from napari_cytosynth.widgets.segment import SegmentWidget

    def make():
        widget = SegmentWidget(viewer, network.segment)
        dock(widget, "Segment")
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


@pytest.fixture
def stainer():
    fake = FakeStainer()
    yield fake
    fake.gate.set()


@pytest.fixture
def make_stain_widget(viewer, dock, stainer):
    """Return a function that docks a Stain widget which runs the fake stainer."""
    from napari_cytosynth.widgets.stain import StainWidget

    def make(stain=None, check=lambda *_: []):
        widget = StainWidget(viewer, stain or stainer.stain, check)
        dock(widget, "Stain")
        widget.model.value = "fake/model"
        return widget

    return make


@pytest.fixture
def tiny_folder(make_model, tmp_path):
    """Folder of a model that stains DNA and AGP, trained at 0.5 µm per pixel."""
    from napari_cytosynth.zoo.files import save_model

    model = make_model(task="stain", output_channels=["DNA", "AGP"], splitting=None, threshold=None)
    save_model(tmp_path / "tiny", model.network, model.card)
    return tmp_path / "tiny"
