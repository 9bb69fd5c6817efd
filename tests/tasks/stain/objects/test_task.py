"""Objects of virtual stains, found by the bundled model in the stains of a toy network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.errors import Cancelled, InputError
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
