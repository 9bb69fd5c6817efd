"""Objects that are painted in the result of a model with flows, or inside of a region."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.segment.flows.heat import flow_field


@pytest.fixture(scope="module")
def model(make_flow_model):
    """Model that hands its three input channels on: logit and flows are the image."""
    made = make_flow_model(diameter=20.0)
    network = torch.nn.Conv2d(3, 3, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    with torch.no_grad():
        network.weight[range(3), range(3)] = 1.0
    return replace(made, network=network.eval())


@pytest.fixture(scope="module")
def cells():
    """Labels of two touching cells."""
    rows, columns = np.mgrid[:48, :64]
    labels = np.zeros((48, 64), np.int32)
    for number, x in enumerate([20, 38], start=1):
        labels[(rows - 24) ** 2 + (columns - x) ** 2 <= 100] = number
    return labels


def _segment(model, labels, flows, **options):
    logit = np.where(labels > 0, 3.0, -4.0)
    image = np.stack([logit, *(5 * flows)]).astype(np.float32)
    return cytosynth.segment(image, model, axes="CYX", precision="float32", min_size=0, **options)


def _around(x: int) -> list[tuple[float, float]]:
    """Outline of a circle around a cell, 2 px into its neighbour."""
    turns = np.linspace(0, 2 * np.pi, 30)
    return [(24 + 12 * np.sin(turn), x + 12 * np.cos(turn)) for turn in turns]


def test_a_deleted_cell_is_painted_again_along_the_flows(model, cells):
    result = _segment(model, cells, flow_field(cells))
    assert len(result.table) == 2
    empty = result.correct("delete", [(24, 14)]).correct("delete", [(24, 44)])
    painted = empty.correct("paint", _around(20))
    np.testing.assert_array_equal(painted.labels > 0, result.labels == result.labels[24, 14])


def test_what_the_flows_made_no_object_of_is_painted_along_them(model, cells):
    flows = flow_field(cells)
    right = cells == 2
    turned = flows.copy()
    # flows that gather, and are those of no object: each a quarter off, but for the last steps
    turned[:, right] = flows[::-1, right] * np.array([[1], [-1]]) * 0.9 + 0.5 * flows[:, right]
    result = _segment(model, cells, turned)
    assert result.labels[24, 44] == 0  # its flow error is too high
    assert result.owned.rejected[()][0].size
    painted = result.correct("paint", _around(38))
    found = painted.labels == painted.labels[24, 44]
    assert (found & right).sum() / (found | right).sum() > 0.9
    assert not found[cells == 1].any()


def test_nothing_is_painted_outside_of_the_region(model, cells):
    region = [np.array([[0, 0], [0, 30], [47, 30], [47, 0]], float)]
    result = _segment(model, cells, flow_field(cells), region=region)
    with pytest.raises(InputError, match="inside of the region"):
        result.correct("paint", [(10, 45), (10, 60), (40, 60), (40, 45)])
    across = result.correct("delete", [(24, 20)]).correct("paint", _around(22))
    assert across.labels.any()
    assert not across.labels[:, 32:].any()
