from __future__ import annotations

import numpy as np
import pandas as pd

from napari_cytosynth.tasks.measure.table import measure


def labelled(layer, features, data=None):
    data = np.array([[3, 3, 0, 5]]) if data is None else data
    return layer(data, features=pd.DataFrame(features))


def test_columns_of_the_user_survive_a_measurement(layer):
    kinds = pd.Categorical(["good", "bad", "bad"])
    labels = labelled(layer, {"label": [5, 3, 8], "kind": kinds, "note": ["a", "b", "c"]})
    table = measure(labels)
    assert table["kind"].tolist() == ["bad", "good"]
    assert table["note"].tolist() == ["b", "a"]
    assert table["kind"].dtype == "category"


def test_rows_are_found_by_index_or_by_their_place(layer):
    assert measure(labelled(layer, {"index": [5, 3], "kind": ["x", "y"]}))["kind"].tolist() == [
        "y", "x",
    ]  # fmt: skip
    places = labelled(layer, {"kind": list("abcdef")})
    assert measure(places)["kind"].tolist() == ["d", "f"]


def test_what_was_measured_before_is_not_kept_but_confidence_is(layer):
    features = {"label": [3, 5], "area_px": [99, 99], "mean_DNA_intensity": [1, 2],
                "children_nuclei": [1, 1], "confidence": [0.5, 0.75]}  # fmt: skip
    table = measure(labelled(layer, features))
    assert table["area_px"].tolist() == [2, 1]
    assert table["confidence"].tolist() == [0.5, 0.75]
    assert not {"mean_DNA_intensity", "children_nuclei"} & set(table)


def test_time_points_keep_their_own_rows(layer):
    data = np.array([[[1, 1]], [[1, 2]]])
    features = {"label": [1, 1, 2], "t": [0, 1, 1], "kind": ["a", "b", "c"]}
    labels = labelled(layer, features, data)
    assert measure(labels, axes="TYX")["kind"].tolist() == ["a", "b", "c"]


def test_new_objects_have_nothing_of_the_old_ones(layer):
    table = measure(labelled(layer, {"label": [5], "kind": ["x"]}))
    assert pd.isna(table["kind"][0])
    assert table["kind"][1] == "x"
