import numpy as np
import pytest

from napari_cytosynth.tasks.segment.flows.follow import find_ends
from napari_cytosynth.tasks.segment.flows.heat import flow_field


def pieces_of_ends(labels: np.ndarray, steps: float = 2048) -> list[np.ndarray]:
    """Return, for each object, the (N, 2) places where its pixels end."""
    ends = find_ends(flow_field(labels), labels > 0, steps)
    y, x = np.divmod(ends, labels.shape[1])
    return [np.stack([y[labels == n], x[labels == n]], axis=1) for n in range(1, labels.max() + 1)]


@pytest.mark.parametrize(
    "scene", ["discs", "banana", "star", "ring", "touching strips", "borders", "disc in a ring"]
)
def test_all_flows_lead_to_one_place_of_their_object(scenes, scene):
    labels = scenes[scene]
    for number, ends in enumerate(pieces_of_ends(labels), start=1):
        assert np.ptp(ends, axis=0).max() <= 4
        middle = ends[len(ends) // 2]
        assert labels[tuple(middle)] == number


def test_flows_are_unit_vectors_inside_and_nothing_outside(scenes):
    labels = scenes["star"]
    length = np.hypot(*flow_field(labels))
    assert not length[labels == 0].any()
    inside = length[labels > 0]
    assert np.isclose(inside, 1, atol=1e-5).sum() >= len(inside) - 4  # but for the centre
    assert inside.max() <= 1 + 1e-5


def test_a_long_arm_of_one_pixel_is_followed_to_its_end():
    labels = np.zeros((21, 430), np.int32)
    labels[6:15, 3:12] = 1
    labels[10, 12:412] = 1
    flow = flow_field(labels)
    assert np.allclose(flow[1, 10, 20:412], -1, atol=1e-4)
    (ends,) = pieces_of_ends(labels)
    assert np.ptp(ends, axis=0).max() <= 4


def test_the_pieces_of_an_object_have_a_centre_each():
    labels = np.zeros((20, 50), np.int32)
    labels[5:14, 5:14] = labels[5:14, 30:39] = 1
    ends = find_ends(flow_field(labels), labels > 0, 64)
    assert np.ptp(ends[5:14, 5:14] % 50) <= 3
    assert (ends[5:14, 30:39] % 50).min() >= 30


def test_nothing_and_a_single_pixel():
    assert not flow_field(np.zeros((4, 5), np.int32)).any()
    assert not flow_field(np.zeros((0, 5), np.int32)).any()
    single = np.zeros((3, 3), np.int32)
    single[1, 1] = 7
    assert not flow_field(single).any()
