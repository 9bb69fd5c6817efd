"""Windows without the second in which they are drawn: what pictures show is looked at by eye."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def drawn_at_once(monkeypatch):
    monkeypatch.setattr("napari_cytosynth.widgets.demo.scene.DRAWING_S", 0.1)
