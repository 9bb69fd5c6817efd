"""What one step of the threshold costs in a real window; run with ``-s`` to see the figures."""

from __future__ import annotations

import time
from unittest.mock import patch

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication
from skimage.measure import label

from napari_cytosynth.widgets.segment import live
from napari_cytosynth.widgets.segment.repaint import repaint

from .test_widget import THRESHOLDS, blobs

SIZE, AIM_MS = 1024, 40


@pytest.fixture
def segmented(make_napari_viewer):
    """A shown window with an image of 1024², its labels, and the widget that made them."""
    from napari_cytosynth.tasks.common.layers import read_source
    from napari_cytosynth.tasks.segment.instances import LabelOptions
    from napari_cytosynth.tasks.segment.result import Segmentation
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    def segment(image, model, *, threshold, **options):
        names = ("min_size", "fill_holes", "split_touching", "drop_border")
        kept = {name: options[name] for name in names if options[name] is not None}
        return Segmentation(
            probability=np.array(image.data),
            axes="YX",
            options=LabelOptions(threshold or 0.5, **kept),
            source=read_source(image),
        )

    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1400, 900)
    viewer.add_image(blobs(SIZE), name="blobs")
    widget = SegmentWidget(viewer, segment, lambda *_: [])
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.model.value = "some/model"
    widget.run()
    assert widget.wait(120)
    assert widget._live is not None, widget.status.value
    return viewer, widget


@pytest.fixture
def owned():
    """Owners of the pixels of the blobs, with confidences; as many as there are blobs."""
    from scipy import ndimage

    from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings, ObjectFacts
    from napari_cytosynth.tasks.segment.flows.planes import OwnedPlanes
    from napari_cytosynth.tasks.segment.tree import ranks
    from napari_cytosynth.zoo.card import Confidence, ConfidenceTerm

    owner, count = ndimage.label(blobs(SIZE) >= 0.3, output=np.int32)
    term = ConfidenceTerm(weight=-1.0, mean=0.5, std=0.2)
    calibration = Confidence(intercept=0, flow_error=term)
    heights = np.zeros(owner.shape, np.uint16)
    planes = OwnedPlanes(owner, heights, "YX", FlowSettings(0.5, 20), calibration)
    # each blob is an object of its own: nothing in it is cut off from its summit
    heights[:] = np.where(owner > 0, ranks(blobs(SIZE), planes.levels), 0)
    errors = np.random.default_rng(0).random(count)
    planes.facts[()] = ObjectFacts(np.bincount(owner.ravel())[1:], np.ones(count), errors)
    return planes


@pytest.mark.slow
def test_hiding_doubtful_objects_costs_as_little_as_a_threshold(owned, capsys):
    """A step of either slider, without the window: labels, areas and counts."""
    from napari_cytosynth.tasks.segment.instances import LabelOptions

    objects = owned.objects((), blobs(SIZE))
    out = np.empty((SIZE, SIZE), np.int32)

    def seconds(options):
        start = time.perf_counter()
        view = objects.at(options.threshold, options, out=out)
        taken = time.perf_counter() - start
        assert view.labels.max() == view.count
        return taken

    plain = np.median([seconds(LabelOptions(t)) for t in THRESHOLDS * 4])
    hiding = [seconds(LabelOptions(0.5, min_confidence=t)) for t in THRESHOLDS * 4]
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what it is for
            f"\n{SIZE}²: a step of the confidence takes {np.median(hiding) / plain:.2f} times "
            "one of the threshold"
        )


class Frames:
    """Milliseconds of steps to the frame on the screen, and what they cost where.

    `wall` counts until the window's frame is swapped; `cpu` is that of all threads: `slice` goes
    to the repainting of the layer, `own` to all else that a step calls, the rest to drawing.
    """

    def __init__(self, viewer):
        self.canvas = viewer.window._qt_viewer.canvas._scene_canvas.native

    def measure(self, step, times=4, repaint=repaint):
        inside, swapped, rows = [], [], []

        def timed(layer):
            start = time.process_time()
            repaint(layer)
            inside.append(time.process_time() - start)

        self.canvas.frameSwapped.connect(lambda: swapped.append(True))
        with patch.object(live, "repaint", timed):
            for threshold in THRESHOLDS * times:
                for _ in range(3):  # what the step before has left behind
                    QApplication.processEvents()
                swapped.clear()
                inside.clear()
                start, cpu = time.perf_counter(), time.process_time()
                step(threshold)
                stepped = time.process_time() - cpu
                while not swapped:
                    QApplication.processEvents()
                taken = time.perf_counter() - start, time.process_time() - cpu
                rows.append((*taken, stepped - sum(inside), sum(inside)))
        return dict(zip(("wall", "cpu", "own", "slice"), 1000 * np.array(rows).T, strict=True))


def refresh(layer):
    """The way of napari, which :func:`repaint` replaces."""
    layer.refresh(thumbnail=False, highlight=False, extent=False)


@pytest.mark.slow
def test_a_drag_step_to_the_repainted_screen(segmented, capsys):
    """From the value that the slider sets to the frame that shows its labels."""
    viewer, widget = segmented
    layer, probability = widget._live.labels_layer, widget.segmentation.probability
    frames = Frames(viewer)
    shown = []

    def drag(threshold):
        widget.threshold.value = threshold
        shown.append((threshold, np.count_nonzero(layer.data)))

    def replace(threshold):
        layer.data = label(probability >= threshold)

    figures = {
        "a step": frames.measure(drag),
        "a step, refreshed by napari": frames.measure(drag, repaint=refresh),
        "the same window drawn again": frames.measure(lambda _: frames.canvas.update()),
    }
    widget.wait(60)
    figures["labelled anew, into layer.data"] = frames.measure(replace)
    with capsys.disabled():
        print(f"\n{SIZE}², up to {layer.data.max()} objects, aim {AIM_MS} ms")  # noqa: T201
        for name, ms in figures.items():
            middle = {part: np.median(values) for part, values in ms.items()}
            drawing = np.median(ms["cpu"] - ms["own"] - ms["slice"])
            print(  # noqa: T201 - the figures are what it is for
                f"{name}: {middle['wall']:.1f} ms to the frame, 95 % within "
                f"{np.percentile(ms['wall'], 95):.1f}; CPU {middle['cpu']:.1f}: "
                f"own {middle['own']:.1f}, labels to texture {middle['slice']:.1f}, "
                f"drawing {drawing:.1f}"
            )
    assert all(pixels == np.count_nonzero(probability >= step) for step, pixels in shown)
    ours, napari = figures["a step"], figures["a step, refreshed by napari"]
    assert np.median(ours["slice"]) < 0.7 * np.median(napari["slice"])
    assert np.median(ours["cpu"]) < np.median(figures["labelled anew, into layer.data"]["cpu"])
