"""Nothing of the user's is lost: what a result replaces, what not, and what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth import files
from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.tasks.common.layers import Source
from napari_cytosynth.tasks.export import saving
from napari_cytosynth.tasks.export.destination import check_destination, find_destination
from napari_cytosynth.tasks.export.inspection import find_provenance
from napari_cytosynth.tasks.export.records import embedded_record, file_digest
from napari_cytosynth.tasks.export.results import write_tiff
from napari_cytosynth.tasks.generate.result import Generation
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.tasks.stain.result import Staining

USAGE = namedtuple("USAGE", "total used free")


def segmentation(threshold=0.5, name="a.tif", shape=(20, 30)):
    probability = np.zeros(shape, np.float32)
    probability[..., 2:6, 3:9] = 0.7
    probability[..., 9:12, 3:9] = 0.9
    pixels = np.zeros(shape, np.uint8)
    record = {"task": "segment", "source": {"path": name, "shape": list(shape), "dtype": "uint8"}}
    return Segmentation(
        probability,
        "ZYX"[-len(shape) :],
        LabelOptions(threshold),
        source=Source(pixels, path=name),
        base_provenance=record,
    )


def staining(std=True):
    mean = np.full((1, 8, 8), 0.5, np.float32)
    return Staining(mean, mean if std else None, ("DNA",), "CYX", provenance={"task": "stain"})


def generation(seeds=(1, 2)):
    images = np.random.default_rng(0).random((len(seeds), 1, 8, 8), np.float32)
    return Generation(images, ("grey",), seeds, model="tiny", provenance={"task": "generate"})


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- the image itself -------------------------------------------------------------------------


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("out", ["probability.tif", ".", "x/../probability.tif"])
def test_the_image_itself_is_never_replaced(tmp_path, out, overwrite):
    image = tmp_path / "probability.tif"
    image.write_bytes(b"precious")
    (tmp_path / "x").mkdir()
    with pytest.raises(OutputError, match="is the image that the result is made from"):
        segmentation(name=str(image)).save(tmp_path / out, overwrite=overwrite)
    assert image.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["probability.tif", "x"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_to_the_image_is_seen_through(tmp_path, link):
    image = tmp_path / "a.tif"
    image.write_bytes(b"precious")
    link(image, tmp_path / "b.tif")
    with pytest.raises(OutputError, match="never replaced"):
        segmentation(name=str(image)).save(tmp_path / "b.tif", overwrite=True)
    (tmp_path / "folder").mkdir()
    os.symlink(tmp_path / "folder", tmp_path / "other")
    shutil.move(image, tmp_path / "folder" / "probability.tif")
    result = segmentation(name=str(tmp_path / "folder" / "probability.tif"))
    with pytest.raises(OutputError, match="never replaced"):
        result.save(tmp_path / "other", overwrite=True)


def test_a_mapped_file_is_known_as_the_image(tmp_path):
    tifffile.imwrite(tmp_path / "probability.tif", np.zeros((20, 30), np.float32))
    result = segmentation(name=None)
    result.source = Source(tifffile.memmap(tmp_path / "probability.tif", mode="r"))
    with pytest.raises(OutputError, match="never replaced"):
        result.save(tmp_path, overwrite=True)


def test_an_uncertainty_that_was_the_image_is_not_removed(tmp_path):
    staining().save(tmp_path)
    result = staining(std=False)
    result.source = Source(np.zeros((8, 8)), path=str(tmp_path / "std.tif"))
    with pytest.raises(OutputError, match="never replaced"):
        result.save(tmp_path)
    assert (tmp_path / "std.tif").exists()


# -- what others wrote ------------------------------------------------------------------------


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
def test_files_of_others_are_replaced_only_if_asked_for(tmp_path, name, out):
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"did not write it.*--overwrite"):
        segmentation().save(tmp_path / out)
    assert list(content(tmp_path).values()) == [b"mine"]
    segmentation().save(tmp_path / out, overwrite=True)
    assert (tmp_path / name).read_bytes() != b"mine"


def test_the_result_of_another_task_is_kept(tmp_path):
    segmentation().save(tmp_path)
    (tmp_path / "std.tif").write_bytes(b"mine")
    before = content(tmp_path)
    for result in (staining(std=False), generation()):
        with pytest.raises(OutputError, match=r"holds a segmentation of “a\.tif”"):
            result.save(tmp_path)
        assert content(tmp_path) == before


def test_another_image_is_replaced_with_a_sentence_that_names_both(tmp_path):
    segmentation(name="well_1.tif").save(tmp_path)
    again, other = segmentation(0.8, name="well_1.tif"), segmentation(name="well_2.tif")
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
def test_labels_corrected_by_hand_are_kept(tmp_path, sidecar):
    result = segmentation()
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
        segmentation(0.8).save(tmp_path)
    assert tifffile.imread(tmp_path / "labels.tif")[0, 0] == 3
    segmentation(0.8).save(tmp_path, overwrite=True)
    assert tifffile.imread(tmp_path / "labels.tif")[0, 0] == 0


def test_labels_added_to_a_zarr_are_kept(tmp_path):
    zarr = pytest.importorskip("zarr")
    result = segmentation()
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


def test_a_record_that_was_edited_is_kept(tmp_path):
    segmentation().save(tmp_path)
    record = json.loads((tmp_path / "provenance.json").read_text())
    (tmp_path / "provenance.json").write_text(json.dumps(record | {"note": "the good one"}))
    with pytest.raises(OutputError, match="was changed after it was written"):
        segmentation().save(tmp_path)


def test_only_listed_files_of_an_older_result_are_removed(tmp_path):
    (tmp_path / "samples.tif").write_bytes(b"mine")
    staining().save(tmp_path)
    staining(std=False).save(tmp_path)
    assert not (tmp_path / "std.tif").exists()
    assert (tmp_path / "samples.tif").read_bytes() == b"mine"


def test_a_changed_uncertainty_is_not_removed(tmp_path):
    staining().save(tmp_path)
    (tmp_path / "std.tif").write_bytes(b"mine")
    with pytest.raises(OutputError, match="was changed"):
        staining(std=False).save(tmp_path)
    assert (tmp_path / "std.tif").read_bytes() == b"mine"


def test_a_foreign_record_names_no_file_outside(tmp_path):
    (tmp_path / "std.tif").write_bytes(b"mine")
    out = tmp_path / "out"
    staining().save(out)
    record = json.loads((out / "provenance.json").read_text())
    for name in ("../std.tif", str(tmp_path / "std.tif"), "..\\std.tif"):
        record["files"][name] = {"sha256": file_digest(tmp_path / "std.tif")}
    (out / "provenance.json").write_text(json.dumps(record))
    staining(std=False).save(out, overwrite=True)
    assert (tmp_path / "std.tif").read_bytes() == b"mine"
    assert set(find_provenance(out)[0].states) == {"provenance.json", "mean.tif"}


def test_single_images_gather_in_one_folder(tmp_path):
    generation((1, 2)).save(tmp_path, separate=True)
    generation((3, 4)).save(tmp_path, separate=True)
    generation((1, 2)).save(tmp_path, separate=True)
    assert len(list((tmp_path / "image").iterdir())) == 4
    (tmp_path / "image" / "tiny-seed-3.tif").write_bytes(b"mine")
    with pytest.raises(OutputError, match="was changed"):
        generation((3, 4)).save(tmp_path, separate=True)


def test_a_film_replaces_only_a_film_of_ours(tmp_path):
    result = replace(generation((1, 2, 3)), walk=(0.0, 0.5, 1.0), ends=(1, 2))
    (tmp_path / "film.gif").write_bytes(b"GIF89a of mine")
    with pytest.raises(OutputError, match="did not write it"):
        result.save_animation(tmp_path / "film")
    for _ in range(2):
        result.save_animation(tmp_path / "other.gif")
    result.save_animation(tmp_path / "film", overwrite=True)
    assert find_provenance(tmp_path / "film.gif")[0].record["synthetic"] is True


# -- links, two processes, kills --------------------------------------------------------------


def test_nothing_is_written_through_a_link(tmp_path):
    precious, out = tmp_path / "precious", tmp_path / "out"
    precious.write_bytes(b"mine")
    out.mkdir()
    os.symlink(precious, out / "labels.tif")
    os.symlink(tmp_path / "nowhere", out / "table.csv")
    with pytest.raises(OutputError, match="is a link"):
        segmentation().save(out)
    segmentation().save(out, overwrite=True)
    assert precious.read_bytes() == b"mine"
    assert not (out / "labels.tif").is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_one_of_two_savers_wins_whole(tmp_path):
    results, errors = [segmentation(0.5), segmentation(0.8)], []

    def save(result):
        try:
            for _ in range(5):
                result.save(tmp_path)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(result,), daemon=True) for result in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert_whole(tmp_path)
    assert not list(tmp_path.glob(".*"))


def assert_whole(folder):
    """The pixels, the table and the records are of one result."""
    (finding,) = find_provenance(folder)
    assert finding.intact, finding.states
    threshold = finding.record["parameters"]["threshold"]
    count = {0.5: 2, 0.8: 1}[threshold]
    assert tifffile.imread(folder / "labels.tif").max() == count
    assert embedded_record(folder / "labels.tif")["parameters"]["threshold"] == threshold
    assert len((folder / "table.csv").read_text().splitlines()) == 1 + count


class Killed(BaseException):
    """What ends a process without cleaning up."""


@pytest.mark.parametrize("step", range(1, 7))
def test_a_kill_leaves_no_record_beside_pixels_of_another(tmp_path, monkeypatch, step):
    segmentation(0.5).save(tmp_path)
    steps, replace_ = [], os.replace

    def until_killed(*names):
        steps.append(names)
        if len(steps) == step:
            raise Killed
        replace_(*names)

    with monkeypatch.context() as patched:
        patched.setattr(saving.os, "replace", until_killed)
        patched.setattr(saving._Commit, "take_back", lambda self: None)
        patched.setattr(files.shutil, "rmtree", lambda *a, **k: None)
        try:
            segmentation(0.8).save(tmp_path)
        except Killed:
            pass
        else:
            assert step > 5
    labels = tifffile.imread(tmp_path / "labels.tif")
    own = embedded_record(tmp_path / "labels.tif")["parameters"]["threshold"]
    assert own == {2: 0.5, 1: 0.8}[labels.max()]
    if (tmp_path / "provenance.json").exists():
        assert_whole(tmp_path)
    segmentation(0.8).save(tmp_path)  # without being asked to overwrite anything
    assert_whole(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_what_fails_midway_is_taken_back(tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    for out in (tmp_path / "folder", tmp_path / "zarr" / "x.zarr"):
        segmentation(0.5).save(out)
        before = content(out.parent)
        put = saving._Commit.put

        def failing(self, name, put=put):
            if name.endswith("table.csv"):
                raise PermissionError(13, "held by another program")
            put(self, name)

        with monkeypatch.context() as patched:
            patched.setattr(saving._Commit, "put", failing)
            with pytest.raises(OutputError, match="may not write"):
                segmentation(0.8).save(out)
        assert content(out.parent) == before


def test_a_zarr_is_swapped_in_one_step_or_two(tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    for _ in range(2):
        segmentation(0.5).save(tmp_path / "x.zarr")
    monkeypatch.setattr(saving, "exchange", lambda *names: False)
    segmentation(0.8).save(tmp_path / "x.zarr")
    assert all(finding.intact for finding in find_provenance(tmp_path))
    assert embedded_record(tmp_path / "x.zarr")["parameters"]["threshold"] == 0.8


def test_a_result_that_cannot_be_finished_leaves_no_folder(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(OutputError, match="no space left"):
        segmentation().save(tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


# -- names, space, text -----------------------------------------------------------------------


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert segmentation().save("~/result")[0] == tmp_path / "result" / "probability.tif"
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("overwrite", ["no", None, 2, []])
def test_what_is_neither_yes_nor_no_replaces_nothing(tmp_path, overwrite):
    (tmp_path / "labels.tif").write_bytes(b"precious")
    (tmp_path / "film.gif").write_bytes(b"precious")
    with pytest.raises(InputError, match=r"overwrite.*True or False"):
        segmentation().save(tmp_path, overwrite=overwrite)
    with pytest.raises(InputError, match=r"overwrite.*True or False"):
        generation().save_animation(tmp_path / "film.gif", overwrite=overwrite)
    assert set(content(tmp_path).values()) == {b"precious"}


@pytest.mark.parametrize("path", [None, 3, "a\0b", ""])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(InputError, match="cannot be the name of a file"):
        segmentation().save(path)


@pytest.mark.parametrize("out", ["x" * 300, "new/" + "x" * 300, "x" * 245 + ".tif"])
def test_a_name_that_is_too_long_is_known_beforehand(tmp_path, out):
    destination = find_destination(tmp_path / out, "segment")
    with pytest.raises(OutputError, match="cannot be written"):
        check_destination(destination)
    assert not list(tmp_path.iterdir())


def test_too_little_space_is_known_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: USAGE(10**9, 10**9, 1000))
    with pytest.raises(OutputError, match=r"only 0\.0 MB of space left"):
        segmentation().save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_an_axis_called_s_counts_planes(tmp_path, count):
    array = np.arange(count * 30, dtype=np.float32).reshape(count, 5, 6)
    write_tiff(tmp_path / "p.tif", array, "SYX", (2, 0.5))
    with tifffile.TiffFile(tmp_path / "p.tif") as tif:
        assert tif.series[0].shape == array.shape
        assert tif.pages[0].photometric.name == "MINISBLACK"
        np.testing.assert_array_equal(tif.asarray(), array)


@pytest.mark.parametrize("text", ["a\x00b\x1b[31m", "a\x0bb\x9f", "a\ud800b", "<&\"'>\n\t"])
def test_any_name_gives_a_valid_file(tmp_path, text):
    from xml.etree import ElementTree

    write_tiff(tmp_path / "p.tif", np.zeros((2, 8, 8), np.float32), "CYX", (1, 1), [text] * 2, text)
    with tifffile.TiffFile(tmp_path / "p.tif") as tif:
        ElementTree.fromstring(tif.ome_metadata)
        assert tif.series[0].axes == "CYX"
    segmentation(name=text).save(tmp_path / "out")
    assert find_provenance(tmp_path / "out")[0].record["source"]["path"] == text


def test_results_of_several_images_lie_in_one_folder(tiny_model, tiny_stainer, tmp_path) -> None:
    image = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    found = cytosynth.segment(image, tiny_model)
    files = [path.name for path in found.save(tmp_path, stem="a 1")]
    names = ("probability.tif", "labels.tif", "table.csv", "provenance.json")
    assert files == [f"a 1-{name}" for name in names]
    assert len(found.save(tmp_path, stem="b")) == 4
    stained = cytosynth.stain(image, tiny_stainer, samples=2)
    assert stained.save(tmp_path, stem="c")[0].name == "c-mean.tif"
    with pytest.raises(OutputError, match="holds a segmentation"):
        stained.save(tmp_path, stem="b")
    assert len(list(tmp_path.iterdir())) == 11
