from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.measure.table import measure


def test_the_next_object_is_the_nearest_centroid():
    rng = np.random.default_rng(0)
    labels = np.zeros((60, 60), int)
    for number in range(1, 30):
        y, x = rng.integers(0, 57, 2)
        labels[y : y + 3, x : x + 3] = 10 * number
    table = measure(labels, pixel_size=(2, 0.5), neighbours=True)
    for unit in ("px", "um"):
        points = table[[f"centroid_y_{unit}", f"centroid_x_{unit}"]].to_numpy()
        distances = cdist(points, points) + np.diag([np.inf] * len(points))
        np.testing.assert_allclose(table[f"next_distance_{unit}"], distances.min(axis=1))
    assert (table["next_label"] == table["label"].to_numpy()[distances.argmin(axis=1)]).all()


def test_concentric_objects_are_next_to_each_other():
    labels = np.full((5, 5), 1)
    labels[2, 2] = 2
    table = measure(labels, neighbours=True)
    assert table["next_label"].tolist() == [2, 1]
    assert table["next_distance_px"].tolist() == [0, 0]


def test_an_only_object_has_no_next_one():
    row = measure(np.ones((3, 3), int), neighbours=True).iloc[0]
    assert (row["next_label"], row["touching"]) == (0, 0)
    assert np.isnan(row["next_distance_px"])
    empty = measure(np.zeros((3, 3), int), neighbours=True)
    assert {"next_label", "next_distance_px", "touching"} <= set(empty)


def test_edges_and_corners_touch():
    labels = np.array([[1, 2, 0, 4], [0, 0, 3, 0], [5, 0, 0, 0], [0, 6, 0, 7]])
    assert measure(labels, neighbours=True)["touching"].tolist() == [1, 2, 2, 1, 1, 1, 0]


def test_objects_touch_along_z_and_not_through_time():
    labels = np.zeros((2, 4, 4), int)
    labels[0, 1, 1], labels[1, 2, 2] = 1, 2
    assert measure(labels, axes="ZYX", neighbours=True)["touching"].tolist() == [1, 1]
    assert measure(labels, axes="TYX", neighbours=True)["touching"].tolist() == [0, 0]
    assert measure(labels, by_plane=True, neighbours=True)["touching"].tolist() == [0, 0]


@pytest.fixture
def cells():
    found = np.zeros((20, 30), int)
    found[2:18, 2:12] = 5
    found[2:18, 16:28] = 9
    return found


@pytest.fixture
def nuclei():
    found = np.zeros((20, 30), int)
    found[4:8, 4:8] = 1
    found[10:14, 4:8] = 2
    found[4:8, 13:19] = 3  # three of six columns are in cell 9
    found[10:14, 10:15] = 4  # two of five columns are in cell 5
    return found


def test_nuclei_know_their_cell_and_cells_their_nuclei(cells, nuclei):
    assert measure(nuclei, parents=cells)["parent"].tolist() == [5, 5, 9, 0]
    assert measure(cells, children=nuclei)["children"].tolist() == [2, 1]
    table = measure(cells, children={"nuclei": nuclei, "none": np.zeros_like(nuclei)})
    assert table[["children_nuclei", "children_none"]].to_numpy().tolist() == [[2, 0], [1, 0]]


def test_in_a_stack_the_whole_object_counts(cells, nuclei):
    outside = np.zeros_like(cells)
    nuclei = np.stack([nuclei, np.where(nuclei == 2, 2, 0), np.where(nuclei == 2, 2, 0)])
    found = measure(nuclei, axes="ZYX", parents=np.stack([cells, outside, outside]))
    assert found["parent"].tolist() == [5, 0, 9, 0]
    planes = measure(nuclei, by_plane=True, parents=np.stack([cells, outside, outside]))
    assert planes["parent"][planes["label"] == 2].tolist() == [5, 0, 0]


def test_parents_are_looked_up_where_they_lie(cells, nuclei, layer):
    moved = layer(cells[2:, 2:], translate=(2, 2))
    assert measure(layer(nuclei), parents=moved)["parent"].tolist() == [5, 5, 9, 0]
    coarse = layer(cells[::2, ::2], scale=(2, 2), translate=(0.5, 0.5))
    assert measure(layer(nuclei), parents=coarse)["parent"].tolist() == [5, 5, 9, 0]


def test_an_image_is_no_parent(cells):
    with pytest.raises(InputError, match="parents must be labels"):
        measure(cells, parents=np.ones(cells.shape))
