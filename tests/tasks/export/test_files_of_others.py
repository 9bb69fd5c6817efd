"""What others wrote, or changed, is replaced only if asked for."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_cytosynth.errors import OutputError
from napari_cytosynth.tasks.export.inspection import find_provenance
from napari_cytosynth.tasks.export.records import file_digest


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("labels.tif", "."),
        ("table.csv", "."),
        ("provenance.json", "."),
        ("x.tif", "x.tif"),
        ("x-labels.tif", "x.tif"),
    ],
)
def test_files_of_others_are_replaced_only_if_asked_for(made, tmp_path, name, out):
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"did not write it.*--overwrite"):
        made.segmentation().save(tmp_path / out)
    assert list(made.content(tmp_path).values()) == [b"mine"]
    made.segmentation().save(tmp_path / out, overwrite=True)
    assert (tmp_path / name).read_bytes() != b"mine"


def test_the_result_of_another_task_is_kept(made, tmp_path):
    made.segmentation().save(tmp_path)
    (tmp_path / "std.tif").write_bytes(b"mine")
    before = made.content(tmp_path)
    for result in (made.staining(std=False), made.generation()):
        with pytest.raises(OutputError, match=r"holds a segmentation of “a\.tif”"):
            result.save(tmp_path)
        assert made.content(tmp_path) == before


def test_another_image_is_replaced_with_a_sentence_that_names_both(made, tmp_path):
    made.segmentation(name="well_1.tif").save(tmp_path)
    again, other = (
        made.segmentation(0.8, name="well_1.tif"),
        made.segmentation(name="well_2.tif"),
    )
    again.save(tmp_path)
    assert again.messages == []
    other.save(tmp_path)
    (sentence,) = other.messages
    assert "“well_1.tif”; it was replaced by that of “well_2.tif”" in sentence
    for name in ("provenance.json", "table.csv"):
        (tmp_path / name).unlink()
    again.save(tmp_path)  # known by the record in the image
    assert "“well_2.tif”; it was replaced by that of “well_1.tif”" in again.messages[-1]


@pytest.mark.parametrize("sidecar", [True, False])
def test_labels_corrected_by_hand_are_kept(made, tmp_path, sidecar):
    result = made.segmentation()
    result.save(tmp_path)
    labels = tifffile.imread(tmp_path / "labels.tif")
    if not sidecar:
        (tmp_path / "provenance.json").unlink()
        (tmp_path / "table.csv").unlink()
    result.save(tmp_path)
    tifffile.imwrite(tmp_path / "labels.tif", labels.astype(np.int32))  # the same, another type
    if sidecar:
        result.save(tmp_path)
    labels[0, 0] = 3
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    with pytest.raises(OutputError, match="corrected by hand"):
        made.segmentation(0.8).save(tmp_path)
    assert tifffile.imread(tmp_path / "labels.tif")[0, 0] == 3
    made.segmentation(0.8).save(tmp_path, overwrite=True)
    assert tifffile.imread(tmp_path / "labels.tif")[0, 0] == 0


def test_labels_added_to_a_zarr_are_kept(made, tmp_path):
    zarr = pytest.importorskip("zarr")
    result = made.segmentation()
    result.save(tmp_path / "a.zarr")
    result.save(tmp_path / "a.zarr")
    zarr.open_group(tmp_path / "a.zarr")["labels"].create_array("mine", shape=(2, 2), dtype="u1")
    with pytest.raises(OutputError, match="was changed"):
        result.save(tmp_path / "a.zarr")
    (tmp_path / "a-provenance.json").unlink()
    with pytest.raises(OutputError, match="was changed"):
        result.save(tmp_path / "a.zarr")
    assert (tmp_path / "a.zarr" / "labels" / "mine").is_dir()
    result.save(tmp_path / "a.zarr", overwrite=True)
    assert not (tmp_path / "a.zarr" / "labels" / "mine").exists()


def test_a_record_that_was_edited_is_kept(made, tmp_path):
    made.segmentation().save(tmp_path)
    record = json.loads((tmp_path / "provenance.json").read_text())
    (tmp_path / "provenance.json").write_text(json.dumps(record | {"note": "the good one"}))
    with pytest.raises(OutputError, match="was changed after it was written"):
        made.segmentation().save(tmp_path)


def test_only_listed_files_of_an_older_result_are_removed(made, tmp_path):
    (tmp_path / "samples.tif").write_bytes(b"mine")
    made.staining().save(tmp_path)
    made.staining(std=False).save(tmp_path)
    assert not (tmp_path / "std.tif").exists()
    assert (tmp_path / "samples.tif").read_bytes() == b"mine"


def test_a_changed_uncertainty_is_not_removed(made, tmp_path):
    made.staining().save(tmp_path)
    (tmp_path / "std.tif").write_bytes(b"mine")
    with pytest.raises(OutputError, match="was changed"):
        made.staining(std=False).save(tmp_path)
    assert (tmp_path / "std.tif").read_bytes() == b"mine"


def test_a_foreign_record_names_no_file_outside(made, tmp_path):
    (tmp_path / "std.tif").write_bytes(b"mine")
    out = tmp_path / "out"
    made.staining().save(out)
    record = json.loads((out / "provenance.json").read_text())
    for name in ("../std.tif", str(tmp_path / "std.tif"), "..\\std.tif"):
        record["files"][name] = {"sha256": file_digest(tmp_path / "std.tif")}
    (out / "provenance.json").write_text(json.dumps(record))
    made.staining(std=False).save(out, overwrite=True)
    assert (tmp_path / "std.tif").read_bytes() == b"mine"
    assert set(find_provenance(out)[0].states) == {"provenance.json", "mean.tif"}


def test_single_images_gather_in_one_folder(made, tmp_path):
    made.generation((1, 2)).save(tmp_path, separate=True)
    made.generation((3, 4)).save(tmp_path, separate=True)
    made.generation((1, 2)).save(tmp_path, separate=True)
    assert len(list((tmp_path / "image").iterdir())) == 4
    (tmp_path / "image" / "tiny-seed-3.tif").write_bytes(b"mine")
    with pytest.raises(OutputError, match="was changed"):
        made.generation((3, 4)).save(tmp_path, separate=True)


def test_a_film_replaces_only_a_film_of_ours(made, tmp_path):
    result = replace(made.generation((1, 2, 3)), walk=(0.0, 0.5, 1.0), ends=(1, 2))
    (tmp_path / "film.gif").write_bytes(b"GIF89a of mine")
    with pytest.raises(OutputError, match="did not write it"):
        result.save_animation(tmp_path / "film")
    for _ in range(2):
        result.save_animation(tmp_path / "other.gif")
    result.save_animation(tmp_path / "film", overwrite=True)
    assert find_provenance(tmp_path / "film.gif")[0].record["synthetic"] is True
