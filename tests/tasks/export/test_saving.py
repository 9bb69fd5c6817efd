"""Nothing of the user's is lost: what a result replaces, what not, and what a kill leaves."""

from __future__ import annotations

import os
import shutil
import threading
from collections import namedtuple

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
from napari_cytosynth.tasks.export.records import embedded_record
from napari_cytosynth.tasks.export.results import write_tiff

USAGE = namedtuple("USAGE", "total used free")


# -- the image itself -------------------------------------------------------------------------


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("out", ["probability.tif", ".", "x/../probability.tif"])
def test_the_image_itself_is_never_replaced(made, tmp_path, out, overwrite):
    image = tmp_path / "probability.tif"
    image.write_bytes(b"precious")
    (tmp_path / "x").mkdir()
    with pytest.raises(OutputError, match="is the image that the result is made from"):
        made.segmentation(name=str(image)).save(tmp_path / out, overwrite=overwrite)
    assert image.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["probability.tif", "x"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_to_the_image_is_seen_through(made, tmp_path, link):
    image = tmp_path / "a.tif"
    image.write_bytes(b"precious")
    link(image, tmp_path / "b.tif")
    with pytest.raises(OutputError, match="never replaced"):
        made.segmentation(name=str(image)).save(tmp_path / "b.tif", overwrite=True)
    (tmp_path / "folder").mkdir()
    os.symlink(tmp_path / "folder", tmp_path / "other")
    shutil.move(image, tmp_path / "folder" / "probability.tif")
    result = made.segmentation(name=str(tmp_path / "folder" / "probability.tif"))
    with pytest.raises(OutputError, match="never replaced"):
        result.save(tmp_path / "other", overwrite=True)


def test_a_mapped_file_is_known_as_the_image(made, tmp_path):
    tifffile.imwrite(tmp_path / "probability.tif", np.zeros((20, 30), np.float32))
    result = made.segmentation(name=None)
    result.source = Source(tifffile.memmap(tmp_path / "probability.tif", mode="r"))
    with pytest.raises(OutputError, match="never replaced"):
        result.save(tmp_path, overwrite=True)


def test_an_uncertainty_that_was_the_image_is_not_removed(made, tmp_path):
    made.staining().save(tmp_path)
    result = made.staining(std=False)
    result.source = Source(np.zeros((8, 8)), path=str(tmp_path / "std.tif"))
    with pytest.raises(OutputError, match="never replaced"):
        result.save(tmp_path)
    assert (tmp_path / "std.tif").exists()


# -- links, two processes, kills --------------------------------------------------------------


def test_nothing_is_written_through_a_link(made, tmp_path):
    precious, out = tmp_path / "precious", tmp_path / "out"
    precious.write_bytes(b"mine")
    out.mkdir()
    os.symlink(precious, out / "labels.tif")
    os.symlink(tmp_path / "nowhere", out / "table.csv")
    with pytest.raises(OutputError, match="is a link"):
        made.segmentation().save(out)
    made.segmentation().save(out, overwrite=True)
    assert precious.read_bytes() == b"mine"
    assert not (out / "labels.tif").is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_one_of_two_savers_wins_whole(made, tmp_path):
    results, errors = [made.segmentation(0.5), made.segmentation(0.8)], []

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


def test_a_folder_is_not_let_go_of_before_it_is_removed(tmp_path, monkeypatch):
    """Else another process would take it for abandoned, and finish what is half removed."""
    from napari_cytosynth import files

    remove, held = files.shutil.rmtree, []

    def look(folder, **options):
        with files.hold(folder, wait=False) as free:
            held.append(not free)
        remove(folder, **options)

    monkeypatch.setattr(files.shutil, "rmtree", look)
    with files.scratch_folder(tmp_path) as scratch:
        (scratch / "file").touch()
    assert held[0]
    assert not list(tmp_path.iterdir())


def test_what_was_replaced_stays_so_though_nothing_was_cleaned_up(made, tmp_path, monkeypatch):
    from napari_cytosynth import files

    made.staining().save(tmp_path)
    assert (tmp_path / "std.tif").exists()
    with monkeypatch.context() as patch:
        patch.setattr(files.shutil, "rmtree", lambda *_, **__: None)  # as if killed before it
        made.staining(std=False).save(tmp_path)
    assert not (tmp_path / "std.tif").exists()
    made.staining(std=False).save(tmp_path)
    assert not (tmp_path / "std.tif").exists()


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
def test_a_kill_leaves_no_record_beside_pixels_of_another(made, tmp_path, monkeypatch, step):
    made.segmentation(0.5).save(tmp_path)
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
            made.segmentation(0.8).save(tmp_path)
        except Killed:
            pass
        else:
            assert step > 5
    labels = tifffile.imread(tmp_path / "labels.tif")
    own = embedded_record(tmp_path / "labels.tif")["parameters"]["threshold"]
    assert own == {2: 0.5, 1: 0.8}[labels.max()]
    if (tmp_path / "provenance.json").exists():
        assert_whole(tmp_path)
    made.segmentation(0.8).save(tmp_path)  # without being asked to overwrite anything
    assert_whole(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_what_fails_midway_is_taken_back(made, tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    for out in (tmp_path / "folder", tmp_path / "zarr" / "x.zarr"):
        made.segmentation(0.5).save(out)
        before = made.content(out.parent)
        put = saving._Commit.put

        def failing(self, name, put=put):
            if name.endswith("table.csv"):
                raise PermissionError(13, "held by another program")
            put(self, name)

        with monkeypatch.context() as patched:
            patched.setattr(saving._Commit, "put", failing)
            with pytest.raises(OutputError, match="may not write"):
                made.segmentation(0.8).save(out)
        assert made.content(out.parent) == before


def test_a_zarr_is_swapped_in_one_step_or_two(made, tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    for _ in range(2):
        made.segmentation(0.5).save(tmp_path / "x.zarr")
    monkeypatch.setattr(saving, "exchange", lambda *names: False)
    made.segmentation(0.8).save(tmp_path / "x.zarr")
    assert all(finding.intact for finding in find_provenance(tmp_path))
    assert embedded_record(tmp_path / "x.zarr")["parameters"]["threshold"] == 0.8


def test_a_result_that_cannot_be_finished_leaves_no_folder(made, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(OutputError, match="no space left"):
        made.segmentation().save(tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


# -- names, space, text -----------------------------------------------------------------------


def test_home_is_expanded(made, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert made.segmentation().save("~/result")[0] == tmp_path / "result" / "probability.tif"
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("overwrite", ["no", None, 2, []])
def test_what_is_neither_yes_nor_no_replaces_nothing(made, tmp_path, overwrite):
    (tmp_path / "labels.tif").write_bytes(b"precious")
    (tmp_path / "film.gif").write_bytes(b"precious")
    with pytest.raises(InputError, match=r"overwrite.*True or False"):
        made.segmentation().save(tmp_path, overwrite=overwrite)
    with pytest.raises(InputError, match=r"overwrite.*True or False"):
        made.generation().save_animation(tmp_path / "film.gif", overwrite=overwrite)
    assert set(made.content(tmp_path).values()) == {b"precious"}


@pytest.mark.parametrize("path", [None, 3, "a\0b", ""])
def test_what_is_no_path_is_refused(made, path):
    with pytest.raises(InputError, match="cannot be the name of a file"):
        made.segmentation().save(path)


@pytest.mark.parametrize("out", ["x" * 300, "new/" + "x" * 300, "x" * 245 + ".tif"])
def test_a_name_that_is_too_long_is_known_beforehand(tmp_path, out):
    destination = find_destination(tmp_path / out, "segment")
    with pytest.raises(OutputError, match="cannot be written"):
        check_destination(destination)
    assert not list(tmp_path.iterdir())


def test_too_little_space_is_known_before_anything_is_written(made, tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: USAGE(10**9, 10**9, 1000))
    with pytest.raises(OutputError, match=r"only 0\.0 MB of space left"):
        made.segmentation().save(tmp_path / "out")
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
def test_any_name_gives_a_valid_file(made, tmp_path, text):
    from xml.etree import ElementTree

    write_tiff(tmp_path / "p.tif", np.zeros((2, 8, 8), np.float32), "CYX", (1, 1), [text] * 2, text)
    with tifffile.TiffFile(tmp_path / "p.tif") as tif:
        ElementTree.fromstring(tif.ome_metadata)
        assert tif.series[0].axes == "CYX"
    made.segmentation(name=text).save(tmp_path / "out")
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


def test_what_another_machine_may_be_writing_is_left_alone(tmp_path, monkeypatch) -> None:
    """Its locks need not reach this one; after a day, nobody writes it any more."""
    from napari_cytosynth import files

    with files.scratch_folder(tmp_path) as scratch:
        name = scratch.name
    monkeypatch.setattr(files.platform, "node", lambda: "another")
    for folder in (tmp_path / name, tmp_path / f"{files._own_prefix()}left"):
        folder.mkdir()
    with files.hold(tmp_path):
        assert [folder.name for folder in files.abandoned_folders(tmp_path)] == [
            f"{files._own_prefix()}left"
        ]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    os.utime(tmp_path / name, (1, 1))
    with files.hold(tmp_path):
        assert [folder.name for folder in files.abandoned_folders(tmp_path)] == [name]
    assert not list(tmp_path.iterdir())
