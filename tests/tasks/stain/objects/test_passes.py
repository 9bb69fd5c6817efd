"""What finds the objects of a dozen small planes prepares its network once."""

from __future__ import annotations

import numpy as np

import napari_cytosynth as cytosynth
from napari_cytosynth.inference import predictor
from napari_cytosynth.tasks.stain.objects.passes import ObjectFinder


def test_a_network_is_prepared_once_and_finds_what_it_always_does(tiny_model, monkeypatch):
    folded, fold = [], predictor.folded_copy
    monkeypatch.setattr(
        predictor, "folded_copy", lambda *given: folded.append(given) or fold(*given)
    )
    find = ObjectFinder(tiny_model)
    planes = np.random.default_rng(0).random((3, 48, 48), np.float32)
    found = [find(plane)[0] for plane in planes]
    assert len(folded) == 1
    for plane, labels in zip(planes, found, strict=True):
        np.testing.assert_array_equal(labels, cytosynth.segment(plane, tiny_model).labels)
    assert all(labels.any() for labels in found)
    assert len(folded) == 4
