"""Stand-ins for the networks, so that widgets are tested by themselves; results are real."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from types import SimpleNamespace

# not at the first viewer: what is there when tests begin costs the garbage collector nothing,
# and napari calls it whenever a layer goes
import napari
import napari._qt.qt_main_window
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication
from scipy import ndimage

from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source
from napari_cytosynth.tasks.measure.table import measure
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.tasks.stain.objects.doubt import doubt_of
from napari_cytosynth.tasks.stain.objects.result import StainedObjects
from napari_cytosynth.tasks.stain.result import Staining
from napari_cytosynth.widgets.common.canvas import camera_of

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(autouse=True)
def _new_enough(request):
    marker = request.node.get_closest_marker("newer_napari")
    if marker is not None and napari.__version__.startswith("0.6."):
        pytest.skip(f"napari 0.6: {marker.args[0]}")


def record(task, source, parameters):
    """The record of a run of the stand-in."""
    return {
        "task": task,
        "version": "0",
        "model": {"name": "fake", "source": "fake/model", "sha256": "0" * 64},
        "source": {
            "layer": source.name,
            "path": source.path,
            "shape": list(source.data.shape),
            "dtype": str(source.data.dtype),
        },
        "parameters": parameters,
    }


def place(image, planes, axes=None, pixel_size=None):
    """What a result knows of its image, as `tasks.segment` and `tasks.stain` record it."""
    source = read_source(image)
    axes = axes or "TZYX"[-source.data.ndim :]
    z_size, size = known_voxel_size(source, axes, pixel_size)
    return {
        "source": source,
        "source_axes": axes,
        "position": planes,
        "pixel_size": size,
        "z_size": z_size,
    }


class FakeNetwork:
    """Counts its runs; can be held in the middle of one, or fail.

    The probability that it finds is the image itself.
    """

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
        names = ("min_size", "fill_holes", "split_touching", "drop_border", "link_planes")
        kept = {name: options[name] for name in names if options[name] is not None}
        found = place(image, planes, axes, options["pixel_size"])
        return Segmentation(
            probability=np.array(image.data if planes is None else image.data[planes], np.float32),
            axes=found["source_axes"] if planes is None else "YX",
            options=LabelOptions(0.5 if threshold is None else threshold, **kept),
            objects="blobs",
            messages=["All went well."],
            base_provenance=record("segment", found["source"], {}),
            **found,
        )


class FakeStainer:
    """Counts its runs; can be held after a number of samples, or fail.

    The stains are 100 × the image for DNA and the image for AGP, sigma is the image.
    """

    def __init__(self):
        self.runs = []
        self.hold_at = None
        self.card = None  # with one, the result knows its model and has views
        self.sample_spread = False  # with one, samples are not the uncertainty itself
        self.gate = threading.Event()
        self.held = threading.Event()
        self.error = None

    def stain(self, image, model, *, samples, stains, planes, on_update=None, on_start=None,
              enough=None, progress=None, first_plane=None, **options):  # fmt: skip
        asked, samples = samples, samples or 0  # None: as the card says, here none
        self.runs.append(
            {"model": model, "samples": asked, "stains": stains, "planes": planes,
             "first_plane": first_plane, **options}
        )  # fmt: skip
        data = np.asarray(image.data if planes is None else image.data[planes], np.float32)
        channels = stains or ("DNA", "AGP")
        factors = {"DNA": 100.0, "AGP": 1.0}
        mean = np.stack([factors[name] * data for name in channels])
        if model == "fake/rival":
            mean[..., 20:28, 20:28] += 5
        std = np.stack([data for _ in channels]) if samples else None
        found = place(image, planes)
        result = Staining(
            mean=mean,
            std=std,
            channels=tuple(channels),
            axes="C" + (found["source_axes"] if planes is None else "YX"),
            calibrated=std is not None,
            **self._run_of(mean, data),
            **found,
        )
        if on_start is not None:
            empty = None if std is None else np.zeros_like(std)
            on_start(replace(result, mean=np.zeros_like(mean), std=empty))
        count = 0
        for count in range(1, max(samples, 1) + 1):
            if self.error is not None:
                raise self.error
            for plane in np.ndindex(data.shape[:-2]):
                if on_update is not None:
                    where = (slice(None), *plane)
                    sigma = std[where] if std is not None and count > 1 else None
                    on_update(plane, count, mean[where], sigma)
            self._hold(count, progress, samples)
            if enough is not None and enough():
                break
        messages = [f"{count} samples." if samples else "One prediction."]
        count = count if samples else 0
        own = {"samples": count, "seed": 3}
        provenance = record("stain", found["source"], own)
        provenance["model"] = provenance["model"] | {"sha256": str(model)}
        return replace(result, count=count, messages=messages, provenance=provenance)

    def _run_of(self, mean, data):
        if self.card is None:
            return {}
        model = SimpleNamespace(card=self.card)
        spread = np.stack([data for _ in mean])
        own = {"sample_std": spread / 3} if self.sample_spread else {}
        return {"run": SimpleNamespace(model=model), "view_std": spread, "views": 2, **own}

    def _hold(self, count, progress, samples):
        for _ in range(2000):
            progress(count, samples, f"sample {count} of {samples}")
            if count != self.hold_at or self.gate.is_set():
                return
            self.held.set()
            self.gate.wait(0.01)
        raise AssertionError("the test held the stainer for too long")


class FakeFinder:
    """Finds what is bright in a stain, with given doubts; can be held in the middle, or fail."""

    def __init__(self):
        self.stains = []
        self.doubts = (0.9, 0.2, 0.6)
        self.gate = threading.Event()
        self.gate.set()
        self.held = threading.Event()
        self.error = None
        self.threads = []

    def __call__(self, staining, stain, progress):
        self.stains.append(stain)
        self.threads.append(threading.current_thread())
        for _ in range(2000):
            progress(3, 21, "Staining view 3 of 8")
            if self.gate.is_set():
                break
            self.held.set()
            self.gate.wait(0.01)
        else:
            raise AssertionError("the test held the search for too long")
        if self.error is not None:
            raise self.error
        return self.objects(staining, stain)

    def objects(self, staining, stain):
        mean = staining.mean[staining.channels.index(stain)]
        labels, count = np.zeros(mean.shape, np.int32), 0
        for plane in np.ndindex(mean.shape[:-2]):
            found, number = ndimage.label(mean[plane] > 20)
            labels[plane] = np.where(found > 0, found + count, 0)
            count += number
        size = staining.pixel_size
        axes = staining.axes.removeprefix("C")
        table = measure(labels, mean, size, axes=axes, by_plane=True)
        features = {"outline_views": np.linspace(0.9, 0.5, max(count, 1))[:count]}
        block = self._block(staining)
        if block is not None:
            table.insert(2, "doubt", np.resize(self.doubts, count).astype(float))
        messages = [] if block else ["It is not known which of these objects are doubtful."]
        record = {"stain": stain, "role": "objects", "segmenter": "fake"}
        return StainedObjects(labels, table, stain, features, {}, block, staining, messages, record)

    def _block(self, staining):
        return None if staining.run is None else doubt_of(staining.run.model.card.inference, "DNA")


@pytest.fixture
def finder():
    fake = FakeFinder()
    yield fake
    fake.gate.set()


@pytest.fixture
def knowing_card(make_stainer):
    """A card that knows typical errors and the usual spread of views; with them the doubt."""
    from napari_cytosynth.zoo.card import (
        ConfidenceTerm,
        ObjectDoubt,
        StainError,
        StainUncertainty,
        TypicalSpread,
    )

    def make(doubt=True, hidden=((0.5, 0.4, 0.8), (0.8, 0.1, 0.3)), exponent=0.0):
        views = TypicalSpread(usual=[0.1, 0.1], exponent=exponent)
        curve = StainError(levels=[0.0, 100.0], errors=[1.0, 1.0], spreads={"views": views})
        block = ObjectDoubt(
            stain="DNA", segmenter="fluo-nuclei-unet", intercept=0.0, wrong=0.3, count=400,
            terms={"outline_views": ConfidenceTerm(weight=-1.0, mean=0.8, std=0.1)}, fields=7,
            hidden=list(hidden),
        )  # fmt: skip
        older = dict.fromkeys(("sigma_scale", "sigma_slope", "sigma_floor", "sigma_samples"))
        known = StainUncertainty(stains=[curve, curve], views=2)
        blocks = [block] if doubt else []
        return make_stainer(uncertainty=known, doubt=blocks, output_scaling=[], **older).card

    return make


@pytest.fixture
def network():
    fake = FakeNetwork()
    yield fake
    fake.gate.set()


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    """Folders of settings of the test's own: nothing of the user's is read or written."""
    from qtpy.QtCore import QSettings

    from napari_cytosynth.widgets.common import preferences, remembered

    file = str(tmp_path / "widgets.ini")
    make = lambda: QSettings(file, QSettings.Format.IniFormat)  # noqa: E731
    monkeypatch.setattr(remembered, "_settings", make)
    monkeypatch.setattr(preferences, "_page", lambda: None)
    monkeypatch.setenv("CYTOSYNTH_HOME", str(tmp_path / "home"))


@pytest.fixture
def viewer(shared_window, qtbot):
    """A viewer as new, in a window that tests share; files that must see it make one that shows."""
    yield shared_window.viewer()
    shared_window.clear()


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
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

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
def make_stain_widget(viewer, dock, stainer, finder):
    """Return a function that docks a Stain widget which runs the fake stainer."""
    from napari_cytosynth.widgets.stain.widget import StainWidget

    def make(stain=None, check=lambda *_: []):
        widget = StainWidget(viewer, stain or stainer.stain, check, None if stain else finder)
        dock(widget, "Stain")
        widget.model.value = "fake/model"
        return widget

    return make


@pytest.fixture
def tiny_folder(make_model, tmp_path):
    """Folder of a model that stains DNA and AGP, trained at 0.5 µm per pixel."""
    from napari_cytosynth.zoo.model_files import save_model

    model = make_model(task="stain", output_channels=["DNA", "AGP"], splitting=None, threshold=None)
    save_model(tmp_path / "tiny", model.network, model.card)
    return tmp_path / "tiny"


class Mouse:
    """The mouse over the canvas, at places of the image."""

    def __init__(self, viewer, qtbot):
        self._viewer, self._qtbot = viewer, qtbot
        self._canvas = viewer.window._qt_viewer.canvas.native

    def at(self, y, x):
        camera = camera_of(self._viewer)
        offset = (np.array([y, x]) - np.array(camera.center[-2:])) * camera.zoom
        return QPoint(round(self._canvas.width() / 2 + offset[1]),
                      round(self._canvas.height() / 2 + offset[0]))  # fmt: skip

    def click(self, y, x):
        self._qtbot.mousePress(self._canvas, LEFT, pos=self.at(y, x))
        self._qtbot.mouseRelease(self._canvas, LEFT, pos=self.at(y, x))

    def draw(self, *places):
        self._qtbot.mousePress(self._canvas, LEFT, pos=self.at(*places[0]))
        for place in places[1:]:
            self.hover(*place)
        self._qtbot.mouseRelease(self._canvas, LEFT, pos=self.at(*places[-1]))

    def hover(self, y, x):
        self._qtbot.mouseMove(self._canvas, self.at(y, x))
        QApplication.processEvents()  # or the next move takes its place

    def key(self, *arguments):
        self._qtbot.keyClick(self._canvas, *arguments)


@pytest.fixture
def mouse(viewer, qtbot):
    return Mouse(viewer, qtbot)
