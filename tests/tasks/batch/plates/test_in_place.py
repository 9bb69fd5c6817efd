"""Labels that are added to the OME-Zarr that they were made from."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import yaozarrs
import zarr

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.images.ome_zarr import zarr_labels
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.export.objects.rasters import read_labels


def _states(result):
    return [outcome.state for outcome in result.outcomes]


def _bytes(place):
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}


def test_labels_are_added_and_nothing_else_changes(plate, tiny_model, picture, tmp_path) -> None:
    before, out = _bytes(plate), tmp_path / "out"
    result = cytosynth.batch(plate, out, model=tiny_model, in_place=True)
    assert _states(result) == ["done"] * 3
    after = _bytes(plate)
    assert {name: after[name] for name in before} == before
    assert all("/labels/" in name for name in after.keys() - before.keys())
    single = cytosynth.segment(picture() + 1, tiny_model, axes="YX", pixel_size=0.5)
    (labels,) = zarr_labels(plate / "A/1/1").values()
    assert labels.name == "blobs"
    yaozarrs.validate_zarr_store(labels)
    np.testing.assert_array_equal(read_image(labels, content="labels").data, single.labels)
    assert len(read_labels(plate / "A/1/1").table) == len(single.table)
    table = (out / "p/A/1/1-table.csv").read_text("utf-8")
    assert table == single.table.drop(columns="index").to_csv(index=False)
    assert not list(out.rglob("*.tif"))
    again = cytosynth.batch(plate, out, model=tiny_model, in_place=True, resume=True)
    assert _states(again) == ["skipped"] * 3
    assert again.outcomes[0].thumbnail
    assert _bytes(plate) == after


def test_labels_that_are_there_are_never_replaced(plate, tiny_model, tmp_path) -> None:
    options = {"model": tiny_model, "overwrite": True}
    cytosynth.batch(plate, tmp_path / "one", in_place="mine", **options)
    before = _bytes(plate)
    result = cytosynth.batch(plate, tmp_path / "two", in_place="mine", threshold=0.3, **options)
    assert _states(result) == ["failed"] * 3
    assert "has labels “mine” already, and none are ever replaced" in result.failures[0].sentence
    assert _bytes(plate) == before
    assert not list((tmp_path / "two").rglob("0-*"))
    result = cytosynth.batch(plate, tmp_path / "two", in_place="other 2", threshold=0.3, **options)
    assert _states(result) == ["done"] * 3
    assert list(zarr_labels(plate / "B/2/0")) == ["mine", "other_2"]
    # with TIFFs in the same folder, each form knows its own
    result = cytosynth.batch(plate, tmp_path / "two", resume=True, threshold=0.3, plates="tiff",
                             model=tiny_model)  # fmt: skip
    assert _states(result) == ["done"] * 3


def test_a_run_that_died_between_labels_and_record_goes_on(
    plate, tiny_model, tmp_path, monkeypatch
) -> None:
    """The labels of a field are complete before its record is there."""
    from napari_cytosynth.tasks.batch.plates import in_place

    def dies(*given, **options):
        raise KeyboardInterrupt

    out, options = tmp_path / "out", {"model": tiny_model, "in_place": True, "resume": True}
    monkeypatch.setattr(in_place, "_list", dies)
    with pytest.raises(KeyboardInterrupt):
        cytosynth.batch(plate, out, **options)
    monkeypatch.undo()
    assert (plate / "A/1/0/labels/blobs/zarr.json").is_file()
    assert not list(out.rglob("*provenance.json"))
    assert not list(plate.rglob(".*"))
    assert _states(cytosynth.batch(plate, out, **options)) == ["done"] * 3
    assert list(zarr_labels(plate / "A/1/0")) == ["blobs"]


def test_other_labels_of_the_source_stay_listed(plate, tiny_model, tmp_path) -> None:
    field = zarr.open_group(plate / "A/1/0")
    labels = field.create_group("labels")
    labels.attrs["ome"] = {"version": "0.5", "labels": ["by hand"]}
    labels.attrs["note"] = "kept"
    cytosynth.batch(plate, tmp_path / "out", model=tiny_model, in_place=True)
    found = json.loads((plate / "A/1/0/labels/zarr.json").read_text("utf-8"))["attributes"]
    assert found == {"ome": {"version": "0.5", "labels": ["by hand", "blobs"]}, "note": "kept"}


def test_what_cannot_take_labels_is_refused(plate, tiny_model, tmp_path, picture) -> None:
    old = tmp_path / "old.zarr"
    group = zarr.open_group(old, mode="w", zarr_format=2)
    group.create_array("0", data=picture())
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": [{"name": n, "type": "space"} for n in "yx"],
         "datasets": [{"path": "0", "coordinateTransformations": [
             {"type": "scale", "scale": [1.0, 1.0]}]}]}
    ]  # fmt: skip
    tifffile.imwrite(tmp_path / "a.tif", picture())
    given = [old, tmp_path / "a.tif", plate]
    before = _bytes(old)
    result = cytosynth.batch(given, tmp_path / "out", model=tiny_model, in_place=True)
    assert _states(result) == ["failed"] * 2 + ["done"] * 3
    said = [outcome.sentence for outcome in result.failures]
    assert "version before 0.5" in said[0]
    assert "It is no OME-Zarr" in said[1]
    assert _bytes(old) == before
    for task in ("stain", "measure"):
        with pytest.raises(InputError, match="Only “segment” adds labels"):
            cytosynth.batch(plate, tmp_path / "out", task=task, in_place=True)
    with pytest.raises(InputError, match="in_place"):
        cytosynth.batch(plate, tmp_path / "out", model=tiny_model, in_place=3)
