"""What a region does to columns about other objects, and to labels that it has cut before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari.layers import Labels

import napari_cytosynth as cytosynth
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.common.region.shapes import Area, Region

LEFT = np.array([[0, 0], [0, 24], [39, 24], [39, 0]], float)


@pytest.fixture
def cells():
    found = np.zeros((40, 50), int)
    found[2:18, 2:22], found[20:38, 10:48] = 1, 2
    return found


@pytest.fixture
def nuclei():
    """One in the first cell, three in the second: inside of the left half, across, and outside."""
    found = np.zeros((40, 50), int)
    found[5:9, 5:9], found[25:29, 14:18], found[25:29, 22:26], found[25:29, 40:44] = 1, 2, 3, 4
    return found


@pytest.mark.parametrize(("at_border", "expected"), [("keep", [1, 2]), ("mark", [1, 2])])
def test_children_outside_of_the_region_do_not_count(cells, nuclei, at_border, expected):
    table = cytosynth.measure(cells, children=nuclei, region=LEFT, at_border=at_border)
    assert table["children"].tolist() == expected
    assert cytosynth.measure(cells, children=nuclei)["children"].tolist() == [1, 3]


def test_children_that_the_border_cuts_are_left_out_with_the_objects(cells, nuclei):
    table = cytosynth.measure(cells, children=nuclei, region=LEFT, at_border="drop")
    assert table["label"].tolist() == [1]
    inside = [[0, 0], [0, 30], [39, 30], [39, 0]]
    whole = cytosynth.measure(np.where(cells == 2, 0, cells) + 2 * (nuclei == 2),
                              children=nuclei, region=inside, at_border="drop")  # fmt: skip
    assert whole["children"].tolist() == [1, 1]


def marked_layer(nuclei, planes=None, plane=()):
    """Return labels as Segment leaves them: cut by a region, whose record they carry."""
    region = Region((Area(LEFT, plane),), "left")
    inside = nuclei * (np.indices(nuclei.shape[-2:])[1] <= 24)
    record = {"task": "segment", "parameters": {
        "region": region.record(), "at_border": "mark", "planes": planes}}  # fmt: skip
    return Labels(inside, metadata={KEY: record})


def test_objects_that_were_cut_when_made_stay_marked(nuclei):
    layer = marked_layer(nuclei)
    table = cytosynth.measure(layer)
    assert table["at_region_border"].tolist() == [False, False, True]
    layer.features = table
    again = cytosynth.measure(layer, region=[[0, 0], [0, 7], [39, 7], [39, 0]], at_border="mark")
    assert again["at_region_border"].tolist() == [True]  # cut by this one
    assert cytosynth.measure(layer)["at_region_border"].tolist() == [False, False, True]


def test_a_mark_of_an_earlier_measurement_does_not_stay(nuclei):
    layer = Labels(nuclei)
    layer.features = cytosynth.measure(layer, region=LEFT, at_border="mark")
    assert layer.features["at_region_border"].any()
    assert "at_region_border" not in cytosynth.measure(layer)


def test_labels_of_a_single_plane_of_a_stack(nuclei):
    layer = marked_layer(nuclei[np.newaxis], planes=(3,), plane=(3,))
    found = cytosynth.measure(layer, axes="ZYX", by_plane=True)
    assert found["at_region_border"].tolist() == [False, False, True]
    elsewhere = marked_layer(nuclei[np.newaxis], planes=(2,), plane=(3,))
    found = cytosynth.measure(elsewhere, axes="ZYX", by_plane=True)
    assert not found["at_region_border"].any()


def test_a_damaged_record_does_not_matter(nuclei):
    layer = marked_layer(nuclei)
    layer.metadata[KEY]["parameters"]["region"] = {"shapes": "none"}
    assert isinstance(cytosynth.measure(layer), pd.DataFrame)


@pytest.mark.parametrize("by_plane", [False, True])
def test_planes_without_the_region_cut_the_objects_of_a_stack(by_plane):
    stack = np.zeros((4, 40, 50), int)
    stack[:, 5:9, 5:9], stack[0, 20:24, 5:9] = 1, 2
    drawn = [np.c_[np.full(4, z), LEFT] for z in (0, 1)]
    marked, whole = (
        cytosynth.measure(
            stack, axes="ZYX", region=drawn, at_border=word, by_plane=by_plane, children=stack
        )
        for word in ("mark", "drop")
    )
    if by_plane:
        assert not marked["at_region_border"].any()
        assert whole["label"].tolist() == [1, 2, 1]
    else:
        assert marked["at_region_border"].tolist() == [True, False]
        assert whole[["label", "volume_px", "children"]].to_numpy().tolist() == [[2, 16, 1]]
