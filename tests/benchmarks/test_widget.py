"""What opening the widget and one drag step cost; run with ``-s`` to see the figures."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage

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
def test_opening_the_widget(make_napari_viewer, table):
    from qtpy.QtWidgets import QWidget

    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    viewer = make_napari_viewer()

    def opened(make):
        start = time.thread_time()
        widget = make()
        dock = viewer.window.add_dock_widget(widget)
        taken = time.thread_time() - start
        viewer.window.remove_dock_widget(dock)
        return taken

    opened(lambda: SegmentWidget(viewer))  # imports
    pairs = [(opened(lambda: SegmentWidget(viewer)), opened(QWidget)) for _ in range(5)]
    ours, empty = 1e3 * np.median(pairs, axis=0)
    table.at_most("a dock opened, beyond an empty one", "an empty dock", ours - empty, 150)


def test_what_the_plugin_adds_to_the_start_of_napari(table):
    """Reading and registering its manifest, as napari does with every plugin when it starts."""
    from npe2 import PluginManager, PluginManifest

    costs = []
    for _ in range(7):
        manager = PluginManager()
        start = time.thread_time()
        manager.register(PluginManifest.from_distribution("napari-cytosynth"))
        costs.append(1e3 * (time.thread_time() - start))
    assert "napari-cytosynth" in manager
    table.at_most("napari's start with the plugin", "without it", float(np.median(costs)), 10)


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
