"""What is known of the nuclei of a virtual stain, handed on to the objects that these are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_cytosynth.tasks.measure.table import measure

COLUMNS = ["doubt", "mean_DNA", "mean_DNA_low", "mean_DNA_high", "area_px_low", "area_px_high"]


@pytest.fixture
def nuclei(layer):
    data = np.array([[1, 1, 1, 0, 2, 2, 2, 2]])
    table = pd.DataFrame({"label": [1, 2], "area_px": [3, 4], "doubt": [0.25, 0.75],
                          "mean_DNA": [10.0, 20.0], "mean_DNA_low": [8.0, 15.0],
                          "mean_DNA_high": [13.0, 26.0], "area_px_low": [2.0, 3.0],
                          "area_px_high": [4.0, 6.0]})  # fmt: skip
    return layer(data, features=table)


def test_an_object_has_the_interval_of_the_nucleus_that_it_is(nuclei):
    own = np.array([[0, 7, 7, 0, 9, 9, 0, 5]])
    table = measure(own, doubt=nuclei)
    assert table["label"].tolist() == [5, 7, 9]
    found = table.set_index("label")[COLUMNS]
    assert found.loc[7].tolist() == [0.25, 10, 8, 13, 2, 4]
    assert found.loc[9].tolist() == [0.75, 20, 15, 26, 3, 6]
    assert found.loc[5].isna().all()
    assert table["area_px"].tolist() == [1, 2, 2]  # its own


def test_the_nuclei_themselves_keep_theirs(nuclei):
    table = measure(nuclei)
    assert table[COLUMNS].equals(nuclei.features[COLUMNS])


def test_volumes_have_no_interval_of_a_plane(nuclei):
    nuclei.data = nuclei.data[np.newaxis]
    table = measure(nuclei.data.copy(), doubt=nuclei, axes="ZYX")
    assert table["doubt"].tolist() == [0.25, 0.75]
    assert "mean_DNA_low" not in table


def test_without_intervals_there_is_the_doubt_alone(nuclei):
    nuclei.features = nuclei.features[["label", "doubt", "mean_DNA"]]
    assert "mean_DNA" not in measure(nuclei.data.copy(), doubt=nuclei)
