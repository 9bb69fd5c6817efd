from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.images.files import image_name, is_hidden, list_images
from napari_cytosynth.images.reading import read_image


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("f0.tif", "f0"),
        ("f0.ome.tif", "f0"),
        ("f0.OME.TIFF", "f0"),
        ("f0.ome.zarr", "f0"),
        ("f.0.png", "f.0"),
        ("b.1", "b.1"),
        ("f0.lsm", "f0"),
        (unicodedata.normalize("NFD", "Zélle.tif"), unicodedata.normalize("NFC", "Zélle")),
    ],
)
def test_names_of_one_field_are_equal_in_all_formats(file, name) -> None:
    assert image_name(file) == image_name(Path("folder") / file) == name


def test_files_that_systems_leave_behind_are_no_images(tmp_path) -> None:
    for name in ("._a.tif", ".DS_Store", "Thumbs.db", "desktop.ini", "a.tif", "b.TIF", "c.txt"):
        (tmp_path / name).touch()
    assert [*list_images(tmp_path, (".tif",))] == ["a", "b"]
    assert is_hidden(tmp_path / "Thumbs.db")


@pytest.mark.parametrize("path", [None, 3, b"x.tif", ["x.tif"], "x" * 300, "x\0.tif"])
def test_what_names_no_file_is_a_sentence(path) -> None:
    with pytest.raises(InputError, match="cannot be"):
        read_image(path)
