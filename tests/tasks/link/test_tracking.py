from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_cytosynth.errors import Cancelled, InputError, OutputError
from napari_cytosynth.tasks.link import track
from napari_cytosynth.tasks.measure.table import measure


def film(*frames, size=40):
    """Return labels (T, Y, X): in each frame squares (label, y, x, side)."""
    found = np.zeros((len(frames), size, size), np.int32)
    for t, squares in enumerate(frames):
        for label, y, x, side in squares:
            found[t, y : y + side, x : x + side] = label
    return found


def tracks_of(found):
    """Return the labels of each track by its time points."""
    rows = found.table.groupby("track")
    return [dict(zip(one["t"], one["label"], strict=True)) for _, one in rows]


def test_overlap_links_whatever_the_numbers_are():
    labels = film([(1, 2, 2, 8), (2, 20, 20, 8)], [(5, 20, 21, 8), (6, 3, 3, 8)])
    found = track(labels, axes="TYX")
    assert tracks_of(found) == [{0: 1, 1: 6}, {0: 2, 1: 5}]
    assert found.graph == {}


def test_the_nearest_within_the_distance_is_linked_and_no_other():
    labels = film([(1, 2, 2, 3), (2, 2, 20, 3)], [(1, 2, 8, 3), (2, 2, 35, 3)])
    assert tracks_of(track(labels, axes="TYX")) == [{0: 1}, {0: 2}, {1: 1}, {1: 2}]
    assert tracks_of(track(labels, 6, axes="TYX")) == [{0: 1, 1: 1}, {0: 2}, {1: 2}]
    assert tracks_of(track(labels, 15, axes="TYX")) == [{0: 1, 1: 1}, {0: 2, 1: 2}]


def test_distances_are_in_micrometres_where_these_are_known():
    labels = film([(1, 2, 2, 3)], [(1, 2, 8, 3)])
    assert track(labels, 5, axes="TYX").count == 2
    assert track(labels, 5, 0.5, axes="TYX").count == 1
    assert track(labels, 5, (1, 0.5), axes="TYX").count == 1
    assert track(labels, 5, (0.5, 1), axes="TYX").count == 2


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_an_object_may_be_missing_in_two_time_points(missing):
    there = [(4, 5, 5, 6)]
    labels = film(there, *[[]] * missing, there)
    assert track(labels, axes="TYX").count == (1 if missing <= 2 else 2)
    assert track(labels, axes="TYX", max_gap=0).count == (1 if missing == 0 else 2)


def test_a_division_begins_two_tracks():
    labels = film(
        [(1, 10, 10, 10)], [(1, 10, 10, 10)], [(7, 9, 9, 6), (8, 16, 16, 6)],
        [(7, 7, 7, 6), (8, 18, 18, 6)],
    )  # fmt: skip
    found = track(labels, 6, axes="TYX")
    assert tracks_of(found) == [{0: 1, 1: 1}, {2: 7, 3: 7}, {2: 8, 3: 8}]
    assert found.graph == {2: [1], 3: [1]}
    without = track(labels, 6, axes="TYX", divisions=False)
    assert without.graph == {}
    assert sorted(map(len, tracks_of(without))) == [2, 4]


def test_a_neighbour_that_appears_is_no_daughter():
    labels = film([(1, 10, 10, 10)], [(1, 10, 10, 10), (2, 10, 21, 10)])
    found = track(labels, 20, axes="TYX")
    assert found.graph == {}
    assert tracks_of(found) == [{0: 1, 1: 1}, {1: 2}]


def test_volumes_are_linked_along_time_and_not_along_z():
    labels = np.zeros((2, 3, 10, 10), int)
    labels[0, 0:2, 2:6, 2:6] = 1
    labels[1, 1:3, 2:6, 2:6] = 9
    found = track(labels, axes="TZYX")
    assert tracks_of(found) == [{0: 1, 1: 9}]
    places = found.table[["t", "z", "y", "x"]].to_numpy().tolist()
    assert places == [[0, 0.5, 3.5, 3.5], [1, 1.5, 3.5, 3.5]]


def test_empty_time_points_are_no_trouble():
    labels = film([], [(1, 2, 2, 4)], [], [])
    assert tracks_of(track(labels, 5, axes="TYX")) == [{1: 1}]
    assert track(film([], []), 5, axes="TYX").count == 0


def test_the_table_gets_the_tracks():
    labels = film([(1, 2, 2, 8)], [(6, 3, 3, 9), (7, 30, 30, 4)])
    image = labels * 2.0
    table = track(labels, axes="TYX").join(measure(labels, image, axes="TYX"))
    assert table[["track", "t", "label", "area_px"]].to_numpy().tolist() == [
        [1, 0, 1, 64], [1, 1, 6, 81], [2, 1, 7, 16],
    ]  # fmt: skip


def test_what_cannot_be_tracked_is_refused():
    with pytest.raises(InputError, match="axis of time"):
        track(np.ones((4, 4), int))
    with pytest.raises(InputError, match="along T, Z, Y and X"):
        track(np.ones((2, 2, 4, 4), int), axes="TPYX")
    with pytest.raises(InputError, match="whole numbers"):
        track(np.ones((2, 4, 4)), axes="TYX")
    with pytest.raises(InputError, match="below 0"):
        track(-np.ones((2, 4, 4), int), axes="TYX")
    with pytest.raises(InputError, match="max_distance"):
        track(np.ones((2, 4, 4), int), -1, axes="TYX")


def test_it_can_be_cancelled():
    def stop(done, total, message):
        if done == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        track(film(*[[(1, 2, 2, 4)]] * 9), axes="TYX", progress=stop)


def test_the_layer_lies_where_the_labels_lie(make_napari_viewer):
    viewer = make_napari_viewer()
    layer = SimpleNamespace(
        data=film([(1, 2, 2, 8)], [(1, 3, 3, 8)]), name="cells", scale=(1, 0.5, 0.5),
        translate=(0, 10, 20), rotate=np.eye(3), units=("s", "um", "um"),
        axis_labels=("t", "y", "x"),
    )  # fmt: skip
    added = track(layer).add_to(viewer)
    assert added.data.tolist() == [[1, 0, 5.5, 5.5], [1, 1, 6.5, 6.5]]
    assert added.scale.tolist() == [1, 0.5, 0.5]
    assert added.translate.tolist() == [0, 10, 20]
    assert added.name == "tracks – cells"


def test_files_are_those_of_the_cell_tracking_challenge(tmp_path):
    labels = film(
        [(1, 10, 10, 10)], [(7, 9, 9, 6), (8, 16, 16, 6)], [(8, 16, 16, 6)], [(7, 9, 9, 6)]
    )
    found = track(labels, 6, axes="TYX")
    files = found.save(tmp_path / "tracks")
    assert [file.name for file in files] == [*(f"mask00{t}.tif" for t in range(4)), "res_track.txt"]
    lines = np.loadtxt(files[-1], int)
    # a mother, a daughter, what follows its gap, and the other daughter
    assert lines.tolist() == [[1, 0, 0, 0], [2, 1, 1, 1], [3, 3, 3, 2], [4, 1, 2, 1]]
    masks = np.stack([tifffile.imread(file) for file in files[:-1]])
    assert masks.dtype == np.uint16
    assert ((masks > 0) == (labels > 0)).all()
    assert [sorted(np.unique(mask[mask > 0])) for mask in masks] == [[1], [2, 4], [4], [3]]
    with pytest.raises(OutputError, match="already"):
        found.save(tmp_path / "tracks")
    found.save(tmp_path / "tracks", overwrite=True)
