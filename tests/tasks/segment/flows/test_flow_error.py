import numpy as np
import pytest

from napari_cytosynth.tasks.segment.flows.flow_error import flow_errors
from napari_cytosynth.tasks.segment.flows.heat import flow_field


@pytest.mark.parametrize("diameter", [12, 30, 60])
@pytest.mark.parametrize("scene", ["discs", "tiny", "banana", "star", "ring", "touching strips"])
def test_true_flows_have_small_errors_on_coarse_grids_too(scenes, scene, diameter):
    labels = scenes[scene]
    errors = flow_errors(3 * flow_field(labels), labels, labels.max(), scale=3, diameter=diameter)
    assert errors.max() < 0.35  # any point of a ring may be its centre


def test_errors_tell_wrong_flows(scenes):
    labels = scenes["discs"]
    flows = flow_field(labels)
    count = labels.max()
    none = flow_errors(np.zeros_like(flows), labels, count, diameter=30)
    np.testing.assert_allclose(none, 1, atol=0.1)
    assert (flow_errors(-flows, labels, count, diameter=30) > 3).all()
    random = np.random.default_rng(0).normal(size=flows.shape)
    random /= np.hypot(*random)
    assert (flow_errors(random, labels, count, diameter=30) > 1).all()


def test_two_objects_taken_for_one_have_a_larger_error(scenes):
    labels = scenes["touching discs"]
    flows = flow_field(labels)
    right = flow_errors(flows, labels, 2, diameter=44)
    wrong = flow_errors(flows, (labels > 0).astype(np.int32), 1, diameter=44)
    assert wrong[0] > 5 * right.max()


def test_objects_without_pixels_have_no_error():
    labels = np.zeros((20, 20), np.int32)
    labels[5:12, 5:12] = 2
    errors = flow_errors(flow_field(labels), labels, 3, diameter=10)
    assert np.isnan(errors[[0, 2]]).all()
    assert errors[1] < 0.1
    nothing = flow_errors(np.zeros((2, 4, 4)), np.zeros((4, 4), np.int32), 0)
    assert nothing.shape == (0,)
