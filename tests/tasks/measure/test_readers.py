"""Labels are measured in a region only."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels, Shapes

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError

SQUARE = np.array([[5, 5], [5, 24], [24, 24], [24, 5]], float)


@pytest.fixture
def labels():
    found = np.zeros((40, 50), int)
    found[8:12, 8:12], found[10:20, 20:30], found[30:35, 30:35] = 7, 3, 9
    return found


def test_only_the_pixels_inside_count(labels):
    table = cytosynth.measure(labels, labels.astype(float), region=SQUARE)
    assert table.set_index("label")["area_px"].to_dict() == {3: 50, 7: 16}
    assert "at_region_border" not in table
    everything = cytosynth.measure(labels)
    assert everything.set_index("label")["area_px"].to_dict() == {3: 100, 7: 16, 9: 25}


def test_cut_objects_are_dropped_or_marked(labels):
    dropped = cytosynth.measure(labels, region=SQUARE, at_border="drop")
    assert dropped["label"].tolist() == [7]
    marked = cytosynth.measure(labels, region=SQUARE, at_border="mark")
    assert marked.set_index("label")["at_region_border"].to_dict() == {3: True, 7: False}


def test_along_z_an_object_is_cut_if_it_is_in_any_plane(labels):
    stack = np.stack([np.where(labels == 3, 0, labels), labels])
    stack[0, 10:20, 15:18] = 3
    marked = cytosynth.measure(stack, axes="ZYX", region=SQUARE, at_border="mark")
    assert marked.set_index("label")["at_region_border"].to_dict() == {3: True, 7: False}
    film = cytosynth.measure(stack, axes="TYX", region=SQUARE, at_border="mark")
    found = film.set_index(["t", "label"])["at_region_border"].to_dict()
    assert found == {(0, 3): False, (0, 7): False, (1, 3): True, (1, 7): False}


def test_the_places_of_both_layers_count(labels):
    layer = Labels(labels, scale=(0.5, 0.5), translate=(3, 4))
    shapes = Shapes([SQUARE * 0.5 + (3, 4)], shape_type="polygon")
    table = cytosynth.measure(layer, region=shapes)
    assert table.set_index("label")["area_px"].to_dict() == {3: 50, 7: 16}


def test_a_region_beside_the_labels_is_refused(labels):
    with pytest.raises(InputError, match="No pixel of this plane"):
        cytosynth.measure(labels, region=SQUARE + 100)
    with pytest.raises(InputError, match="at_border"):
        cytosynth.measure(labels, region=SQUARE, at_border="cut")
    nothing = cytosynth.measure(labels, region=SQUARE * 0.2)
    assert len(nothing) == 0
    assert "area_px" in nothing
