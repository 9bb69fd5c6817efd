from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from napari_cytosynth.images.files import image_name, is_hidden, list_images


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
