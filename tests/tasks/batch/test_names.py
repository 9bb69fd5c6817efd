from __future__ import annotations

from pathlib import Path

import pytest

from napari_cytosynth.tasks.batch.names import result_names, stem_of


def _stems(*names):
    return [
        (folder / stem).as_posix() for folder, stem in result_names([(n, None, 1) for n in names])
    ]


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.ome.tif", "a"), ("a.b.png", "a.b"), ("a.czi", "a"), ("x.npy", "x"), ("p.ome.zarr", "p")],
)
def test_the_stem_is_the_name_without_what_says_that_it_is_an_image(name, stem) -> None:
    assert stem_of(name) == stem


def test_files_that_differ_in_their_suffix_alone_get_it_into_their_names() -> None:
    assert _stems("a.tif", "b.tif") == ["a", "b"]
    assert _stems("a.tif", "a.png", "x/a.png") == ["a-tif", "a-png", "x/a"]
    assert _stems("a.tif", "a.ome.tif") == ["a-tif", "a-ome-tif"]
    assert _stems("A.tif", "a.tif")[0].casefold() != _stems("A.tif", "a.tif")[1].casefold()


def test_no_two_names_are_alike_whatever_the_files_are_called() -> None:
    names = ["a.tif", "a.png", "a-png.jpg", "a-tif.npy", "a:b.tif", "a-b.tif", "A.TIF", "é.tif"]
    names += ["e\u0301.png", "a.ome.tif"]
    found = [stem.casefold() for stem in _stems(*names)]
    assert len(set(found)) == len(names)
    # the order in which they are named does not matter
    assert dict(zip(names, _stems(*names), strict=True)) == dict(
        zip(names[::-1], _stems(*names[::-1]), strict=True)
    )


def test_series_have_names_that_sort_and_cannot_leave_the_folder() -> None:
    series = [("m.lif", number, 12) for number in (0, 11)]
    assert [stem for _, stem in result_names(series)] == ["m-series00", "m-series11"]
    plate = [("p.zarr", "A/1/0", 2), ("p.zarr", "../../x", 2)]
    assert result_names(plate) == [(Path(), "p-A-1-0"), (Path(), "p-..-..-x")]
    assert result_names([("m.lif", 3, 1)]) == [(Path(), "m")]


def test_the_names_of_the_summary_are_taken() -> None:
    assert _stems("batch.tif", "x/Batch.tif") == ["batch-tif", "x/Batch"]
