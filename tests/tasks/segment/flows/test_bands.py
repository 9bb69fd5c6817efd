"""Huge planes are decoded in bands of rows: the objects are those of the whole."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import OutputError
from napari_cytosynth.tasks.segment import output
from napari_cytosynth.tasks.segment.flows import bands
from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings, decode_flows
from napari_cytosynth.tasks.segment.flows.heat import flow_field

CHANNELS = ["foreground", "flow-y", "flow-x"]
SIZE = 512


@pytest.fixture(scope="module")
def cells():
    """Labels of round cells and of a long one across all bands; and all as logit and flows."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    labels = np.zeros((SIZE, SIZE), np.int32)
    for number in range(1, 140):
        y, x = random.uniform(0, SIZE, 2)
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= random.uniform(6, 20) ** 2] = number
    labels[40:470, 250:262] = 140
    logit = np.where(labels > 0, 3.0, -4.0) + random.normal(size=labels.shape)
    flows = 5 * flow_field(labels) + random.normal(size=(2, SIZE, SIZE))
    return labels, np.stack([logit, *flows]).astype(np.float32)


@pytest.fixture(scope="module")
def unet_like(make_flow_model):
    """Model that adds what a random network makes of its input to the logit and flows in it."""
    made = make_flow_model(
        diameter=24.0,
    )
    torch.manual_seed(0)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = [torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU()]
            self.random = torch.nn.Sequential(*layers, torch.nn.Conv2d(8, 3, 3, padding=1))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image + self.random(image)

    return replace(made, network=Network().eval())


def assert_same(found, whole):
    assert found.max() == whole.max()
    assert np.mean(found == whole) >= 0.9999


@pytest.mark.parametrize("rows", [37, 150])
@pytest.mark.parametrize("error_limit", [None, 0.5])
def test_bands_find_the_objects_of_the_whole(cells, rows, error_limit):
    _, (logit, *flows) = cells
    settings = FlowSettings(0.4, 24, error_limit=error_limit)
    probability = 1 / (1 + np.exp(-logit))
    whole = decode_flows(probability, np.stack(flows), settings)
    found = decode_flows(probability, np.stack(flows), settings, rows=rows)
    assert_same(found.owner, whole.owner)
    np.testing.assert_array_equal(found.heights, whole.heights)
    np.testing.assert_array_equal(found.facts.area, whole.facts.area)
    np.testing.assert_allclose(found.facts.mean_probability, whole.facts.mean_probability)
    np.testing.assert_allclose(found.facts.flow_error, whole.facts.flow_error, atol=1e-4)


def test_noise_without_objects_is_the_same_in_bands():
    random = np.random.default_rng(0)
    probability = random.random((150, 170), np.float32)
    flows = random.normal(size=(2, 150, 170)).astype(np.float32)
    whole = decode_flows(probability, flows, FlowSettings(0.5, 20))
    found = decode_flows(probability, flows, FlowSettings(0.5, 20), rows=31)
    np.testing.assert_array_equal(found.owner, whole.owner)
    np.testing.assert_array_equal(found.heights, whole.heights)


def test_a_run_with_little_memory_finds_the_same(cells, unet_like, monkeypatch, tmp_path):
    _, image = cells
    whole = cytosynth.segment(image, unet_like, axes="CYX")
    monkeypatch.setattr(bands.rows_at_a_time, "__defaults__", (SIZE * 90,))
    out = np.memmap(tmp_path / "probability", np.float32, "w+", shape=(SIZE, SIZE))
    banded = cytosynth.segment(image, unet_like, axes="CYX", tile_size=128, out=out)
    assert whole.labels.max() > 50
    for threshold in (0.1, 0.4, 0.7):
        assert_same(banded.at_threshold(threshold).labels, whole.at_threshold(threshold).labels)


def test_windows_hold_each_object_once_and_whole(cells):
    labels = cells[0]
    numbers = np.unique(labels[labels > 0])
    owner = decode_flows((labels > 0) * np.float32(0.9), flow_field(labels), FlowSettings(0.5, 24))
    owner = owner.owner
    seen = np.zeros(owner.max() + 1, int)
    for window in bands.object_windows(owner, int(owner.max()), 50, 4):
        assert window.rows.start % 4 == 0
        areas = np.bincount(window.objects_of(owner).ravel(), minlength=2)[1:]
        seen[window.first + 1 : window.last + 1] += areas
    np.testing.assert_array_equal(seen[1:], np.bincount(owner.ravel())[1:])
    assert len(numbers) > 50


def test_no_room_for_temporary_files_is_a_sentence(monkeypatch):
    def full(**arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(output.tempfile, "TemporaryFile", full)
    with pytest.raises(OutputError, match=r"0\.8 GB in the folder for temporary files.*No space"):
        output.temporary_array((2, 10_000, 10_000))
