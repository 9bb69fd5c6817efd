"""The way that docs/paper.md describes, walked with the mouse in a window; every click counts."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_cytosynth.widgets.common import remembered

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "paper-pictures.py"
PAGE = SCRIPT.parents[1] / "docs" / "paper.md"
MOST = 12

pytestmark = [
    pytest.mark.skipif(not SCRIPT.is_file(), reason="not a checkout of the repository"),
    pytest.mark.weights,
]


@pytest.fixture
def steps():
    found = importlib.util.spec_from_file_location("paper_pictures", SCRIPT)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def dialogs():
    """Dialogs of Qt itself, which the mouse of a test can reach."""
    attribute = Qt.ApplicationAttribute.AA_DontUseNativeDialogs
    before = QApplication.testAttribute(attribute)
    QApplication.setAttribute(attribute, True)
    yield
    QApplication.setAttribute(attribute, before)


@pytest.mark.slow
def test_from_a_stack_to_table_plot_and_geojson(make_napari_viewer, steps, dialogs, tmp_path):
    pytest.importorskip("pyqtgraph")
    assert remembered  # settings of the test's own
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    steps.add_stack(viewer)
    hand = steps.Hand(viewer)
    look = steps.walk(hand, tmp_path / "cells.geojson")
    assert hand.clicks <= MOST
    assert f"{hand.clicks} clicks" in PAGE.read_text("utf-8")
    shown = look.table.model.rowCount()
    every = len(look.objects.value.features)
    assert 0 < shown < every
    (one,) = look.look.filters
    assert one.column == "confidence"
    assert look.plots.isVisible()
    assert len(look.plots._points.data) == shown
    (file,) = tmp_path.glob("*.geojson")  # under the name that is offered
    saved = json.loads(file.read_text("utf-8"))
    labels = {one["properties"]["metadata"]["label"] for one in saved["features"]}
    assert len(labels) == shown
