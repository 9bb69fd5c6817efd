import numpy as np
import pytest

from napari_cytosynth.metrics.instance import overlaps
from napari_cytosynth.tasks.segment.flows.follow import find_ends, find_owners, walk_length
from napari_cytosynth.tasks.segment.flows.heat import flow_field

SCENES = [
    "discs", "tiny", "banana", "star", "ring", "touching strips", "touching discs", "borders",
    "disc in a ring",
]  # fmt: skip


@pytest.mark.parametrize("scene", SCENES)
def test_true_flows_give_the_objects_back(scenes, scene):
    labels = scenes[scene]
    found = find_owners(flow_field(labels), labels > 0, 256)
    pairs = overlaps(labels, found)
    assert found.max() == labels.max()
    best = np.zeros(labels.max())
    np.maximum.at(best, pairs.true_index, pairs.iou)
    assert best.min() > 0.9


def test_owners_are_numbered_by_their_first_pixels(scenes):
    found = find_owners(flow_field(scenes["discs"]), scenes["discs"] > 0, 64)
    ids = found[found > 0]
    assert list(dict.fromkeys(ids.tolist())) == [1, 2, 3]


def test_no_step_leaves_the_mask():
    mask = np.zeros((30, 40), bool)
    mask[5:25, 5:35] = True
    flows = np.zeros((2, 30, 40), np.float32)
    flows[1] = 1
    ends = find_ends(flows, mask, 128)
    assert (ends[~mask] == -1).all()
    y, x = np.divmod(ends[mask], 40)
    assert (x == 34).all()
    np.testing.assert_array_equal(y, np.nonzero(mask)[0])


@pytest.mark.parametrize("block", [17, 40, 64])
def test_blocks_give_exactly_the_ends_of_the_whole(block):
    random = np.random.default_rng(1)
    flows = random.normal(size=(2, 150, 200)).astype(np.float32)
    mask = random.random((150, 200)) > 0.2
    whole = find_ends(flows, mask, 32)
    np.testing.assert_array_equal(find_ends(flows, mask, 32, block=block), whole)


def test_pixels_that_end_elsewhere_take_the_nearest_owner_of_their_own_part():
    labels = np.zeros((40, 80), np.int32)
    labels[5:35, 5:35] = 1
    flows = flow_field(labels)
    mask = labels > 0
    mask[10:13, 12:60] = True  # an arm without flows, farther than any walk
    mask[20, 70:73] = True  # a part of its own, of too few pixels
    owner = find_owners(flows, mask, 64)
    assert (owner[10:13, 12:60] == 1).all()
    assert not owner[20, 70:73].any()


def test_walks_are_as_long_as_typical_objects_ask():
    assert walk_length(40) >= 160
    assert walk_length(10) < walk_length(40) < walk_length(200)


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (1, 1), (1, 30), (30, 1)])
def test_planes_of_any_size(shape):
    flows = np.ones((2, *shape), np.float32)
    assert find_owners(flows, np.ones(shape, bool), 64).shape == shape
    assert not find_owners(flows, np.zeros(shape, bool), 64).any()
