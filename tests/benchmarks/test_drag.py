"""What one step of the threshold costs in a real window; run with ``-s`` to see the figures."""

from __future__ import annotations

import time

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

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
        kept = {name: options[name] for name in names}
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


def cost_ms(viewer, step):
    """Median and largest milliseconds from a step to the drawn window, and those of CPU."""
    drawn, costs, busy = [], [], []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda event: drawn.append(True))
    for threshold in THRESHOLDS * 4:
        QApplication.processEvents()
        drawn.clear()
        start, cpu = time.perf_counter(), time.process_time()
        step(threshold)
        while not drawn:
            QApplication.processEvents()
        QApplication.processEvents()  # the window shows what the canvas has drawn
        costs.append(1000 * (time.perf_counter() - start))
        busy.append(1000 * (time.process_time() - cpu))
    return np.median(costs), max(costs), np.median(busy)


@pytest.mark.slow
def test_a_drag_step_to_the_repainted_screen(segmented, capsys):
    """From the value that the slider sets to the canvas that shows its labels."""
    viewer, widget = segmented
    layer = widget._live.labels_layer

    def drag(threshold):
        widget.threshold.value = threshold
        assert np.array_equal(layer.data > 0, widget.segmentation.probability >= threshold)

    def repaint(_threshold):
        layer.refresh()

    ours, worst, busy = cost_ms(viewer, drag)
    least, _, least_busy = cost_ms(viewer, repaint)
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what it is for
            f"\n{SIZE}²: {ours:.1f} ms from a step to the repainted screen (aim: {AIM_MS}), at "
            f"worst {worst:.1f}; {busy:.1f} ms of CPU. The same labels painted again: {least:.1f} "
            f"ms, {least_busy:.1f} of CPU"
        )
    widget.wait(60)
