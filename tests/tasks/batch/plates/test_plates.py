"""Plates whose results are a new plate: complete, valid, resumed, and never in the way."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaozarrs
import zarr

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled
from napari_cytosynth.images.ome_zarr import zarr_images, zarr_labels
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.batch.plates.layout import in_order


def _states(result):
    return [outcome.state for outcome in result.outcomes]


def _ome(path):
    return json.loads((path / "zarr.json").read_text("utf-8"))["attributes"]["ome"]


def test_a_plate_becomes_a_plate_of_labels_with_tables(plate, tiny_model, picture, tmp_path):
    out = tmp_path / "out"
    result = cytosynth.batch(plate, out, model=tiny_model)
    assert _states(result) == ["done"] * 3
    made = out / "p-segmented.zarr"
    yaozarrs.validate_zarr_store(made)
    assert list(zarr_images(made)) == ["A/1/0", "A/1/1", "B/2/0"]
    described = _ome(made)["plate"]
    assert described["wells"] == [
        {"path": "A/1", "rowIndex": 0, "columnIndex": 0},
        {"path": "B/2", "rowIndex": 1, "columnIndex": 1},
    ]
    assert described["field_count"] == 2
    single = cytosynth.segment(picture() + 1, tiny_model, axes="YX", pixel_size=0.5)
    (labels,) = zarr_labels(made / "A/1/1").values()
    np.testing.assert_array_equal(read_image(labels, content="labels").data, single.labels)
    np.testing.assert_array_equal(read_image(made / "A/1/1").data, single.probability)
    assert read_image(made / "A/1/1").pixel_size_um == 0.5
    table = (made / "A/1/1-table.csv").read_text("utf-8")
    assert table == single.table.drop(columns="index").to_csv(index=False)
    assert len(_ome(labels)["image-label"]["properties"]) == len(single.table)
    assert sorted(set(result.table["series"])) == ["A/1/0", "A/1/1", "B/2/0"]
    assert len(pd.read_csv(out / "batch-table.csv")) == sum(o.count for o in result.outcomes)


def test_of_a_run_that_stops_the_plate_lists_what_is_there(plate, tiny_model, tmp_path) -> None:
    out = tmp_path / "out"

    def stop(done, total, message):
        if done == 1 and "/" in message and "looking" not in message:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        cytosynth.batch(plate, out, model=tiny_model, progress=stop)
    made = out / "p-segmented.zarr"
    assert list(zarr_images(made)) == ["A/1/0"]
    before = (made / "A/1/0/zarr.json").stat().st_mtime_ns
    result = cytosynth.batch(plate, out, model=tiny_model, resume=True)
    assert _states(result) == ["skipped", "done", "done"]
    assert result.outcomes[0].thumbnail
    assert (made / "A/1/0/zarr.json").stat().st_mtime_ns == before
    yaozarrs.validate_zarr_store(made)
    assert list(zarr_images(made)) == ["A/1/0", "A/1/1", "B/2/0"]
    assert not list(out.rglob(".*"))


def test_a_field_that_fails_is_not_listed(plate, tiny_model, tmp_path) -> None:
    array = plate / "A/1/1/0/c/0/0"
    array.write_bytes(b"damaged")
    result = cytosynth.batch(plate, tmp_path / "out", model=tiny_model)
    assert _states(result) == ["done", "failed", "done"]
    assert list(zarr_images(tmp_path / "out/p-segmented.zarr")) == ["A/1/0", "B/2/0"]


def test_a_missing_field_or_well_fails_alone(plate, tiny_model, write_a_plate, picture, tmp_path):
    import shutil

    write_a_plate(plate, picture(), {"A/1": 2, "A/2": 1, "B/2": 1})
    shutil.rmtree(plate / "A/1/1")
    shutil.rmtree(plate / "A/2")
    out = tmp_path / "out"
    result = cytosynth.batch(plate, out, model=tiny_model)
    assert [(outcome.item.title, outcome.state) for outcome in result.outcomes] == [
        ("p.zarr [A/1/0]", "done"),
        ("p.zarr [B/2/0]", "done"),
        ("p.zarr [A/2]", "failed"),
        ("p.zarr [A/1/1]", "failed"),
    ]
    assert all("cannot be read as OME-Zarr" in one.sentence for one in result.failures)
    made = out / "p-segmented.zarr"
    assert list(zarr_images(made)) == ["A/1/0", "B/2/0"]
    write_a_plate(plate, picture(), {"A/1": 2, "A/2": 1, "B/2": 1})
    again = cytosynth.batch(plate, out, model=tiny_model, resume=True)
    assert sorted(_states(again)) == ["done", "done", "done", "done"]  # the files are others
    assert list(zarr_images(made)) == ["A/1/0", "A/1/1", "A/2/0", "B/2/0"]


def test_the_names_and_acquisitions_of_the_source_are_kept(plate, tiny_model, tmp_path) -> None:
    root = zarr.open_group(plate)
    rows, columns = [{"name": n} for n in "ABC"], [{"name": str(n)} for n in range(1, 4)]
    wells = [
        {"path": "A/1", "rowIndex": 0, "columnIndex": 0},
        {"path": "B/2", "rowIndex": 1, "columnIndex": 1},
    ]
    acquisitions = [{"id": 7, "name": "first"}]
    about = {"rows": rows, "columns": columns, "wells": wells, "acquisitions": acquisitions}
    root.attrs["ome"] = {"version": "0.5", "plate": about}
    images = [{"path": "0", "acquisition": 7}]
    root["B/2"].attrs["ome"] = {"version": "0.5", "well": {"images": images}}
    cytosynth.batch(plate, tmp_path / "out", model=tiny_model)
    made = tmp_path / "out/p-segmented.zarr"
    yaozarrs.validate_zarr_store(made)
    found = _ome(made)["plate"]
    assert (found["rows"], found["columns"], found["wells"]) == (rows, columns, wells)
    assert found["acquisitions"] == acquisitions
    assert _ome(made / "B/2")["well"]["images"] == images


def test_a_plate_of_stains(plate, tiny_stainer, tmp_path) -> None:
    options = {"task": "stain", "model": tiny_stainer, "samples": 2, "objects": "DNA"}
    result = cytosynth.batch(plate, tmp_path / "out", **options)
    assert _states(result) == ["done"] * 3
    made = tmp_path / "out/p-stained.zarr"
    assert list(zarr_images(made)) == ["A/1/0", "A/1/1", "B/2/0"]
    assert read_image(made / "A/1/0").axes == "CYX"
    assert zarr_labels(made / "A/1/0")
    again = cytosynth.batch(plate, tmp_path / "out", resume=True, **options)
    assert _states(again) == ["skipped"] * 3
    assert again.outcomes[0].thumbnail


def test_results_beside_the_plate_are_no_inputs_and_foreign_plates_stay(
    plate, tiny_model, tmp_path
) -> None:
    folder = plate.parent
    cytosynth.batch(folder, folder, model=tiny_model)
    again = cytosynth.batch(folder, folder, model=tiny_model, resume=True)
    assert _states(again) == ["skipped"] * 3
    assert "files that “cytosynth segment” wrote itself were left out" in " ".join(again.messages)
    foreign = tmp_path / "out" / "p-segmented.zarr"
    zarr.open_group(foreign, mode="w", zarr_format=3)
    result = cytosynth.batch(plate, tmp_path / "out", model=tiny_model, overwrite=True)
    assert _states(result) == ["failed"] * 3
    assert "“cytosynth segment” did not write it" in result.failures[0].sentence
    assert [path.name for path in foreign.iterdir()] == ["zarr.json"]


def test_labels_that_were_corrected_by_hand_are_kept(plate, tiny_model, tmp_path) -> None:
    out = tmp_path / "out"
    cytosynth.batch(plate, out, model=tiny_model)
    (labels,) = zarr_labels(out / "p-segmented.zarr/A/1/0").values()
    array = zarr.open_array(labels / "0")
    array[:4, :4] = 999
    result = cytosynth.batch(plate, out, model=tiny_model)
    assert _states(result) == ["failed", "done", "done"]
    assert "perhaps corrected by hand" in result.failures[0].sentence
    result = cytosynth.batch(plate, out, model=tiny_model, resume=True)
    assert _states(result) == ["skipped"] * 3
    assert "is kept" in result.outcomes[0].sentence
    assert (zarr.open_array(labels / "0")[:4, :4] == 999).all()
    cytosynth.batch(plate, out, model=tiny_model, overwrite=True)
    assert not (zarr.open_array(labels / "0")[:4, :4] == 999).any()


def test_names_are_in_the_order_of_their_numbers() -> None:
    assert in_order(["B/10", "A/2", "B/9", "A/10", "A/2"]) == ["A/2", "A/10", "B/9", "B/10"]
