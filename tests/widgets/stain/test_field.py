"""Of a large image, the stains of what is in view are there first, until the whole is."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_cytosynth.widgets.common import in_view


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(in_view, "LARGE", 100 * 100)
    monkeypatch.setattr(in_view, "SIDE", 48)


@pytest.mark.parametrize("ends", ["done", "cancelled"])
def test_stains_in_view_are_those_of_the_whole_and_go(
    viewer, make_stain_widget, make_stainer, qtbot, ends
):
    from napari_cytosynth.tasks.stain.task import stain

    reached, gate = threading.Event(), threading.Event()
    model = make_stainer()

    def held(image, _source, *, progress, **options):
        if options["region"] is None:
            reached.set()
            while not gate.wait(0.02):
                progress(0, 1, "held")
        return stain(image, model, progress=progress, **options)

    image = np.random.default_rng(0).random((256, 320)).astype(np.float32)
    widget = make_stain_widget(held)
    viewer.add_image(image, name="large")
    widget.image.value = viewer.layers["large"]
    widget.samples.value, widget.views.value = 0, 1
    widget.run()
    qtbot.waitUntil(lambda: any("provisional" in one.name for one in viewer.layers), timeout=60000)
    assert reached.wait(20)
    parts = [one for one in viewer.layers if "provisional" in one.name]
    assert widget.image.value.name == "large"
    rows, columns = (
        slice(first, first + 48) for first in np.round(parts[0].data_to_world((0, 0))).astype(int)
    )
    found = [part.data.copy() for part in parts]
    if ends == "cancelled":
        widget.cancel()
    gate.set()
    assert widget.wait(60)
    assert not any("provisional" in one.name for one in viewer.layers)
    if ends == "cancelled":
        assert [one.name for one in viewer.layers] == ["large"]
        return
    assert len(found) == len(widget.staining.channels)
    for mean, part in zip(widget.staining.mean, found, strict=True):
        np.testing.assert_allclose(part, mean[rows, columns], rtol=1e-3, atol=1e-3)
