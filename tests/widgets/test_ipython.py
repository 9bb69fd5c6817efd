"""A run of a widget from an IPython prompt, which turns Qt's events itself."""

from __future__ import annotations

import os
import sys

import pytest

from napari_cytosynth.zoo.model_files import save_model

pexpect = pytest.importorskip("pexpect")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not hasattr(pexpect, "spawn"), reason="pexpect has no terminal on Windows"),
]

SCRIPT = """
import napari
import numpy as np
from qtpy.QtCore import QTimer
from napari_cytosynth.widgets.segment import SegmentWidget

viewer = napari.Viewer()
viewer.add_image(np.eye(64, dtype=np.float32), name="cells")
widget = SegmentWidget(viewer)
viewer.window.add_dock_widget(widget)
widget.model.value = MODEL

def look():
    if not widget.busy:
        timer.stop()
        print("FINISHED:", widget.status.value, [layer.name for layer in viewer.layers])

timer = QTimer()
timer.timeout.connect(look)
print("READY")
"""


def test_a_run_from_ipython_ends_while_its_prompt_waits(make_model, tmp_path):
    model = make_model()
    save_model(tmp_path / "tiny", model.network, model.card)
    (tmp_path / "start.py").write_text(SCRIPT.replace("MODEL", repr(str(tmp_path / "tiny"))))
    options = ["-m", "IPython", "--gui=qt", "--no-banner", "--no-confirm-exit", "-i", "start.py"]
    # no dumb terminal, at which a prompt would let no event pass
    home = {"IPYTHONDIR": str(tmp_path), "CYTOSYNTH_HOME": str(tmp_path), "TERM": "xterm"}
    napari = {"NAPARI_CONFIG": str(tmp_path / "napari.yaml")}
    shell = pexpect.spawn(
        sys.executable, options, cwd=tmp_path, env=os.environ | home | napari, timeout=250,
        encoding="utf-8",
    )  # fmt: skip
    try:
        shell.expect("READY")
        shell.sendline("widget.run(); timer.start(20)")
        shell.expect("FINISHED: .*probability – cells")
    finally:
        shell.terminate(force=True)
