"""Regions that ImageJ and other programs save, and what is wrong with them."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import roifile

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.export.objects.exchange import read_objects

KIND = roifile.ROI_TYPE


def region(points=((1, 1), (4, 1), (4, 3), (1, 3)), kind=KIND.POLYGON, **attributes):
    roi = roifile.ImagejRoi.frompoints(np.array(points))
    roi.roitype, roi.name = kind, ""
    for name, value in attributes.items():
        setattr(roi, name, value)
    return roi


def box(left, top, right, bottom, kind=KIND.RECT, **attributes):
    roi = roifile.ImagejRoi()
    roi.roitype, roi.left, roi.top, roi.right, roi.bottom = kind, left, top, right, bottom
    for name, value in attributes.items():
        setattr(roi, name, value)
    return roi


@pytest.fixture
def read(tmp_path):
    def read(*regions, shape=(8, 10), **options):
        with zipfile.ZipFile(tmp_path / "RoiSet.zip", "w") as packed:
            for number, roi in enumerate(regions):
                data = roi if isinstance(roi, bytes) else roi.tobytes()
                packed.writestr(f"{getattr(roi, 'name', '') or f'0001-{number:04}'}.roi", data)
        return read_objects(tmp_path / "RoiSet.zip", shape=shape, **options)

    return read


@pytest.mark.parametrize("kind", [KIND.POLYGON, KIND.FREEHAND, KIND.TRACED])
def test_outlines(read, kind):
    found = read(region(kind=kind))
    assert np.argwhere(found.labels).tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3)]
    assert not found.messages
    assert list(found.table["name"]) == ["0001-0000"]


def test_rectangles_and_ovals(read):
    found = read(box(0, 0, 2, 3), box(3, 1, 9, 7, KIND.OVAL))
    assert np.count_nonzero(found.labels == 1) == 6
    y, x = np.mgrid[:8, :10] + 0.5
    np.testing.assert_array_equal(found.labels == 2, (x - 6) ** 2 + (y - 4) ** 2 < 9)


def test_subpixel_outlines(read):
    found = read(region(np.array([[1.4, 1], [3.4, 1], [3.4, 2], [1.4, 2]])))
    assert np.argwhere(found.labels).tolist() == [[1, 1], [1, 2]]


def test_names_that_are_numbers_are_labels(read):
    found = read(region(name="12"), box(5, 5, 6, 6, name="3-z0002"), box(7, 5, 8, 6, name="cell 4"))
    assert list(found.table["label"]) == [1, 3, 12]
    assert list(found.table["name"].dropna()) == ["cell 4"]


def test_properties_that_imagej_writes(read):
    found = read(region(props="area: 3.5\nn: 4\nkind: Tumor\ncode: 007\nodd line\n# no: thing\n"))
    row = found.table.iloc[0]
    assert (row["area"], row["n"], row["kind"], row["code"]) == (3.5, 4, "Tumor", "007")
    assert "no" not in found.table


def test_groups_are_kept(read):
    assert list(read(region(group=3)).table["group"]) == [3]


@pytest.mark.parametrize(
    ("attributes", "planes"),
    [
        ({}, [0, 1, 2]), ({"position": 2}, [1]), ({"z_position": 3}, [2]),
        ({"c_position": 1}, [0, 1, 2]), ({"t_position": 1, "z_position": 1}, [0]),
        ({"t_position": 2}, [1]),
    ],
)  # fmt: skip
def test_positions_in_a_stack(read, attributes, planes):
    found = read(region(**attributes), shape=(3, 8, 10))
    assert np.unique(np.nonzero(found.labels)[0]).tolist() == planes
    assert not found.messages


@pytest.mark.parametrize(
    ("attributes", "places"),
    [
        ({"position": 4}, [(1, 0)]), ({"position": 3}, [(0, 2)]),
        ({"z_position": 2, "t_position": 1}, [(0, 1)]), ({"z_position": 2}, [(0, 1), (1, 1)]),
    ],
)  # fmt: skip
def test_positions_in_a_hyperstack(read, attributes, places):
    found = read(region(**attributes), shape=(2, 3, 8, 10), axes="TZYX")
    assert (
        sorted({*zip(*(n.tolist() for n in np.nonzero(found.labels)[:2]), strict=True)}) == places
    )


def test_a_position_beyond_the_image_is_told(read):
    found = read(region(position=4), shape=(3, 8, 10))
    assert found.messages == ["1 object on a plane that the image does not have was left out."]


def test_lines_points_and_texts_are_left_out_and_told(read):
    found = read(
        region(kind=KIND.POINT), region(kind=KIND.POINT), region(kind=KIND.POLYLINE), region(),
        box(0, 0, 2, 2, subtype=roifile.ROI_SUBTYPE.TEXT, version=217),
    )  # fmt: skip
    assert len(found.table) == 1
    assert found.messages == [
        "1 line was left out: labels need areas.",
        "2 points were left out: labels need areas.",
        "1 text or picture was left out: labels need areas.",
    ]


@pytest.mark.parametrize("path", [[2.0, 1, 1, 2, 2], [0.0, np.nan, 1, 1, 4, 4, 4], [9.0], [0.0, 1]])
def test_outlines_that_cannot_be_read_are_told(read, path):
    path = np.array(path, np.float32)
    found = read(box(0, 0, 1, 1, multi_coordinates=path, shape_roi_size=len(path)))
    assert found.messages == [
        "1 region with a damaged or curved outline was left out: labels need areas."
    ]


@pytest.mark.parametrize("data", [b"", b"Iout", b"no region" * 20, region().tobytes()[:66]])
def test_a_damaged_region_is_named(read, data):
    with pytest.raises(InputError, match=r"“0001-0000” in “RoiSet\.zip” is no region of ImageJ"):
        read(data)


def test_a_foreign_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("readme.txt", "no regions")
    with pytest.raises(InputError, match=r"holds no region of ImageJ.*ROI Manager"):
        read_objects(tmp_path / "a.zip", shape=(3, 3))


def test_an_unknown_shape_is_asked_for(read):
    with pytest.raises(InputError, match="how large its image is"):
        read(region(), shape=None)


def test_other_files_in_the_archive_do_not_matter(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("__MACOSX/._a.txt", "x")
        packed.writestr("folder/7.roi", region().tobytes())
    assert list(read_objects(tmp_path / "a.zip", shape=(8, 8)).table["label"]) == [7]


@pytest.mark.parametrize("comment", [b"napari-cytosynth {", b"napari-cytosynth [1]", b"other"])
def test_a_damaged_note_does_not_matter(tmp_path, comment):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("7.roi", region().tobytes())
        packed.comment = comment
    assert list(read_objects(tmp_path / "a.zip", shape=(8, 8)).table["label"]) == [7]
