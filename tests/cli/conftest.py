"""A model in a folder, as the command line takes it."""

from __future__ import annotations

import pytest


@pytest.fixture
def saved_model(tiny_model, tmp_path):
    from napari_cytosynth.zoo.model_files import save_model

    folder = tmp_path / "tiny"
    save_model(folder, tiny_model.network, tiny_model.card)
    return folder
