from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cytosynth.errors import OutputError
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.export.results import write_tiff
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation


@pytest.fixture
def result():
    probability = np.zeros((2, 20, 30), np.float32)
    probability[0, 2:6, 3:9] = probability[1, 8:12, 10:20] = 0.9
    return Segmentation(
        probability, "TYX", LabelOptions(0.5), pixel_size=(0.5, 0.25), source_axes="TYX"
    )


def test_folder_gets_images_table_and_record(result, tmp_path):
    files = result.save(tmp_path / "new" / "out")
    names = [path.name for path in files]
    assert names == ["probability.tif", "labels.tif", "table.csv", "provenance.json"]
    assert sorted(path.name for path in files[0].parent.iterdir()) == sorted(names)
    np.testing.assert_array_equal(tifffile.imread(files[0]), result.probability)
    np.testing.assert_array_equal(tifffile.imread(files[1]), result.labels)
    with tifffile.TiffFile(files[1]) as tif:
        assert tif.series[0].axes == "TYX"
        assert 'PhysicalSizeX="0.25"' in tif.ome_metadata
        assert 'PhysicalSizeY="0.5"' in tif.ome_metadata
    table = pd.read_csv(files[2])
    assert list(table["label"]) == [1, 2]
    assert list(table["area_um2"]) == [3, 5]
    assert json.loads(files[3].read_text())["parameters"]["threshold"] == 0.5


def test_tiff_name_gets_companions(result, tmp_path):
    files = result.save(tmp_path / "cells.ome.tif")
    assert [path.name for path in files] == [
        "cells.ome.tif",
        "cells-labels.tif",
        "cells-table.csv",
        "cells-provenance.json",
    ]
    result.save(tmp_path / "cells.ome.tif")  # once more: replaced


def test_zarr_holds_image_and_labels(result, tmp_path):
    zarr = pytest.importorskip("zarr")
    result.save(tmp_path / "cells.zarr")
    result.save(tmp_path / "cells.zarr")
    root = zarr.open_group(tmp_path / "cells.zarr", mode="r")
    np.testing.assert_array_equal(root["0"][:], result.probability)
    np.testing.assert_array_equal(root["labels/objects/0"][:], result.labels)
    scale = root.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]
    assert scale["scale"] == [1, 0.5, 0.25]


def test_axes_that_ome_does_not_know(tmp_path):
    write_tiff(tmp_path / "p.tif", np.ones((2, 3, 4, 5), np.float32), "PTYX", (2, 0.5))
    assert tifffile.imread(tmp_path / "p.tif").shape == (2, 3, 4, 5)
    assert read_image(tmp_path / "p.tif").pixel_size_um == (2, 0.5)


@pytest.mark.parametrize("axes", ["YXZ", "YZX"])
def test_rows_and_columns_come_last_in_the_file(tmp_path, axes):
    array = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    write_tiff(tmp_path / "p.tif", array, axes, (2, 0.5))
    file = read_image(tmp_path / "p.tif")
    assert (file.axes, file.pixel_size_um) == ("ZYX", (2, 0.5))
    np.testing.assert_array_equal(file.data, array.transpose([axes.index(a) for a in "ZYX"]))


def test_what_cannot_be_written_is_explained(result, tmp_path):
    with pytest.raises(OutputError, match=r"ends in \.tif or \.zarr"):
        result.save(tmp_path / "cells.png")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="in the way"):
        result.save(tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "mine"


def test_full_disk_leaves_what_was_there(result, tmp_path, monkeypatch):
    result.save(tmp_path)
    before = (tmp_path / "labels.tif").read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(OutputError, match="no space left"):
        result.at_threshold(0.99).save(tmp_path)
    assert (tmp_path / "labels.tif").read_bytes() == before
    assert not list(tmp_path.glob(".*"))
