"""Columns that users add to the table stay while the threshold moves."""

from __future__ import annotations

import numpy as np

from napari_cytosynth.tasks.measure.own_columns import labels_before


def result(viewer):
    return next(layer for layer in viewer.layers if layer.name.startswith("blobs"))


def test_they_follow_their_objects_when_numbers_change(viewer, ran):
    layer = result(viewer)
    before = layer.features.assign(note=[f"note {n}" for n in layer.features["label"]])
    layer.features = before
    places = before.set_index("note")[["centroid_y_px", "centroid_x_px"]]
    ran.threshold.value = 0.2  # more objects
    assert ran.wait(30)
    after = result(viewer).features
    assert len(after) > len(before)
    kept = after.dropna(subset="note").set_index("note")
    assert len(kept) == len(before)
    np.testing.assert_allclose(kept[places.columns].loc[places.index], places, atol=2)
    ran.threshold.value = 0.5
    assert ran.wait(30)
    assert result(viewer).features["note"].tolist() == before["note"].tolist()


def test_another_intensity_layer_keeps_them(viewer, ran, blobs):
    layer = result(viewer)
    layer.features = layer.features.assign(note="seen")
    ran.intensity.value = viewer.add_image(blobs * 9, name="stain")
    assert ran.wait(30)
    features = result(viewer).features
    assert (features["note"] == "seen").all()
    assert "median_intensity" in features


def test_objects_are_recognised_by_most_of_their_planes():
    before = np.zeros((3, 4, 4), int)
    before[:, :2, :2] = 7
    labels = np.where(before > 0, 1, 0)
    before[2] = np.where(before[2] > 0, 9, 0)
    assert labels_before(labels, before, "ZYX") == {1: 7}
    assert labels_before(labels, np.zeros_like(before), "ZYX") == {}
