"""Cancelling again and again in a window that is drawn: ten additive layers come and go."""

from __future__ import annotations

import subprocess
import sys

import pytest

# a process of its own: what is tested for is that it lives to the end
_SCRIPT = """
import gc, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
import napari
import torch  # not in the thread of the run, which a window that is drawn leaves little time
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from napari_cytosynth.widgets.stain.widget import StainWidget

viewer = napari.Viewer(show=True)
viewer.window.resize(700, 420)  # software OpenGL draws each pixel
rng = np.random.default_rng(0)
cells = viewer.add_image(rng.random((256, 256), np.float32), name="cells")
widget = StainWidget(viewer)
viewer.window.add_dock_widget(widget, name="Stain")
widget.model.value = sys.argv[1]
widget.samples.value = widget.samples.max
gc.collect()
gc.freeze()  # napari collects garbage whenever a layer goes: not among what stays

def until(done):
    end = time.monotonic() + 300
    while not done():
        QTest.qWait(5)
        assert time.monotonic() < end, widget.status.value

most = 0
for number in range(20):
    widget.run()
    until(lambda: len(viewer.layers) >= 11)
    most = max(most, sum(layer.visible for layer in viewer.layers))
    if number % 2:  # all in view, the worst case
        for layer in viewer.layers:
            layer.visible = True
        QApplication.processEvents()
    widget.cancel()
    assert widget.wait(60), "still busy"
    assert [layer.name for layer in viewer.layers] == ["cells"], list(viewer.layers)
    assert cells.visible
    cells.visible = True
print("lived", most)
viewer.close()
"""


@pytest.mark.slow
@pytest.mark.timeout(600)  # half a minute; many on a busy machine
@pytest.mark.viewer
def test_twenty_cancelled_runs_of_five_stains_leave_the_window_alive(make_stainer, tmp_path):
    from napari_cytosynth.zoo.card import OutputScaling
    from napari_cytosynth.zoo.model_files import save_model

    names = ["DNA", "ER", "RNA", "AGP", "Mito"]
    model = make_stainer(
        name="five",
        dropout=0.2,
        output_channels=names,
        output_scaling=[OutputScaling(offset=100, scale=50)] * len(names),
        sigma_scale=None,
        sigma_floor=None,
    )
    folder = save_model(tmp_path / "five", model.network, model.card)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", _SCRIPT, str(folder)],
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:3000]
    assert "lived 1" in done.stdout  # one stain in view, never all of them
