"""Whole batches: results equal to single ones, bad files, resuming, cancelling, bad luck."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled, InputError, OutputError
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.batch.from_file import sizes_of


def _states(result):
    return [outcome.state for outcome in result.outcomes]


def _calls(monkeypatch):
    """Return the list of the images that the network runs on from now on."""
    from napari_cytosynth.tasks.batch import verbs

    run, seen = verbs.segment, []

    def segment(image, **options):
        seen.append(os.path.basename(image.path))
        return run(image, **options)

    monkeypatch.setattr(verbs, "segment", segment)
    return seen


def test_ten_files_of_five_formats_one_of_them_broken(folder, tiny_model, tmp_path) -> None:
    out = tmp_path / "out"
    seen = []
    result = cytosynth.batch(folder, out, model=tiny_model, recursive=True, on_outcome=seen.append)
    assert sorted(_states(result)) == ["done"] * 10 + ["failed"]
    assert tuple(seen) == result.outcomes
    (failure,) = result.failures
    assert (failure.item.name, failure.files) == ("broken.tif", ())
    assert "cut off or damaged" in failure.sentence
    for outcome in result.of_state("done"):
        item = outcome.item
        file = read_image(item.path, item.series)
        size = sizes_of(file, None, file.axes)
        single = cytosynth.segment(file.data, tiny_model, axes=file.axes, pixel_size=size)
        stem = out / item.folder / item.stem
        labels = tifffile.imread(f"{stem}-labels.tif")
        np.testing.assert_array_equal(labels, single.labels.squeeze())
        written = stem.with_name(f"{stem.name}-table.csv").read_text("utf-8")
        assert written == single.table.drop(columns="index").to_csv(index=False)
        assert outcome.count == len(single.table) > 0
        rows = result.table[result.table["file"] == item.name]
        rows = rows[rows["series"] == ("" if item.series is None else str(item.series))]
        assert len(rows) == outcome.count
        assert outcome.thumbnail.startswith(b"\x89PNG")
    assert list(result.table)[:4] == ["file", "series", "plane", "label"]
    table = pd.read_csv(out / "batch-table.csv")
    assert len(table) == len(result.table) == sum(o.count or 0 for o in result.outcomes)
    files = pd.read_csv(out / "batch-files.csv")
    assert list(files["state"]) == _states(result)
    assert [path.name for path in result.files][:3] == [
        "batch-files.csv",
        "batch-report.html",
        "batch-table.csv",
    ]


def test_a_dry_run_writes_nothing(folder, tiny_model, tmp_path, monkeypatch) -> None:
    seen = _calls(monkeypatch)
    before = sorted(tmp_path.rglob("*"))
    result = cytosynth.batch(folder, tmp_path / "out", model=tiny_model, dry_run=True)
    assert sorted(tmp_path.rglob("*")) == before
    assert not seen
    assert sorted(set(_states(result))) == ["failed", "planned"]
    assert result.files == ()
    assert len(result.table) == 0


def test_a_cancelled_run_goes_on_where_it_stopped(
    folder, tiny_model, tmp_path, monkeypatch, contents
) -> None:
    whole = tmp_path / "whole"
    cytosynth.batch(folder, whole, model=tiny_model)
    out, seen = tmp_path / "out", _calls(monkeypatch)

    def stop(done, total, message):
        if done == 4 and "/" in message:  # within the fifth file
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        cytosynth.batch(folder, out, model=tiny_model, resume=True, progress=stop)
    first, left = list(seen), sorted(path.name for path in out.iterdir())
    assert len(first) < 8
    assert not [name for name in left if name.startswith(".") or name.startswith("batch")]
    result = cytosynth.batch(folder, out, model=tiny_model, resume=True)
    # the one that was interrupted is done again, and no other
    assert seen[len(first)] == first[-1]
    done = len(first) - 1
    assert len(seen) == len(first) + 9 - done  # of ten images one is broken
    assert _states(result).count("skipped") == done
    expected, found = contents(whole), contents(out)
    assert expected.keys() == found.keys()
    for name in expected:
        if name.endswith("-table.csv"):
            assert expected[name] == found[name], name
        elif name.endswith("-labels.tif"):
            np.testing.assert_array_equal(
                tifffile.imread(out / name), tifffile.imread(whole / name)
            )
    skipped = result.of_state("skipped")[0]
    assert skipped.count
    assert skipped.thumbnail.startswith(b"\x89PNG")


@pytest.fixture
def three(tmp_path, picture):
    place = tmp_path / "in"
    place.mkdir()
    for number, name in enumerate("abc"):
        tifffile.imwrite(place / f"{name}.tif", picture(number))
    return place


def test_only_what_is_proven_done_is_skipped(three, tiny_model, tmp_path, monkeypatch) -> None:
    out, seen = tmp_path / "out", _calls(monkeypatch)

    def again(**options):
        seen.clear()
        return cytosynth.batch(three, out, model=tiny_model, resume=True, **options)

    again()
    assert seen == ["a.tif", "b.tif", "c.tif"]
    assert _states(again()) == ["skipped"] * 3
    assert seen == []
    os.utime(three / "a.tif", ns=(1, 1))  # another image, as far as can be known
    (out / "b-table.csv").unlink()
    again()
    assert seen == ["a.tif", "b.tif"]
    again(threshold=0.4)
    assert seen == ["a.tif", "b.tif", "c.tif"]
    record = out / "c-provenance.json"
    record.write_text(record.read_text().replace('"count"', '"counts"'))  # the seal is broken
    with pytest.raises(InputError, match="no setting"):
        again(treshold=0.4)
    result = again(threshold=0.4, overwrite=True)
    assert seen == ["c.tif"]
    assert _states(result) == ["skipped", "skipped", "done"]


def test_other_weights_are_other_settings(three, make_model, tiny_model, tmp_path) -> None:
    out = tmp_path / "out"
    cytosynth.batch(three, out, model=tiny_model)
    other = make_model()
    object.__setattr__(other, "sha256", "1" * 64)
    assert _states(cytosynth.batch(three, out, model=other, resume=True)) == ["done"] * 3
    assert _states(cytosynth.batch(three, out, model=other, resume=True)) == ["skipped"] * 3


def test_labels_that_were_corrected_by_hand_are_kept(three, tiny_model, tmp_path) -> None:
    out = tmp_path / "out"
    cytosynth.batch(three, out, model=tiny_model)
    tifffile.imwrite(out / "a-labels.tif", np.ones((32, 40), np.uint8))
    result = cytosynth.batch(three, out, model=tiny_model, resume=True)
    assert _states(result) == ["skipped"] * 3
    assert "“a-labels.tif” was changed" in result.outcomes[0].sentence
    assert not result.outcomes[1].sentence
    result = cytosynth.batch(three, out, model=tiny_model)
    assert _states(result) == ["failed", "done", "done"]
    assert "perhaps corrected by hand" in result.failures[0].sentence
    assert tifffile.imread(out / "a-labels.tif").max() == 1
    result = cytosynth.batch(three, out, model=tiny_model, overwrite=True)
    assert _states(result) == ["done"] * 3
    assert tifffile.imread(out / "a-labels.tif").max() > 1


def test_results_beside_their_images_are_no_inputs_of_the_next_run(
    three, tiny_model, monkeypatch
) -> None:
    seen = _calls(monkeypatch)
    for out in (three, three / "results", three / "other"):
        seen.clear()
        result = cytosynth.batch(three, out, model=tiny_model, recursive=True, overwrite=True)
        assert seen == ["a.tif", "b.tif", "c.tif"]
        assert _states(result) == ["done"] * 3
    assert _states(cytosynth.batch(three, three, model=tiny_model, resume=True)) == ["skipped"] * 3


def test_an_image_that_goes_missing_fails_alone(three, tiny_model, tmp_path) -> None:
    def remove(outcome):
        if outcome.item.name == "a.tif":
            (three / "b.tif").unlink()

    result = cytosynth.batch(three, tmp_path / "out", model=tiny_model, on_outcome=remove)
    assert _states(result) == ["done", "failed", "done"]
    assert "There is no file or folder" in result.failures[0].sentence


def test_a_full_disk_fails_what_it_hits_and_leaves_no_half_file(
    three, tiny_model, tmp_path, monkeypatch
) -> None:
    write, out = tifffile.imwrite, tmp_path / "out"

    def full(path, *arguments, **options):
        write(path, *arguments, **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    result = cytosynth.batch(three, out, model=tiny_model)
    monkeypatch.setattr("tifffile.imwrite", full)
    before = sorted(path.name for path in out.iterdir())
    result = cytosynth.batch(three, out, model=tiny_model, threshold=0.4)
    assert _states(result) == ["failed"] * 3
    assert "there is no space left" in result.failures[0].sentence
    assert sorted(path.name for path in out.iterdir()) == before
    monkeypatch.undo()
    states = _states(cytosynth.batch(three, out, model=tiny_model, resume=True))
    assert states == ["skipped"] * 3  # the earlier results are as they were


def test_what_cannot_be_written_is_said_before_anything_runs(
    three, tiny_model, tmp_path, monkeypatch
) -> None:
    seen = _calls(monkeypatch)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file"):
        cytosynth.batch(three, tmp_path / "file" / "out", model=tiny_model)
    out = tmp_path / "out"
    out.mkdir()
    (out / "batch-table.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"batch-table\.csv” is there already"):
        cytosynth.batch(three, out, model=tiny_model)
    denied = PermissionError(errno.EACCES, "Permission denied")

    def refuse(**options):
        raise denied

    monkeypatch.setattr("napari_cytosynth.tasks.export.destination.tempfile.TemporaryFile", refuse)
    with pytest.raises(OutputError, match="may not write there"):
        cytosynth.batch(three, tmp_path / "locked", model=tiny_model)
    assert seen == []


def test_the_record_tells_what_the_result_is_of(three, tiny_model, tmp_path) -> None:
    cytosynth.batch(three, tmp_path / "out", model=tiny_model)
    record = json.loads((tmp_path / "out" / "a-provenance.json").read_text("utf-8"))
    size = (three / "a.tif").stat()
    assert record["source"]["path"] == str(three / "a.tif")
    assert record["batch"]["input"] == {
        "name": "a.tif",
        "series": None,
        "size": size.st_size,
        "mtime_ns": size.st_mtime_ns,
    }


def test_saved_settings_give_equal_results(three, tiny_model, tmp_path) -> None:
    image = tifffile.imread(three / "a.tif")
    made = cytosynth.segment(image, tiny_model, threshold=0.45, min_size=5, fill_holes=True)
    loaded = cytosynth.load_settings(
        cytosynth.save_settings(made.provenance, tmp_path / "settings.yaml")
    )
    from dataclasses import replace

    settings = replace(loaded, model=tiny_model)
    cytosynth.batch(three, tmp_path / "out", settings)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a-labels.tif"), made.labels)
    other = replace(settings, weights="1" * 64)
    result = cytosynth.batch(three, tmp_path / "out2", other)
    assert "made with other weights" in result.messages[-1]
    with pytest.raises(InputError, match="either settings"):
        cytosynth.batch(three, tmp_path / "out", settings, threshold=0.5)


def test_a_pixel_size_that_differs_from_the_files_is_told(tiny_model, tmp_path, picture) -> None:
    size = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(tmp_path / "a.tif", picture(), metadata=size, ome=True)
    for given, told in ((0.25, True), (0.5, False), (None, False)):
        out = tmp_path / f"out{given}"
        result = cytosynth.batch([tmp_path / "a.tif"], out, model=tiny_model, pixel_size=given)
        said = " ".join(result.outcomes[0].messages)
        assert ("a pixel size of 0.5 × 0.5 µm" in said or "size of 0.5 µm" in said) == told


def test_stains_of_many_files(three, tiny_stainer, tmp_path) -> None:
    out = tmp_path / "out"
    options = {"samples": 2, "seed": 4}
    result = cytosynth.batch(three, out, task="stain", model=tiny_stainer, **options)
    assert _states(result) == ["done"] * 3
    single = cytosynth.stain(tifffile.imread(three / "b.tif"), tiny_stainer, **options)
    np.testing.assert_array_equal(tifffile.imread(out / "b-mean.tif"), single.mean)
    assert not (out / "batch-table.csv").exists()
    again = cytosynth.batch(three, out, task="stain", model=tiny_stainer, resume=True, **options)
    assert _states(again) == ["skipped"] * 3
    assert again.outcomes[0].thumbnail


def test_labels_of_many_files_are_measured_in_their_images(three, tmp_path) -> None:
    labels, out = tmp_path / "labels", tmp_path / "out"
    labels.mkdir()
    values = np.kron(np.arange(20).reshape(4, 5), np.ones((8, 8), int)).astype(np.uint16)
    for name in "ab":
        tifffile.imwrite(labels / f"{name}-labels.tif", values)
    tifffile.imwrite(labels / "c-labels.tif", values[:8])
    result = cytosynth.batch(labels, out, task="measure", intensity=three)
    assert _states(result) == ["done", "done", "failed"]
    assert "choose an image of the same size" in result.failures[0].sentence
    expected = cytosynth.measure(values, tifffile.imread(three / "b.tif"))
    found = result.table[result.table["file"] == "b-labels.tif"]
    assert list(found["mean_intensity"]) == list(expected["mean_intensity"])
    again = cytosynth.batch(labels, out, task="measure", intensity=three, resume=True)
    assert _states(again) == ["skipped", "skipped", "failed"]
    os.utime(three / "a.tif", ns=(1, 1))
    again = cytosynth.batch(labels, out, task="measure", intensity=three, resume=True)
    assert _states(again) == ["done", "skipped", "failed"]
    with pytest.raises(InputError, match="Only “measure”"):
        cytosynth.batch(three, out, intensity=three)


def test_fields_of_a_plate_are_segmented_one_by_one(
    write_a_plate, picture, tiny_model, tmp_path
) -> None:
    write_a_plate(tmp_path / "p.zarr", picture())
    out = tmp_path / "out"
    options = {"model": tiny_model, "plates": "tiff"}
    result = cytosynth.batch(tmp_path / "p.zarr", out, **options)
    assert _states(result) == ["done"] * 3
    assert sorted(set(result.table["series"])) == ["A/1/0", "A/1/1", "B/2/0"]
    single = cytosynth.segment(picture() + 1, tiny_model)
    np.testing.assert_array_equal(tifffile.imread(out / "p-A-1-1-labels.tif"), single.labels)
    again = cytosynth.batch(tmp_path / "p.zarr", out, resume=True, **options)
    assert _states(again) == ["skipped"] * 3


@pytest.mark.parametrize(
    "wrong",
    [{"jobs": 0}, {"jobs": "2"}, {"resume": "yes"}, {"on_outcome": 5}, {"task": "generate"}],
)
def test_wrong_arguments_are_refused(three, tmp_path, wrong) -> None:
    with pytest.raises(InputError):
        cytosynth.batch(three, tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_why_a_segmentation_is_doubtful_is_kept_for_the_page(
    three, tiny_model, tmp_path, monkeypatch
) -> None:
    from napari_cytosynth.tasks.segment.result import Segmentation

    says = property(lambda self: "Unlike." if self.source.path.endswith("b.tif") else "")
    monkeypatch.setattr(Segmentation, "doubt", says)
    for resume in (False, True):
        result = cytosynth.batch(three, tmp_path / "out", model=tiny_model, resume=resume)
        assert [outcome.doubt for outcome in result.outcomes] == ["", "Unlike.", ""]
        assert list(result.file_table["doubt"]) == ["", "Unlike.", ""]
        page = (tmp_path / "out" / "batch-report.html").read_text("utf-8")
        assert page.index("b.tif") < page.index("a.tif")
        assert "1 doubtful" in page


def test_what_the_check_of_a_stainer_says_is_the_doubt(tiny_stainer, tmp_path, picture) -> None:
    for name, size in (("like", 0.5), ("unlike", 5.0)):
        metadata = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
        tifffile.imwrite(tmp_path / f"{name}.tif", picture(), metadata=metadata, ome=True)
    options = {"task": "stain", "model": tiny_stainer, "samples": 2}
    result = cytosynth.batch(tmp_path / "*.tif", tmp_path / "out", **options)
    doubts = {outcome.item.name: outcome.doubt for outcome in result.outcomes}
    assert doubts["like.tif"] == ""
    assert "pixel size" in doubts["unlike.tif"]


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_plan_and_each_beginning_are_told(folder, tiny_model, tmp_path, dry_run) -> None:
    told = []
    result = cytosynth.batch(
        folder,
        tmp_path / "out",
        model=tiny_model,
        dry_run=dry_run,
        on_plan=lambda plan: told.append(("plan", len(plan.items))),
        on_start=lambda item: told.append(("start", item.title)),
        on_outcome=lambda outcome: told.append(("end", outcome.item.title)),
    )
    titles = [outcome.item.title for outcome in result.outcomes]
    words = ("end",) if dry_run else ("start", "end")
    assert told == [("plan", len(titles)), *((word, name) for name in titles for word in words)]
    with pytest.raises(InputError, match="on_plan"):
        cytosynth.batch(folder, tmp_path / "out", model=tiny_model, on_plan="x")
