"""Objects of virtual stains, found by the bundled model in the stains of a toy network."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from napari.layers import Labels

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.errors import Cancelled, InputError
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.stain.result import Staining
from napari_cytosynth.zoo.card import ConfidenceTerm, ObjectDoubt, ObjectNumber

NUMBERS = {
    "area_px": ObjectNumber(least=1, offset=0, slope=1, log_width=-2, doubt_weight=1),
    "mean DNA": ObjectNumber(least=1, offset=0, slope=1, log_width=-3),
}
DOUBT = ObjectDoubt(
    stain="DNA",
    segmenter="fluo-nuclei-unet",
    intercept=-3,
    terms={"outline_views": ConfidenceTerm(weight=-2, mean=0.9, std=0.1)},
    wrong=0.2,
    count=100,
    fields=3,
    numbers=NUMBERS,
)


class Copying(torch.nn.Module):
    """A network that stains what it sees, and at the left edge of what it sees a nucleus more.

    The edge moves with the views, so that this nucleus is in one of eight places.
    """

    total_stride = 1

    def __init__(self, disc: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("disc", disc)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.repeat(1, 2, 1, 1)
        size = self.disc.shape[0]
        if x.shape[-1] >= 96 and x.shape[-2] >= 96:  # not on the probe of its geometry
            y[:, :, 20 : 20 + size, 20 : 20 + size] += 12 * self.disc
        return y


@pytest.fixture(scope="module")
def scene():
    found = phantoms.fluorescent_nuclei((128, 128), count=6, seed=4, touching=0)
    image = np.asarray(found.image, np.float32)
    labels = np.asarray(found.labels).copy()
    image[:50, :50] = np.median(image[labels == 0])  # room for the nucleus that is not there
    return image


@pytest.fixture(scope="module")
def result(make_stainer, scene):
    y, x = np.indices((25, 25)) - 12
    disc = torch.tensor(1.0 * (np.hypot(y, x) <= 11), dtype=torch.float32)
    model = make_stainer(doubt=[DOUBT], dropout=0, receptive_radius=0, norm="instance")
    return cytosynth.stain(
        scene, replace(model, network=Copying(disc)), samples=0, precision="float32"
    )


@pytest.fixture(scope="module")
def objects(result):
    return result.objects()


def test_every_nucleus_is_there_and_none_of_them_is_doubted(objects):
    assert objects.stain == "DNA"
    assert len(objects.table) >= 4
    assert objects.labels.shape == (128, 128)
    assert set(np.unique(objects.labels)) == {0, *objects.table["label"]}


def test_the_nucleus_that_is_not_there_is_the_most_doubtful(objects):
    first = objects.most_doubtful.iloc[0]
    assert first["centroid_y_px"] == pytest.approx(32, abs=4)
    assert first["centroid_x_px"] == pytest.approx(32, abs=4)
    assert first["doubt"] > 0.5
    assert (objects.most_doubtful["doubt"].iloc[1:] < 0.2).all()
    assert objects.doubt[int(first["label"])] == first["doubt"]
    assert objects.expected_wrong == pytest.approx(objects.table["doubt"].sum())


def test_numbers_have_intervals_that_widen_with_the_doubt(objects):
    table = objects.most_doubtful
    assert (table["area_px_low"] < table["area_px"]).all()
    assert (table["area_px"] < table["area_px_high"]).all()
    width = np.log(table["area_px_high"] / table["area_px_low"])
    assert width.iloc[0] > 1.3 * width.iloc[-1]
    assert "sum_DNA" in table  # without an interval: the card knows none
    assert "sum_DNA_low" not in table
    assert (table["mean_DNA_low"] < table["mean_DNA"]).all()


def test_the_layer_carries_table_and_record(objects):
    data, attributes, kind = objects.to_layer()
    assert kind == "labels"
    assert attributes["name"].startswith("DNA nuclei")
    alike = replace(objects, stain=objects.objects).to_layer()[1]["name"]
    assert alike.startswith("nuclei objects · virtual")  # not “nuclei nuclei”
    assert attributes["features"] is objects.table
    record = attributes["metadata"]["napari-cytosynth"]
    assert (record["role"], record["segmenter"]) == ("objects", "fluo-nuclei-unet")
    np.testing.assert_array_equal(data, objects.labels)
    script = as_python(attributes["metadata"]["napari-cytosynth"])
    assert "objects = result.objects('DNA')" in script


def test_objects_of_the_users_own_have_the_doubt_of_their_partners(objects):
    other = np.where(objects.labels > 0, objects.labels + 100, 0)
    other[:3, -3:] = 7  # where nothing was found
    found = objects.doubt_for(other)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], objects.doubt[1:])
    assert np.isnan(replace(objects, table=objects.table[["label"]]).doubt_for(other)).all()


def test_a_result_from_elsewhere_has_objects_but_no_doubt(result):
    loaded = Staining(result.mean, None, result.channels, result.axes)
    found = loaded.objects("DNA")
    assert len(found.table) >= 4
    assert "doubt" not in found.table
    assert found.doubt is None
    assert "network of the run" in found.messages[0]


def test_progress_and_cancel(result):
    ticks = []
    result.objects(progress=lambda done, total, message: ticks.append((done, total)))
    assert ticks[-1][0] == ticks[-1][1]
    assert [done for done, _ in ticks] == sorted(done for done, _ in ticks)

    def stop(done, *_):
        if done >= 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        result.objects(progress=stop)


def test_a_stack_has_objects_with_numbers_of_their_own(make_stainer, scene):
    stack = np.stack([scene, scene[::-1], np.zeros_like(scene)])
    model = make_stainer(dropout=0, norm="instance")
    network = Copying(torch.zeros(25, 25))
    found = cytosynth.stain(
        stack, replace(model, network=network), axes="TYX", samples=0, precision="float32"
    ).objects("DNA")
    assert found.labels.shape == (3, 128, 128)
    assert not found.labels[2].any()  # an empty plane
    first, second = (set(np.unique(plane[plane > 0])) for plane in found.labels[:2])
    assert first.isdisjoint(second)
    assert set(found.table["t"]) == {0, 1}


def test_what_has_no_objects(result):
    with pytest.raises(InputError, match="no stain “ER”"):
        result.objects("ER")
    plain = Staining(result.mean, None, ("ER", "RNA"), "CYX")
    with pytest.raises(InputError, match="name one"):
        plain.objects()


@pytest.mark.parametrize("name", ["out", "cells.tif"])
def test_objects_are_saved_with_doubt_intervals_and_record(result, objects, tmp_path, name):
    sized = replace(result, pixel_size=(0.6, 0.6))
    sized.save(tmp_path / name, objects=replace(objects, staining=sized))
    stem = "" if name == "out" else "cells-"
    folder = tmp_path / "out" if name == "out" else tmp_path
    labels = read_image(folder / f"{stem}labels.tif")
    np.testing.assert_array_equal(labels.data, objects.labels)
    assert (labels.axes, labels.pixel_size_um) == ("YX", 0.6)
    with tifffile.TiffFile(folder / f"{stem}labels.tif") as file:
        assert "predicted, not measured" in file.ome_metadata
    table = pd.read_csv(folder / f"{stem}table.csv")
    assert list(table["label"]) == list(objects.table["label"])
    np.testing.assert_allclose(table["doubt"], objects.table["doubt"])
    assert {"area_px_low", "area_px_high", "mean_DNA_low", "sum_DNA"} <= set(table)
    record = json.loads((folder / f"{stem}provenance.json").read_text())
    assert record["objects"] == {
        "stain": "DNA",
        "segmenter": "fluo-nuclei-unet",
        "segmenter_sha256": objects.record["segmenter_sha256"],
        "objects": "nuclei",
        "count": len(table),
        "doubt": "calibrated on 3 left-out images",
    }
    assert {f"{stem}labels.tif", f"{stem}table.csv"} <= set(record["files"])
    # without them the older ones do not stay beside a new mean
    sized.save(tmp_path / name)
    assert not (folder / f"{stem}labels.tif").exists()
    assert not (folder / f"{stem}table.csv").exists()


def test_an_ome_zarr_holds_the_objects_as_labels(result, objects, tmp_path):
    zarr = pytest.importorskip("zarr")
    files = result.save(tmp_path / "cells.zarr", objects=objects)
    assert [path.name for path in files] == [
        "cells.zarr",
        "cells-table.csv",
        "cells-provenance.json",
    ]
    root = zarr.open_group(tmp_path / "cells.zarr", mode="r")
    assert root["labels"].attrs["ome"]["labels"] == ["nuclei"]
    np.testing.assert_array_equal(root["labels/nuclei/0"][:], objects.labels)
    np.testing.assert_array_equal(root["0"][:], result.mean)
    result.save(tmp_path / "cells.zarr")
    assert not (tmp_path / "cells-table.csv").exists()


def test_objects_of_another_stain_are_not_saved(result, objects, tmp_path):
    with pytest.raises(InputError, match="another virtual stain"):
        replace(result).save(tmp_path / "out", objects=objects)
    with pytest.raises(InputError, match="give those"):
        result.save(tmp_path / "out", objects=objects.labels)
    assert not (tmp_path / "out").exists()


def test_doubt_is_a_column_where_the_nuclei_are_measured(result, objects):
    stain = result.mean[0]
    found = cytosynth.measure(objects.labels, stain, doubt=objects)
    np.testing.assert_allclose(found["doubt"], objects.table["doubt"])
    data, attributes, _ = objects.to_layer()
    layer = Labels(data, **attributes)
    np.testing.assert_allclose(cytosynth.measure(layer)["doubt"], objects.table["doubt"])
    again = cytosynth.segment(stain, "fluo-nuclei-unet", axes="YX").measure(stain, doubt=layer)
    assert np.isfinite(again["doubt"]).any()
    # other outlines are other objects: nothing is known of them
    moved = cytosynth.measure(np.roll(objects.labels, 40, axis=1), doubt=objects)
    assert moved["doubt"].isna().any()
    assert "doubt" not in cytosynth.measure(objects.labels)


def test_a_doubt_that_is_not_calibrated_says_so_where_it_is_measured(result, objects):
    plain = Staining(result.mean, None, result.channels, result.axes).objects("DNA")
    assert cytosynth.measure(plain.labels, doubt=plain)["doubt"].isna().all()
    data, attributes, _ = plain.to_layer()
    assert "doubt" not in cytosynth.measure(Labels(data, **attributes))
    with pytest.raises(InputError, match="Labels layer"):
        cytosynth.measure(objects.labels, doubt=objects.labels)
    with pytest.raises(InputError, match="same image"):
        cytosynth.measure(objects.labels[:50], doubt=objects)


def test_an_object_in_space_has_the_mean_doubt_of_its_planes():
    planes = np.zeros((2, 8, 8), np.int32)
    planes[0, 2:6, 2:6], planes[1, 2:6, 2:6] = 1, 2
    table = pd.DataFrame({"label": [1, 2], "doubt": [0.2, 0.6]})
    objects = SimpleNamespace(labels=planes, table=table)
    found = cytosynth.measure((planes > 0).astype(int), axes="ZYX", doubt=objects)
    assert found["doubt"].to_list() == [pytest.approx(0.4)]
    by_plane = cytosynth.measure((planes > 0).astype(int), axes="TYX", doubt=objects)
    assert by_plane["doubt"].to_list() == [0.2, 0.6]
