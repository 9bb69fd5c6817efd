import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings, decode_flows
from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
from napari_cytosynth.tasks.segment.flows.owners import number_in_order
from napari_cytosynth.tasks.segment.instances import LabelOptions, drop_labels

EIGHT = np.ones((3, 3), bool)
SETTINGS = FlowSettings(threshold=0.5, diameter=12)


@st.composite
def noisy_planes(draw):
    """Probability and flows of a few discs, some touching, with noise on both."""
    size = draw(st.integers(12, 40))
    count = draw(st.integers(0, 5))
    seed = draw(st.integers(0, 2**16))
    noise = draw(st.sampled_from([0.0, 0.3, 1.0, 3.0]))
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    for number in range(count):
        y, x, radius = *random.uniform(0, size, 2), random.uniform(3, 8)
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = number + 1
    logit = np.where(labels > 0, 2.0, -2.0) + noise * random.normal(size=labels.shape)
    flows = 5 * (flow_field(labels) + noise * random.normal(size=(2, size, size)))
    probability = np.where(random.random(labels.shape) < 0.01, np.nan, 1 / (1 + np.exp(-logit)))
    return probability.astype(np.float32), flows.astype(np.float32)


@st.composite
def label_options(draw):
    return LabelOptions(
        draw(st.integers(1, 999)) / 1000,
        min_size=draw(st.sampled_from([0, 4, 20])),
        fill_holes=draw(st.booleans()),
        split_touching=True,
        drop_border=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=60)
@given(noisy_planes(), st.booleans())
def test_objects_only_shrink_and_vanish_as_the_threshold_rises(plane, fill):
    objects = FlowObjects.from_flows(*plane, SETTINGS)
    last = None
    for threshold in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        view = objects.at(threshold, LabelOptions(threshold, fill_holes=fill))
        owner = np.concatenate([[0], view.owners])[view.labels]
        for number in range(1, view.count + 1):
            assert ndimage.label(view.labels == number, EIGHT)[1] == 1
        if last is not None:
            np.testing.assert_array_equal(owner[owner > 0], last[owner > 0])
        last = owner


@settings(deadline=None, max_examples=60)
@given(noisy_planes(), label_options())
def test_areas_are_counted_and_ids_have_no_gaps(plane, options):
    probability, flows = plane
    objects = FlowObjects.from_flows(probability, flows, SETTINGS)
    view = objects.at(options.threshold, options)
    areas = np.bincount(view.labels.ravel(), minlength=view.count + 1)[1:]
    np.testing.assert_array_equal(view.areas, areas)
    assert (areas >= max(options.min_size, 1)).all()
    assert view.labels.max(initial=0) == view.count == len(view.owners)
    if not options.fill_holes:
        assert (probability[view.labels > 0] >= np.float32(options.threshold)).all()


@settings(deadline=None, max_examples=60)
@given(noisy_planes(), label_options())
def test_sizes_holes_and_borders_are_what_they_are_for_labels(plane, options):
    objects = FlowObjects.from_flows(*plane, SETTINGS)
    view = objects.at(options.threshold, options)
    plain = LabelOptions(options.threshold, fill_holes=options.fill_holes)
    everything = objects.at(options.threshold, plain).labels
    expected = drop_labels(everything, options.min_size, options.drop_border)
    np.testing.assert_array_equal(view.labels, expected)
    if options.fill_holes:
        for number in range(1, view.count + 1):
            holes = ndimage.binary_fill_holes(view.labels == number) & (view.labels != number)
            pieces, _ = ndimage.label(~(view.labels == number))
            for hole in np.unique(pieces[holes]):
                inside = pieces == hole  # left open for another object only
                assert len(set(np.unique(objects.owner[inside])) - {0}) >= 1


@settings(deadline=None, max_examples=40)
@given(noisy_planes(), st.integers(1, 999), st.integers(0, 10**6))
def test_extra_thresholds_change_nothing_at_the_others(plane, step, extra):
    probability, flows = plane
    owned = decode_flows(probability, flows, SETTINGS)
    one = FlowObjects(probability, owned).at(step / 1000)
    other = FlowObjects(probability, owned, extra_levels=[extra / 10**6]).at(step / 1000)
    if other.threshold == one.threshold:
        np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize("scene", ["touching strips", "touching discs", "disc in a ring"])
def test_what_touches_stays_apart_at_every_threshold(scenes, probability_of, scene):
    labels = scenes[scene]
    objects = FlowObjects.from_flows(
        probability_of(labels), 5 * flow_field(labels), FlowSettings(0.5, 30, error_limit=0.8)
    )
    for threshold in (0.6, 0.8):
        view = objects.at(threshold)
        assert view.count == labels.max()


def test_a_background_without_flows_has_no_objects_and_takes_none_away(scenes):
    labels = scenes["discs"]
    flows = 5 * flow_field(labels)
    settings = FlowSettings(0.5, 30)
    for faint in (0.0, 0.002, 0.1):
        probability = np.where(labels > 0, 0.9, faint).astype(np.float32)
        objects = FlowObjects.from_flows(probability, flows, settings)
        np.testing.assert_array_equal(objects.at(0.5).labels > 0, labels > 0)
        assert objects.at(0.5).count == objects.at(0.001).count == 3


@pytest.mark.parametrize("correlated", [0, 1.5])
def test_noise_has_no_objects(correlated):
    random = np.random.default_rng(0)
    flows, logit = random.normal(size=(2, 200, 200)), random.normal(size=(200, 200))
    if correlated:
        flows = ndimage.gaussian_filter(flows, (0, correlated, correlated))
        logit = ndimage.gaussian_filter(logit, correlated)
    flows = (5 * flows / np.sqrt((flows**2).sum(axis=0)).mean()).astype(np.float32)
    probability = (1 / (1 + np.exp(-logit / logit.std()))).astype(np.float32)
    card = FlowSettings(0.5, 30, error_limit=0.5)
    objects = FlowObjects.from_flows(probability, flows, card)
    assert objects.at(0.5, LabelOptions(0.5, min_size=15)).count == 0
    # it is the flows that tell: without the limit, there is something everywhere
    free = FlowObjects.from_flows(probability, flows, FlowSettings(0.5, 30))
    assert free.at(0.5, LabelOptions(0.5, min_size=15)).count > 10


def test_doubtful_objects_are_dropped_live(scenes, probability_of):
    labels = scenes["discs"]
    probability = probability_of(labels)
    owned = decode_flows(probability, 5 * flow_field(labels), FlowSettings(0.5, 30))
    confidence = np.array([0.9, 0.2, 0.6])
    objects = FlowObjects(probability, owned, confidence=confidence)
    assert objects.at(0.5).count == 3
    view = objects.at(0.5, LabelOptions(0.5, min_confidence=0.5))
    assert view.count == 2
    np.testing.assert_array_equal(view.owners, [1, 3])
    np.testing.assert_array_equal(view.confidence, [0.9, 0.6])
    assert view.hidden == 1
    small = LabelOptions(0.5, int(view.areas.max()), min_confidence=0.5)
    assert objects.at(0.5, small).hidden == 0  # too small anyway


def test_facts_are_those_of_the_card_threshold(scenes, probability_of):
    labels = scenes["discs"]
    probability = probability_of(labels)
    flows = 5 * flow_field(labels)
    objects = FlowObjects.from_flows(probability, flows, FlowSettings(0.5, 30))
    view = objects.at(0.5)
    np.testing.assert_array_equal(objects.facts.area, view.areas)
    mean = ndimage.mean(probability, view.labels, [1, 2, 3])
    np.testing.assert_allclose(objects.facts.mean_probability, mean, rtol=1e-5)
    assert objects.facts.flow_error.max() < 0.15
    turned = FlowObjects.from_flows(probability, flows[::-1], FlowSettings(0.5, 30))
    assert (turned.facts.flow_error > 0.5).all()


def test_the_array_given_is_filled_and_thresholds_below_the_lowest_are_the_lowest(scenes):
    labels = scenes["discs"]
    probability = np.where(labels > 0, 0.7, 0.0005).astype(np.float32)
    objects = FlowObjects.from_flows(probability, 5 * flow_field(labels), FlowSettings(0.5, 30))
    out = np.full(labels.shape, -1, np.int32)
    view = objects.at(0.0, out=out)
    assert view.labels is out
    assert view.threshold == pytest.approx(0.001)
    np.testing.assert_array_equal(out, number_in_order(labels))


def test_shapes_have_to_fit_and_may_be_empty():
    empty = np.zeros((0, 5), np.float32)
    objects = FlowObjects.from_flows(empty, np.zeros((2, 0, 5), np.float32), SETTINGS)
    assert objects.at(0.5, LabelOptions(0.5, fill_holes=True)).count == 0
    owned = decode_flows(empty, np.zeros((2, 0, 5), np.float32), SETTINGS)
    with pytest.raises(InputError, match="do not fit"):
        FlowObjects(np.zeros((3, 4), np.float32), owned)
