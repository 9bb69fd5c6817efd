from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import zarr

from napari_cytosynth.errors import InputError
from napari_cytosynth.images.ome_zarr import zarr_labels
from napari_cytosynth.images.reading import read_image

IMAGE = np.arange(2 * 6 * 7, dtype=np.uint16).reshape(1, 2, 1, 6, 7)
WELL = {"images": [{"path": "0"}, {"path": "1"}]}
KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def write(folder, version="0.5", data=IMAGE, axes="tczyx", unit="micrometer", **dataset):
    """Write one image as that version of the specification has it."""
    three = version == "0.5"
    group = zarr.open_group(folder, mode="w", zarr_format=3 if three else 2)
    group.create_array("0", data=data)
    group.create_array("1", data=data[..., ::2, ::2])
    scale = [{"type": "scale", "scale": [0.5 if axis in "yx" else 1.0 for axis in axes]}]
    levels = [{"path": "0"} | dataset, {"path": "1"}]
    scales = {"version": version, "datasets": levels}
    if version == "0.3":
        scales["axes"] = list(axes)
    elif version in ("0.4", "0.5"):
        named = [{"name": axis, "type": KINDS[axis]} for axis in axes]
        scales["axes"] = [a | ({"unit": unit} if a["name"] in "yx" and unit else {}) for a in named]
        levels[0].setdefault("coordinateTransformations", scale)
    metadata = {"multiscales": [scales]}
    group.attrs.update({"ome": {"version": "0.5"} | metadata} if three else metadata)
    return group


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3", "0.4", "0.5"])
def test_every_version_gives_its_pixels_and_axes(tmp_path, version):
    write(tmp_path / "x.zarr", version)
    file = read_image(tmp_path / "x.zarr")
    np.testing.assert_array_equal(file.data, IMAGE)
    assert file.axes == "TCZYX"
    assert file.pixel_size_um == (0.5 if version in ("0.4", "0.5") else None)
    assert not file.messages


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3", "0.4", "0.5"])
def test_every_version_is_read_when_its_pixels_are_used(tmp_path, version):
    write(tmp_path / "x.zarr", version)
    for chunk in (tmp_path / "x.zarr/0").rglob("*"):
        if chunk.is_file() and not chunk.name.startswith(".z") and chunk.suffix != ".json":
            chunk.write_bytes(b"damaged")  # whatever reads a pixel fails
    file = read_image(tmp_path / "x.zarr", lazy=True)
    assert isinstance(file.data, zarr.Array)
    assert (file.data.shape, file.axes) == (IMAGE.shape, "TCZYX")
    with pytest.raises(Exception):  # noqa: B017, PT011 - each codec has errors of its own
        file.data[0, 0, 0, :2, :2]
    write(tmp_path / "x.zarr", version)
    file = read_image(tmp_path / "x.zarr", lazy=True)
    np.testing.assert_array_equal(file.data[0, 1, 0, 2:4], IMAGE[0, 1, 0, 2:4])
    fine, coarse = file.levels
    assert fine is file.data
    np.testing.assert_array_equal(coarse[...], IMAGE[..., ::2, ::2])
    assert not read_image(tmp_path / "x.zarr").levels


@pytest.mark.parametrize("path", ["7", "../secret", 3, "0"])
def test_levels_that_are_none_are_left_out(tmp_path, path):
    group = write(tmp_path / "x.zarr")
    ome = group.attrs["ome"]
    ome["multiscales"][0]["datasets"][1] = {"path": path}
    group.attrs["ome"] = ome
    assert len(read_image(tmp_path / "x.zarr", lazy=True).levels) == 1


@pytest.mark.parametrize("form", [2, 3])
def test_a_bare_array_has_one_level(tmp_path, form):
    zarr.create_array(tmp_path / "a.zarr", data=IMAGE[0, 0, 0], zarr_format=form)
    assert len(read_image(tmp_path / "a.zarr", lazy=True).levels) == 1


@pytest.mark.parametrize(
    ("unit", "size"), [("nanometer", 0.0005), (None, None), ("parrot", None), ("inch", 12700)]
)
def test_the_pixel_size_is_in_the_unit_of_its_axes(tmp_path, unit, size):
    write(tmp_path / "x.zarr", unit=unit)
    assert read_image(tmp_path / "x.zarr").pixel_size_um == (size and pytest.approx(size))


@pytest.mark.parametrize(
    "scale",
    [[1, 1, 1, 0, 0.5], [1, 1, 1, -1, 0.5], [1, 1, 1, float("inf"), 1], [0.5, 0.5], [], "scale", 7],
)
def test_an_impossible_scale_leaves_the_pixel_size_unknown(tmp_path, scale):
    write(tmp_path / "x.zarr", coordinateTransformations=[{"type": "scale", "scale": scale}])
    file = read_image(tmp_path / "x.zarr")
    assert (file.axes, file.pixel_size_um) == ("TCZYX", None)


def test_both_scales_are_multiplied(tmp_path):
    group = write(tmp_path / "x.zarr")
    ome = group.attrs["ome"]
    scale = [{"type": "scale", "scale": [1, 1, 1, 4, 2]}]
    ome["multiscales"][0]["coordinateTransformations"] = scale
    group.attrs["ome"] = ome
    assert read_image(tmp_path / "x.zarr").pixel_size_um == (2, 1)


def plate(path):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/2"}]}
    for number, well in enumerate(("A/1", "B/2")):
        group.create_group(well).attrs["well"] = WELL
        for field in (0, 1):
            write(path / well / str(field), "0.4", IMAGE + 10 * number + field)


def test_of_a_plate_the_first_field_is_read_and_others_can_be_chosen(tmp_path):
    plate(tmp_path / "p.zarr")
    file = read_image(tmp_path / "p.zarr")
    np.testing.assert_array_equal(file.data, IMAGE)
    assert file.messages[0].startswith("“p.zarr” holds 4 images")
    assert "number 0 (“A/1/0”) is read, the first" in file.messages[0]
    for series in (3, "3", "B/2/1"):
        np.testing.assert_array_equal(read_image(tmp_path / "p.zarr", series).data, IMAGE + 11)
    np.testing.assert_array_equal(read_image(tmp_path / "p.zarr/A/1/1").data, IMAGE + 1)
    with pytest.raises(InputError, match=r"“p\.zarr” holds 4 images, .* there is no series 4"):
        read_image(tmp_path / "p.zarr", 4)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_of_a_bioformats2raw_collection_the_largest_image_is_read(tmp_path, version, listed):
    form = 3 if version == "0.5" else 2
    group = zarr.open_group(tmp_path / "b.zarr", mode="w", zarr_format=form)
    about, series = {"bioformats2raw.layout": 3}, {"series": ["0", "1"]}
    group.attrs.update({"ome": about} if form == 3 else about)
    if listed:
        group.create_group("OME").attrs.update({"ome": series} if form == 3 else series)
    write(tmp_path / "b.zarr/0", version, IMAGE[..., :3])
    write(tmp_path / "b.zarr/1", version)
    file = read_image(tmp_path / "b.zarr")
    np.testing.assert_array_equal(file.data, IMAGE)
    assert "(“1”) is read, the largest" in file.messages[0]
    assert read_image(tmp_path / "b.zarr", 0).data.shape == (1, 2, 1, 6, 3)


def test_labels_are_listed_and_read(tmp_path):
    group = write(tmp_path / "x.zarr")
    assert not zarr_labels(tmp_path / "x.zarr")
    group.create_group("labels").attrs["ome"] = {"version": "0.5", "labels": ["cells", "nuclei"]}
    for name in ("cells", "nuclei"):
        write(tmp_path / "x.zarr/labels" / name, data=IMAGE[0, 0, 0], axes="yx")
    assert [*zarr_labels(tmp_path / "x.zarr")] == ["cells", "nuclei"]
    np.testing.assert_array_equal(
        read_image(tmp_path / "x.zarr/labels", "nuclei").data, IMAGE[0, 0, 0]
    )
    assert read_image(tmp_path / "x.zarr/labels/cells").axes == "YX"


def test_more_axes_than_the_specification_allows_are_read(tmp_path):
    group = write(tmp_path / "x.zarr")
    ome = group.attrs["ome"]
    ome["multiscales"][0]["axes"][0] = {"name": "p", "type": "space"}
    group.attrs["ome"] = ome
    assert read_image(tmp_path / "x.zarr").axes == "PCZYX"


@pytest.mark.parametrize("form", [2, 3])
def test_a_bare_array_has_no_axes(tmp_path, form):
    zarr.create_array(tmp_path / "a.zarr", data=IMAGE[0, 0, 0], zarr_format=form)
    file = read_image(tmp_path / "a.zarr")
    assert (file.data.shape, file.axes) == ((6, 7), None)


# -- what is damaged, or means harm -----------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../secret/0", "/tmp/secret", "a/../../secret", "C:\\x", "link/0"]
)
def test_paths_stay_inside(tmp_path, name):
    write(tmp_path / "secret")
    write(tmp_path / "x.zarr", path=name)
    (tmp_path / "x.zarr" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="lies outside of it"):
        read_image(tmp_path / "x.zarr")


@pytest.mark.parametrize("well", ["../secret", "/etc"])
def test_a_plates_wells_stay_inside(tmp_path, well):
    plate(tmp_path / "p.zarr")
    zarr.open_group(tmp_path / "p.zarr").attrs["plate"] = {"wells": [{"path": well}]}
    with pytest.raises(InputError, match=f"“{well}”, which lies outside"):
        read_image(tmp_path / "p.zarr")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_what_cannot_be_a_path_is_explained(tmp_path, name):
    plate(tmp_path / "p.zarr")
    zarr.open_group(tmp_path / "p.zarr/A/1").attrs["well"] = {"images": [{"path": name}]}
    with pytest.raises(InputError, match="cannot be read as OME-Zarr"):
        read_image(tmp_path / "p.zarr")


def test_no_pickle_is_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    write(tmp_path / "x.zarr", "0.4", IMAGE)
    record = tmp_path / "x.zarr" / "0" / ".zarray"
    for key, value in (("filters", [{"id": "pickle"}]), ("compressor", {"id": "pickle"})):
        about = json.loads(record.read_text()) | {"compressor": None, "filters": None, key: value}
        record.write_text(json.dumps(about))
        for chunk in (tmp_path / "x.zarr" / "0").rglob("0*"):
            if chunk.is_file():
                chunk.write_bytes(pickle.dumps(Harm()))
        with pytest.raises(InputError, match="cannot be read as OME-Zarr"):
            read_image(tmp_path / "x.zarr")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("key", ["shape", "chunks"])
def test_what_is_larger_than_the_memory_is_refused_before_it_is_read(tmp_path, key):
    write(tmp_path / "x.zarr", "0.4")
    record = tmp_path / "x.zarr" / "0" / ".zarray"
    about = json.loads(record.read_text()) | {key: [1, 1, 1, 10**8, 10**8]}
    record.write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"“x\.zarr” declares an image of .* GB are free"):
        read_image(tmp_path / "x.zarr")


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"multiscales": []},
        {"multiscales": [{}]},
        {"multiscales": [3]},
        {"multiscales": [{"datasets": [{"path": 3}]}]},
        {"multiscales": [{"datasets": [{"path": "7"}]}]},
        {"multiscales": [{"datasets": [{"path": "0"}], "axes": [None]}]},
        {"multiscales": [{"datasets": [{"path": "0"}], "axes": ["y", "x"]}]},
        {"multiscales": [{"datasets": [{"path": "0"}], "axes": 5}]},
        {"plate": 3},
        {"plate": {"wells": []}},
        {"plate": {"wells": [3]}},
        {"plate": {"wells": [{"path": "A/1"}]}},
        {"well": {"images": 3}},
        {"labels": [3]},
        {"labels": 3},
        {"series": [3]},
        {"ome": 3},
    ],
)
def test_damaged_metadata_are_explained(tmp_path, metadata):
    group = write(tmp_path / "x.zarr", "0.1", IMAGE)
    group.attrs.put(metadata)
    with pytest.raises(InputError, match=r"x\.zarr.* cannot be read as OME-Zarr: "):
        read_image(tmp_path / "x.zarr")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"zarr_format": 3}', "\udcff"])
def test_what_is_no_zarr_is_explained(tmp_path, text):
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr/zarr.json").write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=r"x\.zarr cannot be read as OME-Zarr"):
        read_image(tmp_path / "x.zarr")
