"""A Models widget beside no viewer, which it needs for its neighbours alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from napari_cytosynth.widgets.models import ModelsWidget
from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture
def neighbours():
    """The other widgets of the window."""
    return {}


@pytest.fixture
def models(qtbot, neighbours):
    """The widget, which lists what is on this computer."""
    widget = ModelsWidget(SimpleNamespace(window=SimpleNamespace(dock_widgets=neighbours)))
    qtbot.addWidget(widget.native)
    assert widget.wait(30)
    return widget


@pytest.fixture
def tiny(tiny_model, tmp_path):
    """Folder of a model on a stick."""
    return save_model(tmp_path / "stick" / "tiny", tiny_model.network, tiny_model.card)
