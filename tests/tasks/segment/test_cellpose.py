"""A converted model of Cellpose: its flows become objects, at the size of its training."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.metrics.instance import average_precision
from napari_cytosynth.tasks.segment import segment
from napari_cytosynth.tasks.segment.blocks import segment_in_blocks
from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings
from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
from napari_cytosynth.zoo.loading import load_model


def cells() -> np.ndarray:
    """Touching cells of about 30 px, round, long and bent."""
    y, x = np.mgrid[:120, :140]
    masks = np.zeros(y.shape, np.int32)
    for number, (row, column) in enumerate([(30, 30), (30, 59), (58, 45), (85, 24)], 1):
        masks[((y - row) ** 2 + (x - column) ** 2 < 15**2) & (masks == 0)] = number
    masks[(abs(y - 70) < 8) & (abs(x - 92) < 26) & (masks == 0)] = 5
    ring = abs(np.hypot(y - 98, x - 100) - 19) < 5.5
    masks[ring & (y > 85) & (masks == 0)] = 6
    return masks


def heat_flows(masks: np.ndarray) -> np.ndarray:
    """Return flows (2, Y, X) as Cellpose makes them to train on: heat that spreads from a centre.

    Each object's median pixel is heated again and again, while each pixel becomes the mean of the
    nine around it; the logarithm's gradient, of length 1, leads there.
    """
    flows = np.zeros((2, *masks.shape))
    for number in np.unique(masks[masks > 0]):
        inside = masks == number
        pixels = np.argwhere(inside)
        middle = np.median(pixels, axis=0)
        centre = tuple(pixels[((pixels - middle) ** 2).sum(axis=1).argmin()])
        heat = np.zeros(masks.shape)
        for _ in range(2 * int(np.ptp(pixels, axis=0).sum() + 2)):
            heat[centre] += 1
            heat = ndimage.uniform_filter(heat, 3, mode="constant") * inside
        heat = np.log1p(heat)
        slopes = [ndimage.correlate1d(heat, [-1, 0, 1], axis=axis) for axis in (0, 1)]
        flows[:, inside] = np.array(slopes)[:, inside]
    return flows / (1e-60 + np.hypot(*flows))


@pytest.fixture(scope="module")
def card(cellpose_model):
    return load_model(cellpose_model).card


@pytest.mark.parametrize("source", ["by the paper", "by cellpose"])
def test_flows_of_true_masks_give_these_back(card, source):
    masks = cells()
    if source == "by cellpose":
        reason = "cellpose is not installed"
        dynamics = pytest.importorskip("cellpose.dynamics", reason=reason)
        flows = dynamics.masks_to_flows(masks.astype(int))
    else:
        flows = heat_flows(masks)
    output = np.stack([*(5 * flows), np.where(masks > 0, 6.0, -6.0)])  # as of the network
    roles = card.inference.roles
    probability = 1 / (1 + np.exp(-output[roles.index("foreground")]))
    settings = FlowSettings.from_card(card.inference)
    own = output[[roles.index("flow-y"), roles.index("flow-x")]]
    found = FlowObjects.from_flows(probability, own, settings).at(0.5)
    assert found.labels.max() == 6
    assert average_precision(masks, found.labels, [0.9])[0] == 1
    turned = FlowObjects.from_flows(probability, own[::-1], settings).at(0.5)  # x, y
    assert average_precision(masks, turned.labels, [0.9])[0] < 0.5


def test_images_are_resampled_as_in_its_training(cellpose_model):
    image = np.random.default_rng(0).random((108, 90), np.float32)
    usual = segment(image, cellpose_model, precision="float32")
    said = segment(image, cellpose_model, precision="float32", diameter=54)
    assert "taken to be about 54 px" in usual.messages[0]
    assert "by a factor of 0.56" in usual.messages[1]
    assert usual.probability.shape == image.shape
    np.testing.assert_array_equal(usual.probability, said.probability)
    assert usual.provenance["parameters"]["diameter"] == 54
    as_is = segment(image, cellpose_model, precision="float32", diameter=30)
    assert not any("resampled" in message for message in as_is.messages)
    assert not np.allclose(as_is.probability, usual.probability, atol=1e-3)


def test_planes_are_linked_and_none_has_a_confidence(cellpose_model):
    stack = np.random.default_rng(0).random((2, 60, 60), np.float32)
    found = segment(stack, cellpose_model, axes="ZYX", diameter=30, min_confidence=0.5)
    assert found.labels.shape == stack.shape
    assert any("no confidence" in message for message in found.messages)


def test_a_part_is_separated_as_in_the_whole(cellpose_model):
    image = np.random.default_rng(0).random((300, 300), np.float32)
    options = {"diameter": 30, "min_size": 0, "precision": "float32"}
    whole = segment(image, cellpose_model, **options)
    square = [np.array([[100, 100], [100, 150], [150, 150], [150, 100]])]
    part = segment(image, cellpose_model, region=square, **options)
    inside = np.s_[101:149, 101:149]
    np.testing.assert_allclose(part.probability[inside], whole.probability[inside], atol=1e-6)


def test_blocks_are_refused_where_it_resamples(cellpose_model, tmp_path):
    image = np.zeros((64, 64), np.uint8)
    with pytest.raises(InputError, match="resamples images"):
        segment_in_blocks(image, tmp_path / "out.zarr", cellpose_model)
