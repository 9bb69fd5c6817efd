from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.batch.inputs import find_inputs
from napari_cytosynth.tasks.export.formats import write_tiff


def _names(found):
    return [file.path.relative_to(found.base).as_posix() for file in found.files]


def _touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.zeros((4, 4), np.uint8))


def test_a_folder_gives_its_images_and_those_below_only_when_asked(folder, tmp_path) -> None:
    flat = find_inputs([folder], tmp_path / "out", "segment")
    known = ["a.png", "a.tif", "b.tif", "broken.tif", "c.png", "d.jpg", "e.npy", "g.tif"]
    assert sorted(_names(flat)) == sorted([*known, "f.ome.zarr"])
    deep = find_inputs(folder, tmp_path / "out", "segment", recursive=True)
    assert set(_names(deep)) - set(_names(flat)) == {"deep ü/h <x>.tif"}


def test_a_pattern_gives_the_same_names_as_the_shell(tmp_path) -> None:
    _touch(*(tmp_path / "in" / day / f"{n}.tif" for day in ("d1", "d2") for n in "ab"))
    (tmp_path / "in" / "d1" / "n.txt").write_text("x")
    by_pattern = find_inputs([tmp_path / "in" / "d?" / "*"], tmp_path / "out", "segment")
    by_shell = find_inputs(sorted((tmp_path / "in").glob("d?/*.tif")), tmp_path, "segment")
    assert (
        _names(by_pattern) == _names(by_shell) == ["d1/a.tif", "d1/b.tif", "d2/a.tif", "d2/b.tif"]
    )
    every = find_inputs([tmp_path / "**" / "*.tif"], tmp_path / "out", "segment")
    assert len(every.files) == 4


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path) -> None:
    _touch(tmp_path / "x[1]*.tif", tmp_path / "x1.tif")
    found = find_inputs([tmp_path / "x[1]*.tif"], tmp_path / "out", "segment")
    assert _names(found) == ["x[1]*.tif"]


def test_files_named_twice_are_read_once_and_that_is_said(tmp_path) -> None:
    _touch(tmp_path / "a.tif", tmp_path / "b.tif")
    (tmp_path / "link.tif").symlink_to("a.tif")
    one = [tmp_path / "a.tif", tmp_path / "." / "a.tif", tmp_path / "b.tif"]
    found = find_inputs([*one, tmp_path], tmp_path / "out", "segment")
    assert sorted(_names(found)) == ["a.tif", "b.tif"]
    assert "named more than once" in found.messages[0]
    assert not find_inputs([tmp_path / "a.tif"], tmp_path / "out", "segment").messages


def test_two_folders_keep_their_names(tmp_path) -> None:
    _touch(tmp_path / "A" / "x.tif", tmp_path / "B" / "x.tif")
    found = find_inputs([tmp_path / "A", tmp_path / "B"], tmp_path / "out", "segment")
    assert _names(found) == ["A/x.tif", "B/x.tif"]


def test_links_that_lead_in_a_circle_end(tmp_path) -> None:
    _touch(tmp_path / "in" / "a" / "x.tif")
    (tmp_path / "in" / "a" / "up").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in" / "self").symlink_to("self")
    found = find_inputs([tmp_path / "in"], tmp_path / "out", "segment", recursive=True)
    assert _names(found) == ["a/x.tif"]


def test_a_folder_called_as_an_image_is_a_folder(tmp_path) -> None:
    _touch(tmp_path / "in" / "x.tif" / "y.tif")
    with pytest.raises(InputError, match=r"holds no image file .* Its folders do: add --recursive"):
        find_inputs([tmp_path / "in"], tmp_path / "out", "segment")
    found = find_inputs([tmp_path / "in"], tmp_path / "out", "segment", recursive=True)
    assert _names(found) == ["x.tif/y.tif"]


@pytest.mark.parametrize(("given", "said"), [("", "holds no image file"), ("*.tif", "No image")])
def test_what_holds_no_image_is_said(tmp_path, given, said) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=said) as caught:
        find_inputs([tmp_path / given], tmp_path / "out", "segment")
    assert "--recursive" not in str(caught.value)
    with pytest.raises(InputError, match="at least one"):
        find_inputs([], tmp_path, "segment")


def test_own_results_are_no_inputs_but_those_of_another_task_are(tmp_path) -> None:
    _touch(tmp_path / "a.tif", tmp_path / "out" / "a-labels.tif")
    write_tiff(tmp_path / "s.tif", np.zeros((4, 4)), "YX", record={"task": "segment"})
    write_tiff(tmp_path / "t.tif", np.zeros((4, 4)), "YX", record={"task": "stain"})
    out = tmp_path / "out"
    found = find_inputs([tmp_path], out, "segment", recursive=True)
    assert sorted(_names(found)) == ["a.tif", "t.tif"]
    assert "1 files that “cytosynth segment” wrote" in found.messages[0]
    named = find_inputs([tmp_path / "s.tif", tmp_path / "a.tif"], out, "segment")
    assert len(named.files) == 2
    assert not named.messages
    inside = find_inputs([tmp_path], tmp_path, "stain", recursive=True)
    assert sorted(_names(inside)) == ["a.tif", "out/a-labels.tif", "s.tif"]
