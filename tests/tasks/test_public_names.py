from __future__ import annotations

import subprocess
import sys

import pytest

import napari_cytosynth as cytosynth


def test_every_public_name_is_there():
    for name in cytosynth.__all__:
        assert getattr(cytosynth, name) is not None
    assert set(cytosynth.__all__) == set(dir(cytosynth))
    with pytest.raises(AttributeError, match="no attribute"):
        _ = cytosynth.nonsense


def test_names_cost_neither_torch_nor_qt():
    code = (
        "import sys, napari_cytosynth as c; c.segment, c.measure, c.Segmentation, c.list_models;"
        "print([m for m in ('torch', 'qtpy', 'napari', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
