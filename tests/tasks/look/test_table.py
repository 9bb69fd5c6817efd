"""Numbers, filters and order of a table of objects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.look.table import Filter, ObjectTable


def test_columns_with_a_number_are_offered():
    table = ObjectTable.of(
        pd.DataFrame(
            {
                "label": [1, 2],
                "text": ["a", "b"],
                "nothing": [np.nan, np.inf],
                "some": [np.nan, 2.0],
                "whole": pd.array([1, None], "Int64"),
                "yes": [True, False],
            }
        ),
        "cells",
    )
    assert table.columns == ["label", "some", "whole", "yes"]
    assert np.array_equal(table.values("whole"), [1, np.nan], equal_nan=True)
    assert table.limits("yes") == (0, 1)


def test_a_missing_value_passes_no_filter_and_the_ends_pass():
    table = ObjectTable.of({"label": [1, 2, 3, 4], "a": [1, 2, np.nan, np.inf]}, "cells")
    assert table.passing([]).all()
    assert table.passing([Filter("a", 1, 2)]).tolist() == [True, True, False, False]
    both = [Filter("a", 1, 9), Filter("label", 2, 9)]
    assert table.passing(both).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("columns", "labels"),
    [
        ({"label": [5, 7], "index": [1, 2]}, [5, 7]),
        ({"index": [3.0, 4.0]}, [3, 4]),
        ({"label": [2**53 + 1, 2**53 + 2]}, [2**53 + 1, 2**53 + 2]),  # beyond floats
        ({"area": [10, 20, 30]}, [1, 2]),  # napari's first row is the background's
    ],
)
def test_objects_are_numbered_as_the_table_says(columns, labels):
    assert ObjectTable.of(columns, "cells").labels.tolist() == labels


def test_several_rows_of_an_object_have_one_mean():
    table = ObjectTable.of({"label": [2, 1, 2], "a": [1.0, np.nan, 3.0]}, "cells")
    assert table.repeated
    labels, values = table.by_label("a")
    assert labels.tolist() == [1, 2]
    assert np.array_equal(values, [np.nan, 2], equal_nan=True)


def test_the_table_of_the_layer_is_not_touched():
    features = pd.DataFrame({"label": [0, 1], "a": [1, 2]})
    before = features.copy()
    rows = ObjectTable.of(features, "cells").table
    rows.loc[0, "a"] = 7
    assert features.equals(before)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({}, "no table yet"),
        ({"kind": ["a"]}, "has no column with numbers"),
        ({"label": [1, np.nan], "a": [1, 2]}, "must hold the whole number"),
    ],
)
def test_what_cannot_be_used_gets_a_sentence(columns, sentence):
    with pytest.raises(InputError, match=sentence):
        ObjectTable.of(columns, "cells")


@pytest.mark.parametrize(
    ("axes", "shape", "found"),
    [
        ("tyx", (2, 9, 9), [[0], [1]]),
        ("", (2, 9, 9), [[0], [1]]),
        ("", (2, 3, 9, 9), [[0], [1]]),
        ("zyx", (2, 9, 9), [[0], [1]]),
        ("", (9, 9), None),
        ("tyx", (1, 9, 9), None),  # a part of the film: the planes are others
        ("ztyx", (2, 3, 9, 9), None),
    ],
)
def test_planes_of_rows(axes, shape, found):
    table = ObjectTable.of(pd.DataFrame({"label": [1, 1], "t": [0, 1], "area": [1.0, 2]}), "")
    places = table.places(axes, shape)
    assert (None if places is None else places.tolist()) == found
