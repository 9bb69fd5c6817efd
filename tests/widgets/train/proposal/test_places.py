"""“Where next?” in the Train widget."""

from __future__ import annotations

import numpy as np

from napari_cytosynth.widgets.common.canvas import camera_of
from napari_cytosynth.widgets.train.proposal import finding


def test_it_goes_to_what_is_not_painted_and_then_on(viewer, filled, monkeypatch):
    monkeypatch.setattr(finding, "_SIDE", 32)
    filled._next.native.click()
    assert "Open an image" not in filled.status.value
    assert filled._next.text == "Stop looking"
    strokes = viewer.layers["strokes"]
    assert filled._finder.jobs.wait(200)
    first = viewer.layers["paint here – cells"].data[0]
    strokes.data[:] = 1
    strokes.data[64:, 80:] = 0
    filled.propose()
    assert filled._finder.jobs.wait(200)
    assert "least certain" in filled.status.value
    mark = viewer.layers["paint here – cells"]
    corners = np.asarray(mark.data[0])
    np.testing.assert_array_equal((corners.min(0), corners.max(0)), [(63.5, 79.5), (95.5, 111.5)])
    assert not np.array_equal(first, corners)
    np.testing.assert_allclose(camera_of(viewer).center[-2:], np.array([79.5, 95.5]) * 0.5)
    assert viewer.layers.selection.active is strokes
    filled.propose()
    assert filled._finder.jobs.wait(200)
    assert "certain everywhere" in filled.status.value
    assert filled._next.text == "Where next?"
