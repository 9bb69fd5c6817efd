"""Frames per second of a real window while a model learns; run with ``-s`` to see the figures."""

from __future__ import annotations

import time

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

AIM, SECONDS = 20, 6.0


def frames(viewer, seconds):
    """Pan for some seconds, each frame drawn; return how many there were, and the longest."""
    camera = getattr(viewer, "scene", viewer).camera
    canvas = viewer.window._qt_viewer.canvas.native
    made, longest, begun = 0, 0.0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        angle = 2 * np.pi * (start - begun)
        camera.center = (0, 128 + 20 * np.sin(angle), 128 + 20 * np.cos(angle))
        QApplication.processEvents()
        canvas.repaint()
        longest = max(longest, time.perf_counter() - start)
        made += 1
    return made / seconds, longest


@pytest.mark.slow
@pytest.mark.weights
def test_napari_stays_fluid_while_a_model_learns(make_napari_viewer, tmp_path, monkeypatch, capsys):
    """The training is the real one, in a process of its own."""
    from napari_cytosynth.widgets.train import TrainWidget

    monkeypatch.setenv("CYTOSYNTH_HOME", str(tmp_path))
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Train")
    widget.add_phantom()
    widget.model.value = "phase-cells-unet"
    idle, _ = frames(viewer, SECONDS)
    widget.minutes.value = 5
    widget.run()
    deadline = time.monotonic() + 300
    while not widget.curves.losses and widget.busy and time.monotonic() < deadline:
        QApplication.processEvents()
        time.sleep(0.01)
    assert widget.curves.losses, widget.status.value
    learning, longest = frames(viewer, SECONDS)
    assert widget.busy
    widget.cancel()
    assert widget.wait(60)
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what it is for
            f"\nframes per second: {idle:.0f} idle, {learning:.0f} while a model learns (asked: "
            f"{AIM}); the longest frame {1000 * longest:.0f} ms"
        )
