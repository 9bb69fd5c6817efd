"""The threshold slider before the component tree of the plane in view is built."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_cytosynth.tasks.segment import planes
from napari_cytosynth.widgets.segment.widget import SegmentWidget


@pytest.fixture
def treeless(viewer, make_widget, blobs, monkeypatch):
    """A widget whose run has just ended; its tree is never built."""
    monkeypatch.setattr(SegmentWidget, "_build_tree", lambda self: None)
    widget = make_widget()
    viewer.add_image(blobs, name="cells")
    widget.run()
    assert widget.wait(20)
    assert widget._live.needs_tree() == ()
    return widget


@pytest.mark.parametrize("options", [{}, {"min_size": 30}, {"fill_holes": True}], ids=str)
def test_labels_are_those_of_the_tree(treeless, options):
    for name, value in options.items():
        getattr(treeless, name).value = value
    shown = treeless._live
    tree = treeless.segmentation.tree()
    for threshold in (0.01, 0.2, 0.6, 0.99):
        treeless.threshold.value = threshold
        used = treeless._panel.label_options()
        expected = tree.at(threshold, used)
        np.testing.assert_array_equal(shown.labels_layer.data, expected.labels)
        assert treeless.readout.value.startswith(f"{expected.count} object")
        shown.add_tree((), tree)
        with_tree = shown.show(used)
        shown._trees.clear()
        assert shown.show(used) == with_tree


def test_a_large_plane_shows_its_foreground(treeless, monkeypatch):
    monkeypatch.setattr(planes, "_LABELLED_ANEW", 64 * 64 - 1)
    treeless.threshold.value = 0.2
    assert treeless.readout.value.startswith("counting …")
    assert set(np.unique(treeless._live.labels_layer.data)) == {0, 1}


def test_the_tree_is_built_after_the_run(ran):
    assert ran._live.needs_tree() is None


def test_another_run_does_not_wait_for_the_tree_of_the_one_before(ran):
    release = threading.Event()
    shown = ran._live
    ran._trees.start(lambda progress: release.wait(20), lambda outcome: None)
    try:
        ran.run()
        assert ran._runs.wait(20)
        assert ran._live is not shown
    finally:
        release.set()
    assert ran.wait(20)
    assert ran._live.needs_tree() is None
