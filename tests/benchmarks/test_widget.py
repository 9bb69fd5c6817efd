"""What opening the widget and one drag step cost; run with ``-s`` to see the figures."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.tree import ComponentTree

THRESHOLDS = (0.02, 0.05, 0.2, 0.4, 0.6, 0.8)


def blobs(size):
    noise = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, 8)
    return 1 / (1 + np.exp(-(smooth / smooth.std() - 1.2) * 4)).astype(np.float32)


def best_ms(step, repeats=3):
    costs = []
    for _ in range(repeats):
        for threshold in THRESHOLDS:
            start = time.thread_time()
            step(threshold)
            costs.append(1000 * (time.thread_time() - start))
    return float(np.median(costs))


@pytest.mark.slow
@pytest.mark.parametrize(("size", "aim_ms"), [(1024, 16), (2048, 30)])
def test_a_drag_step_against_labelling_from_scratch(size, aim_ms, capsys):
    from skimage.measure import label, regionprops_table

    plane = blobs(size)
    start = time.perf_counter()
    tree = ComponentTree(plane)
    built = time.perf_counter() - start
    labels = np.zeros(plane.shape, np.int32)

    def drag(threshold):
        view = tree.at(threshold, LabelOptions(threshold), out=labels)
        assert view.count == len(view.areas)

    def scratch(threshold):
        regionprops_table(label(plane >= threshold), properties=("label", "area"))

    ours, theirs = best_ms(drag), best_ms(scratch, repeats=1)
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what it is for
            f"\n{size}²: {ours:.1f} ms a drag step (aim: {aim_ms}), {theirs:.1f} ms from scratch, "
            f"{theirs / ours:.1f}×; tree built in {built:.2f} s"
        )
    view = tree.at(0.5, out=labels)
    np.testing.assert_array_equal(view.labels, label(plane >= 0.5))


@pytest.mark.slow
def test_opening_the_widget(make_napari_viewer, capsys):
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    viewer = make_napari_viewer()
    wall, start = time.perf_counter(), time.thread_time()
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget)
    cost, wall = time.thread_time() - start, time.perf_counter() - wall
    with capsys.disabled():
        print(f"\nopening the widget: {1000 * cost:.0f} ms of CPU, {1000 * wall:.0f} ms of wall")  # noqa: T201
    assert widget.native.window() is viewer.window._qt_window


@pytest.mark.slow
@pytest.mark.parametrize("what", ["nuclei", "pixels"])
def test_a_drag_step_that_hides_what_is_doubtful(make_napari_viewer, capsys, what):
    from napari_cytosynth.widgets.stain.hiding import (
        HidingLayer,
        HidingLayers,
        NucleusRule,
        SpreadRule,
    )

    viewer = make_napari_viewer()
    whole = 100 * blobs(1024)
    layers = [viewer.add_image(whole, blending="additive") for _ in range(2)]
    owners = np.arange(1024 * 1024, dtype=np.int32).reshape(1024, 1024) // 700
    rule = (
        NucleusRule(owners, np.linspace(0, 1, int(owners.max()) + 1))
        if what == "nuclei"
        else SpreadRule(whole, blobs(1024), lambda mean, spread: spread / (1 + mean))
    )
    hiding = HidingLayers(viewer)
    for number, layer in enumerate(layers):
        hiding.add(str(number), HidingLayer(layer, whole, rule))
    before = whole.copy()
    hiding.hide(0.5)
    assert np.isnan(layers[0].data).any()
    ours = best_ms(hiding.hide)
    with capsys.disabled():
        print(f"\n1024², two stains, {what}: {ours:.1f} ms a step of hiding")  # noqa: T201
    hiding.restore()
    assert layers[0].data is whole
    np.testing.assert_array_equal(whole, before)
