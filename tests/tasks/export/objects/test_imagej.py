"""Regions of ImageJ, as roifile (another program's reader of them) sees them."""

from __future__ import annotations

import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import roifile

from napari_cytosynth.errors import OutputError
from napari_cytosynth.tasks.export.objects.exchange import read_objects, write_objects


def test_round_trip(case, check_round_trip):
    check_round_trip(*case, "objects.zip")


def _regions(path, labels, table=None, **options):
    write_objects(path, labels, table, **options)
    return roifile.roiread(path)


def test_a_traced_region_runs_along_the_edges_of_pixels(tmp_path):
    labels = np.zeros((6, 7), int)
    labels[2:4, 3:6] = 8
    (roi,) = _regions(tmp_path / "a.zip", labels)
    assert roi.roitype == roifile.ROI_TYPE.TRACED
    assert (roi.left, roi.top, roi.right, roi.bottom) == (3, 2, 6, 4)
    assert roi.coordinates().tolist() == [[3, 2], [6, 2], [6, 4], [3, 4]]
    assert roi.name == "8"
    assert (roi.position, roi.c_position, roi.z_position, roi.t_position) == (0, 0, 0, 0)


def test_holes_and_pieces_are_composite(tmp_path):
    labels = np.ones((3, 5), int)
    labels[1, 1] = labels[:, 3] = 0
    (roi,) = _regions(tmp_path / "a.zip", labels)
    assert roi.composite
    assert (roi.left, roi.top, roi.right, roi.bottom) == (0, 0, 5, 3)
    assert sorted(len(ring) for ring in roi.coordinates(multi=True)) == [5, 5, 5]


def test_positions_count_from_one(tmp_path):
    labels = np.zeros((2, 3, 4, 4), int)
    labels[0, 0, 0, 0] = labels[1, 2, 1, 1] = 5
    first, second = _regions(tmp_path / "a.zip", labels, axes="TZYX")
    assert (first.c_position, first.z_position, first.t_position) == (0, 1, 1)
    assert (second.c_position, second.z_position, second.t_position) == (0, 3, 2)
    assert [first.name, second.name] == ["5-t0001-z0001", "5-t0002-z0003"]
    for axes in ("ZYX", "TYX"):  # a plain stack of ImageJ has neither Z nor T
        (roi,) = _regions(tmp_path / f"{axes}.zip", labels[1], axes=axes)
        assert (roi.position, roi.z_position, roi.t_position) == (3, 0, 0)


def test_classes_are_groups_with_colours_and_properties(tmp_path):
    table = pd.DataFrame({"label": [1, 2, 3], "class": ["B", "A", None], "area µ": [1.5, 2, 3]})
    regions = _regions(tmp_path / "a.zip", np.array([[1, 2, 3]]), table)
    assert [roi.group for roi in regions] == [2, 1, 0]
    assert regions[0].stroke_color == bytes([255, 86, 180, 233])
    assert regions[0].properties["class"] == "B"
    assert regions[0].properties["label"] == 1
    assert read_objects(tmp_path / "a.zip").class_colors == {
        "A": (230, 159, 0),
        "B": (86, 180, 233),
    }


def test_a_single_region(tmp_path):
    labels = np.zeros((4, 5), int)
    labels[1:3, 2] = 6
    write_objects(tmp_path / "a.roi", labels)
    assert roifile.roiread(tmp_path / "a.roi").coordinates().tolist()[0] == [2, 1]
    np.testing.assert_array_equal(read_objects(tmp_path / "a.roi", labels).labels, labels)
    with pytest.raises(OutputError, match=r"holds one region, but there are 2.*\.zip"):
        write_objects(tmp_path / "b.roi", np.array([[1, 0, 2]]))
    assert not (tmp_path / "b.roi").exists()


@pytest.mark.parametrize("start", [32_760, 65_530, 70_000])
def test_far_from_the_first_pixel(tmp_path, start):
    labels = np.zeros((1, start + 20), np.uint8)
    labels[0, start : start + 12] = 1
    write_objects(tmp_path / "a.zip", labels)
    np.testing.assert_array_equal(read_objects(tmp_path / "a.zip").labels, labels)


def test_a_long_outline(tmp_path):
    """More points than an outline may have: a comb."""
    labels = np.zeros((3, 70_001), np.uint8)
    labels[0] = labels[1, ::2] = 1
    (roi,) = _regions(tmp_path / "a.zip", labels)
    assert roi.composite
    np.testing.assert_array_equal(read_objects(tmp_path / "a.zip").labels, labels)


def test_the_note_is_a_comment_that_imagej_passes_over(tmp_path):
    write_objects(tmp_path / "a.zip", np.eye(3, dtype=int))
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert packed.namelist() == ["1.roi"]
        assert packed.comment.startswith(b"napari-cytosynth {")


def test_a_note_that_is_too_long_is_left_out(tmp_path):
    table = pd.DataFrame({"label": [1], **{f"{n:05} {'long' * 20}": [n] for n in range(900)}})
    write_objects(tmp_path / "a.zip", np.eye(3, dtype=int), table)
    found = read_objects(tmp_path / "a.zip", shape=(3, 3))
    assert len(found.table.columns) == 901
    assert found.table.iloc[0, -1] == 899


def test_a_long_record_of_corrections_does_not_take_the_shape_with_it(tmp_path):
    record = {"task": "segment", "corrections": {"done": [{"runs": [1] * 70_000}]}}
    write_objects(tmp_path / "a.zip", np.eye(3, dtype=int), provenance=record)
    found = read_objects(tmp_path / "a.zip")  # without an image beside it
    assert found.labels.shape == (3, 3)
    assert found.provenance == {}


def test_without_roifile(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "roifile", None)
    with pytest.raises(OutputError, match="pip install roifile"):
        write_objects(tmp_path / "a.zip", np.eye(3, dtype=int))
    assert not list(tmp_path.iterdir())
