"""GeoJSON of other programs, and what is wrong with it."""

from __future__ import annotations

import gzip
import json
import zipfile

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.export.objects.exchange import read_objects, write_objects


def box(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def feature(*rings, kind="detection", plane=None, **properties):
    geometry = {"type": "Polygon", "coordinates": [*rings]}
    if plane is not None:
        geometry["plane"] = plane
    return {
        "type": "Feature",
        "geometry": geometry,
        "properties": {"objectType": kind, **properties},
    }


@pytest.fixture
def read(tmp_path):
    """The function that reads features, or any value, as the content of a file."""

    def read(content, shape=(8, 10), **options):
        if isinstance(content, list):
            content = {"type": "FeatureCollection", "features": content}
        path = tmp_path / "other.geojson"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return read_objects(path, shape=shape, **options)

    return read


QUPATH = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "0a6c4b7e-1d3a-4f0e-9d0d-000000000001",
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[1, 1], [1, 5], [6, 5], [6, 1], [1, 1]],
                    [[2.5, 2.5], [4.5, 2.5], [4.5, 3.5], [2.5, 3.5], [2.5, 2.5]],
                ],
            },
            "nucleusGeometry": {
                "type": "Polygon",
                "coordinates": [[[1, 1], [3, 1], [3, 2], [1, 2], [1, 1]]],
            },
            "properties": {
                "objectType": "cell",
                "color": [255, 0, 10],
                "classification": {"names": ["Tumor", "Positive"], "color": [200, 0, 0]},
                "measurements": {"Nucleus: Area µm^2": 12.5, "Cell: Circularity": 0.9},
            },
        },
        {
            "type": "Feature",
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[box(7, 0, 8, 1)], [box(9, 0, 10, 1)]],
            },
            "properties": {
                "objectType": "annotation",
                "name": "region A",
                "isLocked": True,
                "classification": {"name": "Stroma", "colorRGB": -16711936},
                "measurements": [{"name": "Nucleus: Area µm^2", "value": 2}],
                "metadata": {"ANNOTATION_DESCRIPTION": "seen"},
            },
        },
    ],
}


def test_an_export_of_qupath(read):
    found = read(QUPATH)
    assert not found.messages
    expected = np.zeros((8, 10), int)
    expected[1:5, 1:6] = 1
    y, x = np.mgrid[:8, :10] + 0.5
    hole = (x >= 2.5) & (x < 4.5) & (y >= 2.5) & (y < 3.5)
    expected[hole] = 0
    expected[0, [7, 9]] = 2
    np.testing.assert_array_equal(found.labels, expected)
    table = found.table.set_index("label")
    assert list(table["class"]) == ["Tumor: Positive", "Stroma"]
    assert found.class_colors == {"Tumor: Positive": (200, 0, 0), "Stroma": (0, 255, 0)}
    assert list(table["Nucleus: Area µm^2"]) == [12.5, 2]
    assert list(table["object_type"]) == ["cell", "annotation"]
    assert table.loc[1, "color"] == "#ff000a"
    assert table.loc[2, "name"] == "region A"
    assert table.loc[2, "locked"]
    assert table.loc[2, "ANNOTATION_DESCRIPTION"] == "seen"
    assert np.count_nonzero(found.nuclei) == 2
    assert found.nuclei[1, 1:3].tolist() == [1, 1]


def test_what_qupath_gives_back_has_the_same_labels(tmp_path):
    """QuPath drops what it does not know, writes numbers with a point, and keeps the metadata."""
    labels = np.array([[3, 3, 0], [0, 0, 40]])
    write_objects(tmp_path / "a.geojson", labels)
    content = json.loads((tmp_path / "a.geojson").read_text())
    content.pop("napari-cytosynth")
    for one in content["features"]:
        one["properties"]["name"] = "renamed"
        one["properties"]["measurements"] = {"added": 1.0}
    (tmp_path / "b.geojson").write_text(json.dumps(content))
    found = read_objects(tmp_path / "b.geojson", labels)
    np.testing.assert_array_equal(found.labels, labels)
    assert list(found.table["label"]) == [3, 40]
    assert list(found.table["added"]) == [1, 1]


def test_metadata_that_stands_there_twice(read):
    """As QuPath 0.5 to 0.7 writes it."""
    one = json.dumps(feature(box(0, 0, 1, 1), metadata={"label": "9", "a": "b"}))
    metadata = '"metadata": {"label": "9", "a": "b"}'
    found = read(f"[{one.replace(metadata, f'{metadata}, {metadata}')}]")
    assert found.table[["label", "a"]].to_numpy().tolist() == [[9, "b"]]


@pytest.mark.parametrize("pack", ["gz", "zip", "json", "list", "feature", "geometry"])
def test_further_wrappings(tmp_path, pack):
    one = feature(box(0, 0, 2, 1))
    content = json.dumps({"type": "FeatureCollection", "features": [one]}).encode()
    path = tmp_path / {"gz": "a.geojson.gz", "zip": "a.zip", "json": "a.json"}.get(
        pack, "a.geojson"
    )
    if pack == "gz":
        path.write_bytes(gzip.compress(content))
    elif pack == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("a.geojson", content)
    else:
        other = {"list": [one], "feature": one, "geometry": one["geometry"]}
        path.write_bytes(json.dumps(other[pack]).encode() if pack in other else content)
    found = read_objects(path, shape=(1, 3))
    assert found.labels.tolist() == [[1, 1, 0]]
    assert not found.messages


def test_objects_within_objects_are_read(read):
    child = feature(box(2, 2, 4, 4))
    found = read([feature(box(0, 0, 8, 8), kind="annotation", childObjects=[child])])
    assert np.count_nonzero(found.labels == 2) == 4
    assert any("belong to several objects" in text for text in found.messages)


def test_lines_and_points_are_left_out_and_told(read):
    def shape(kind, coordinates):
        return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}}

    line, point = shape("LineString", [[0, 0], [3, 3]]), shape("Point", [1, 1])
    found = read([line, point, point, feature(box(0, 0, 2, 2)), {"type": "Feature"}])
    assert len(found.table) == 1
    assert sorted(found.messages) == [
        "1 line was left out: labels need areas.",
        "1 object without an outline was left out: labels need areas.",
        "2 points were left out: labels need areas.",
    ]


@pytest.mark.parametrize(
    "ring",
    ['[[0,0],[NaN,1],[2,2]]', '[[0,0],[Infinity,1],[2,2]]', '[[0,0],["x",1],[2,2]]',
     '[[0,0],[1],[2,2]]', '[[0],[1],[2]]', '[0,1,2]', 'null', '"text"', '{}',
     f'[[0,0],[{10**400},1],[2,2]]'],
)  # fmt: skip
def test_damaged_outlines_are_left_out_and_told(read, ring):
    bad = json.dumps(feature("RING")).replace('"RING"', ring)
    good = json.dumps(feature(box(0, 0, 2, 2)))
    found = read(f'{{"type": "FeatureCollection", "features": [{bad}, {good}]}}')
    assert len(found.table) == 1
    assert found.messages == ["1 object with damaged outlines was left out: labels need areas."]


def test_what_lies_outside_is_told(read):
    found = read([feature(box(20, 0, 22, 2)), feature(box(8, 6, 12, 9)), feature(box(0, 0, 1, 1))])
    assert np.count_nonzero(found.labels == 2) == 4
    assert list(found.table["label"]) == [2, 3]
    assert found.messages == [
        "1 object outside the image was left out.",
        "1 object that reaches beyond the image was cut at its border.",
    ]


def test_what_covers_no_pixel_is_told(read):
    found = read([feature(box(0.1, 0.1, 0.4, 0.4)), feature(box(1, 1, 1, 5)), feature()])
    assert not len(found.table)
    assert found.messages == [
        "1 object without an outline was left out: labels need areas.",
        "2 objects that cover the centre of no pixel were left out.",
    ]


def test_overlap_is_told_and_the_smaller_one_wins(read):
    found = read([feature(box(1, 1, 3, 3)), feature(box(0, 0, 8, 8)), feature(box(1, 1, 3, 3))])
    assert np.count_nonzero(found.labels == 3) == 4  # of equal ones the later
    assert list(found.table["label"]) == [2, 3]
    assert found.messages == [
        "4 pixels belong to several objects of the file: in labels the smaller object has them.",
        "1 object that smaller ones cover wholly was left out.",
    ]


def test_two_objects_of_one_number(read):
    same = {"metadata": {"label": "7"}}
    found = read([feature(box(0, 0, 1, 1), **same), feature(box(2, 2, 3, 3), **same)])
    assert list(found.table["label"]) == [1, 7]
    assert found.messages == [
        "1 object with the number of another one on its plane was numbered anew."
    ]


@pytest.mark.parametrize("name", ["0", "-3", "007", "1.5", "9" * 30, "cell 4", "", "٣", None, [1]])
def test_names_that_are_no_numbers(read, name):
    found = read([feature(box(0, 0, 1, 1), name=name)])
    assert list(found.table["label"]) == [1]


@pytest.mark.parametrize(
    ("plane", "expected"),
    [({"c": -1, "z": 2, "t": 0}, [2]), (None, [0]), ({"z": "x"}, [0]), ("far", [0]), ({}, [0])],
)
def test_planes(read, plane, expected):
    found = read([feature(box(0, 0, 2, 2), plane=plane)], (3, 4, 4))
    assert np.unique(np.nonzero(found.labels)[0]).tolist() == expected


@pytest.mark.parametrize("plane", [{"z": 3}, {"z": -1}, {"t": 1}])
def test_planes_that_the_image_does_not_have(read, plane):
    found = read([feature(box(0, 0, 2, 2), plane=plane)], (3, 4, 4))
    assert not found.labels.any()
    assert found.messages == ["1 object on a plane that the image does not have was left out."]


def test_an_object_over_time_has_a_row_for_each_time(read):
    parts = [
        feature(box(0, 0, 2, 2), name="5", plane={"z": 0, "t": t}, measurements={"m": t})
        for t in range(2)
    ]
    found = read(parts, (2, 4, 4), axes="TYX")
    assert found.table[["label", "t", "m"]].to_numpy().tolist() == [[5, 0, 0], [5, 1, 1]]


def test_an_unknown_shape_is_asked_for(read):
    with pytest.raises(InputError, match=r"how large its image is.*like=image.*--like IMAGE"):
        read([feature(box(0, 0, 2, 2))], None)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1, 2", "\x00\x01", '{"a": 1}', "3", '"text"', "null", '{"type": "Topology"}',
     "[" * 100_000, "1" * 10_000, '{"type": 3}'],
)  # fmt: skip
def test_what_is_no_geojson(read, content):
    with pytest.raises(InputError, match="GeoJSON"):
        read(content)


@pytest.mark.parametrize(
    "content",
    [
        '{"type": "FeatureCollection"}', '{"type": "FeatureCollection", "features": null}',
        '{"type": "FeatureCollection", "features": [null, 1, "a", [], {}]}', "[]",
    ],
)  # fmt: skip
def test_nothing_is_an_empty_image(read, content):
    found = read(content)
    assert found.labels.shape == (8, 10)
    assert not found.labels.any()
    assert not len(found.table)


@pytest.mark.parametrize(
    "properties",
    [
        {"classification": 3}, {"classification": {"name": None}}, {"classification": {}},
        {"classification": {"name": "A", "color": "red"}}, {"measurements": 3}, {"color": [1]},
        {"measurements": {"a": None, "b": {}}}, {"measurements": [3, {"name": "a"}]},
        {"metadata": [1]}, {"metadata": {"a": {"b": 1}}}, {"objectType": 3}, {"children": 4},
        {"isLocked": "yes"}, {"measurements": {"a": "1", "b": True}},
    ],
)  # fmt: skip
def test_odd_properties_do_not_matter(read, properties):
    found = read([feature(box(0, 0, 2, 2), **properties)])
    assert np.count_nonzero(found.labels) == 4


@pytest.mark.parametrize(
    "note",
    [3, [], {"shape": "large"}, {"shape": [-1, 3]}, {"shape": [2, 3], "axes": 5}, {"shape": []},
     {"shape": [2, 3], "axes": "AB"}, {"shape": [2, 3], "pixel_size_um": "small"},
     {"keys": ["name"]}, {"columns": [["a"], 3, ["b", "kind"]]}, {"columns": {"a": 1}},
     {"shape": [True, 2]}, {"provenance": 3, "classes": None}],
)  # fmt: skip
def test_a_damaged_note_of_ours_does_not_matter(read, note):
    found = read(
        {
            "type": "FeatureCollection",
            "napari-cytosynth": note,
            "features": [feature(box(0, 0, 2, 2), measurements={"a": 1, "b": 2})],
        }
    )
    assert np.count_nonzero(found.labels) == 4
    assert found.table["a"][0] == 1


def test_a_class_that_was_added_to_our_file_is_read(tmp_path):
    path = tmp_path / "a.geojson"
    write_objects(path, np.eye(2, dtype=int))
    content = json.loads(path.read_text())
    content["features"][0]["properties"]["classification"] = "Tumor"
    path.write_text(json.dumps(content))
    assert list(read_objects(path).table["class"]) == ["Tumor"]


def test_a_huge_image_is_refused(read):
    with pytest.raises(InputError, match="memory"):
        read([feature(box(0, 0, 2, 2))], (10**7, 10**7))


@pytest.mark.parametrize("shape", [3, (3,), ("a", "b"), (-1, 4), (2.5, None), (10**30, 2)])
def test_a_shape_that_is_none(read, shape):
    with pytest.raises(InputError, match="shape"):
        read([feature(box(0, 0, 2, 2))], shape)


@pytest.mark.parametrize("name", ["a.geojson.gz", "a.zip"])
def test_damaged_packages(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no package")
    with pytest.raises(InputError, match=r"a\.(geojson\.gz|zip)"):
        read_objects(tmp_path / name, shape=(3, 4))
