"""Segmentations by a model whose flows separate objects, from the image to the saved table."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings, ObjectFacts
from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
from napari_cytosynth.tasks.segment.flows.planes import OwnedPlanes
from napari_cytosynth.tasks.segment.flows.widest_paths import one_piece
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.tasks.segment.tree import ComponentTree, ranks
from napari_cytosynth.zoo.card import Confidence, ConfidenceTerm

SCALE = 5.0
THRESHOLD = 0.4


@pytest.fixture(scope="module")
def model(make_flow_model):
    """Model that hands its three input channels on: logit and flows are the image."""
    made = make_flow_model(
        diameter=20.0,
        confidence=Confidence(
            intercept=2.0, flow_error=ConfidenceTerm(weight=-3.0, mean=0.1, std=0.1)
        ),
    )
    network = torch.nn.Conv2d(3, 3, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    with torch.no_grad():
        network.weight[range(3), range(3)] = 1.0
    return replace(made, network=network.eval())


def as_image(labels: np.ndarray, noise: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(0)
    logit = np.where(labels > 0, 3.0, -4.0) + noise * random.normal(size=labels.shape)
    flows = SCALE * (flow_field(labels) + noise * random.normal(size=(2, *labels.shape)))
    return np.stack([logit, *flows]).astype(np.float32)


@pytest.fixture(scope="module")
def touching():
    """Labels of two touching cells, a cell at the border and a ring."""
    rows, columns = np.mgrid[:64, :96]
    labels = np.zeros((64, 96), np.int32)
    for number, (y, x) in enumerate([(20, 20), (20, 38), (60, 70)], start=1):
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= 100] = number
    distance = np.hypot(rows - 25, columns - 75)
    labels[(distance > 6) & (distance < 14)] = 4
    return labels


def run(image, model, **arguments):
    return cytosynth.segment(image, model, axes=arguments.pop("axes", "CYX"), **arguments)


def test_touching_objects_are_found_one_by_one(touching, model):
    result = run(as_image(touching), model)
    assert result.labels.max() == 4
    np.testing.assert_array_equal(result.labels > 0, touching > 0)
    together = run(as_image(touching), model, split_touching=False)
    assert together.labels.max() == 3
    assert isinstance(together.tree(), ComponentTree)
    assert isinstance(result.tree(), FlowObjects)


@pytest.mark.parametrize("threshold", [0.03, 0.2, 0.41237, 0.7, 0.95])
@pytest.mark.parametrize(
    "options",
    [{}, {"min_size": 200}, {"fill_holes": True}, {"drop_border": True, "fill_holes": True}],
)
def test_the_slider_shows_what_the_result_will_be(touching, model, threshold, options):
    stack = np.stack([as_image(touching, 0.8), as_image(touching[::-1], 0.3)])
    result = run(stack, model, axes="TCYX", **options)
    final = result.at_threshold(threshold)
    for plane in result.plane_indices():
        dragged = final.tree(plane).at(threshold, final.options)
        np.testing.assert_array_equal(dragged.labels, final.label_plane(plane))
        before = result.tree(plane).at(threshold, final.options)
        if before.threshold == dragged.threshold:
            np.testing.assert_array_equal(dragged.labels, before.labels)
    trees = [final.tree(plane) for plane in final.plane_indices()]
    counts = [tree.at(threshold, final.options).count for tree in trees]
    assert final.labels.max() == sum(counts)


def test_a_stack_is_linked_at_a_threshold_of_the_card_below_the_sliders_end(touching, model):
    card = model.card
    low = card.inference.model_copy(update={"threshold": 0.0005})
    low_model = replace(model, card=card.model_copy(update={"inference": low}))
    image = as_image(touching)
    image[0, touching == 0] = -9  # 0.0001
    stack = np.stack([image] * 2, axis=1)
    result = run(stack, low_model, axes="CZYX", threshold=0.5)
    assert len(result.table) == result.object_sizes().count(result.options) == 4


def test_confidence_is_a_column_that_belongs_to_the_object(touching, model):
    result = run(as_image(touching), model)
    table = result.table
    assert table["confidence"].between(0, 1).all()
    owned = result.owned.confidence(())
    view = result.tree().at(THRESHOLD)
    np.testing.assert_allclose(table["confidence"], owned[view.owners - 1])
    higher = result.at_threshold(0.6)  # the same objects are as sure as before
    np.testing.assert_allclose(higher.table["confidence"], table["confidence"])
    assert "confidence" not in result.at_threshold(split_touching=False).table


def test_confidence_falls_with_wrong_flows(touching, model):
    noisy = run(as_image(touching, 0.3), model).table["confidence"]
    assert noisy.median() < run(as_image(touching), model).table["confidence"].median()


def test_the_size_in_a_confidence_is_that_in_the_models_pixels(touching, model):
    size = ConfidenceTerm(weight=2.0, mean=5.5, std=0.5)
    changed = {"confidence": Confidence(intercept=0.0, log_area=size)}
    card = model.card.model_copy(
        update={"inference": model.card.inference.model_copy(update=changed)}
    )
    sized = replace(model, card=card)
    small = run(as_image(touching), sized).table
    double = as_image(np.kron(touching, np.ones((2, 2), np.int32)))
    large = run(double, sized, diameter=40).table
    assert len(small) == len(large) == 4
    assert large["area_px"].median() > 3.5 * small["area_px"].median()
    np.testing.assert_allclose(large["confidence"], small["confidence"], atol=0.05)
    # of as many pixels, where nothing says that the image is enlarged
    assert (run(double, sized).table["confidence"] > small["confidence"] + 0.05).all()


def test_models_without_confidence_have_no_such_column(touching, model):
    inference = model.card.inference.model_copy(update={"confidence": None})
    card = model.card.model_copy(update={"inference": inference})
    assert "confidence" not in run(as_image(touching), replace(model, card=card)).table


def test_a_stack_is_decoded_plane_by_plane_and_keeps_no_flows(touching, model):
    stack = np.stack([as_image(touching), as_image(touching[:, ::-1]), 0 * as_image(touching)])
    result = run(stack, model, axes="TCYX")
    assert result.owned.owner.shape == result.probability.shape == (3, *touching.shape)
    assert result.labels[0].max() == 4
    np.testing.assert_array_equal(result.labels[1] > 0, touching[:, ::-1] > 0)
    assert not result.labels[2].any()  # an empty plane
    assert not result.extra
    single = run(stack, model, axes="TCYX", planes=(1,))
    np.testing.assert_array_equal(single.labels > 0, result.labels[1] > 0)


def test_tiles_find_the_same_objects_as_the_whole(touching, model):
    image = as_image(np.tile(touching, (3, 3)), 0.5)
    whole = run(image, model)
    tiled = run(image, model, tile_size=64)
    np.testing.assert_array_equal(whole.labels, tiled.labels)


def test_on_another_grid_directions_are_those_of_the_image(touching, model):
    inference = model.card.inference.model_copy(update={"pixel_size_um": 1.0})
    coarse = replace(model, card=model.card.model_copy(update={"inference": inference}))
    wide = np.repeat(as_image(touching), 2, axis=2)  # twice as many pixels along X
    result = run(wide, coarse, pixel_size=(1.0, 0.5), resample=True)
    assert result.labels.max() == 4


def test_thresholds_without_owners_are_refused(touching, model):
    result = run(as_image(touching), model)
    with pytest.raises(InputError, match="separated down to a threshold of"):
        result.at_threshold(0.0005)
    assert result.at_threshold(0.0005, split_touching=False).labels.any()
    assert run(as_image(touching), model, threshold=0.0005).labels.any()


def test_it_is_saved_with_its_confidence(touching, model, tmp_path):
    result = run(as_image(touching), model)
    result.save(tmp_path / "cells")
    table = pd.read_csv(tmp_path / "cells" / "table.csv")
    np.testing.assert_allclose(table["confidence"], result.table["confidence"], atol=1e-4)
    again = copy.copy(result).at_threshold(THRESHOLD)
    np.testing.assert_array_equal(again.labels, result.labels)


def test_owners_stay_the_same_when_holes_are_filled(touching, model):
    result = run(as_image(touching), model)
    options = LabelOptions(THRESHOLD, split_touching=True, fill_holes=True)
    filled = result.tree().at(THRESHOLD, options)
    plain = result.tree().at(THRESHOLD)
    np.testing.assert_array_equal(filled.owners, plain.owners)
    assert filled.total_area > plain.total_area


def doubted(touching, model, axes="TCYX", **options):
    """A stack whose planes have objects of different confidence."""
    stack = np.stack([as_image(touching, noise) for noise in (0.0, 0.6, 0.3)])
    return run(stack, model, axes=axes, **options)


def test_doubtful_objects_are_left_out_of_labels_and_table_alike(touching, model):
    whole = doubted(touching, model)
    known = whole.table["confidence"]
    least = float(known.median())
    asked = doubted(touching, model, min_confidence=least)
    later = whole.at_threshold(min_confidence=least)
    np.testing.assert_array_equal(asked.labels, later.labels)
    kept = later.table["confidence"]
    assert 0 < len(kept) < len(known)
    np.testing.assert_allclose(kept, known[known >= least])
    assert later.hidden_counts == [len(known) - len(kept)]
    assert whole.hidden_counts == [0]
    assert whole.doubtful_counts == [(known < 0.5).sum()]
    shown = sum(later.tree(plane).at(0.4, later.options).count for plane in later.plane_indices())
    assert shown == len(kept)


def test_without_confidences_none_is_left_out_and_a_sentence_says_so(touching, model):
    inference = model.card.inference.model_copy(update={"confidence": None})
    unknown = replace(model, card=model.card.model_copy(update={"inference": inference}))
    plain, asked = (run(as_image(touching), unknown, min_confidence=c) for c in (0, 1))
    np.testing.assert_array_equal(plain.labels, asked.labels)
    assert asked.hidden_counts is asked.doubtful_counts is asked.confidence is None
    assert any("min_confidence hides none" in text for text in asked.messages)
    assert not any("min_confidence" in text for text in plain.messages)
    joined = run(as_image(touching), model, min_confidence=1, split_touching=False)
    assert joined.labels.max() == 3
    assert any("Without split_touching" in text for text in joined.messages)


def test_the_script_names_a_confidence_only_where_one_is_set(touching, model):
    whole = run(as_image(touching), model)
    assert "min_confidence" not in as_python(whole.provenance)
    later = whole.at_threshold(min_confidence=0.25).provenance
    assert "    min_confidence=0.25,\n" in as_python(later)
    older = {name: v for name, v in later["parameters"].items() if name != "min_confidence"}
    assert "min_confidence" not in as_python(later | {"parameters": older})


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.nan, "half"])
def test_impossible_confidences_are_refused(touching, model, wrong):
    with pytest.raises(InputError, match="min_confidence"):
        run(as_image(touching), model, min_confidence=wrong)


def test_an_object_of_a_stack_has_one_confidence_at_all_thresholds(touching, model):
    whole = doubted(touching, model, axes="ZCYX")
    known = whole.table.set_index("label")["confidence"]
    assert len(known) >= 4
    first = whole.labels == 1
    mean = np.concatenate([
        whole.owned.confidence((z,))[whole.owned.owner[z][first[z]] - 1] for z in range(3)
    ]).mean()  # fmt: skip
    assert known[1] == pytest.approx(mean)
    assert known[1] not in [whole.owned.confidence((z,))[0] for z in range(3)]
    for threshold in (0.2, 0.6, 0.9):
        other = whole.at_threshold(threshold).table.set_index("label")["confidence"]
        both = other.index.intersection(known.index)
        assert len(both)
        np.testing.assert_array_equal(other[both], known[both])


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.01, 1),
    st.floats(0, 1),
    st.integers(0, 30),
    st.booleans(),
    st.booleans(),
)
def test_the_live_count_of_a_stack_is_the_final_one(seed, threshold, least, size, fill, border):
    random = np.random.default_rng(seed)
    owner = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((8, 8), np.int32)).astype(np.int32)
    probability = np.clip(random.normal(0.5, 0.25, (3, *owner.shape)), 0, 1).astype(np.float32)
    planes = OwnedPlanes(
        np.zeros(probability.shape, np.int32),
        np.zeros(probability.shape, np.uint16),
        "ZYX",
        FlowSettings(0.5, 8),
        Confidence(intercept=0.0, flow_error=ConfidenceTerm(weight=-2.0, mean=0.5, std=0.3)),
    )
    for z in range(3):
        planes.owner[z] = owner
        heights = ranks(probability[z], planes.levels)
        planes.heights[z] = one_piece(heights, owner, probability[z])
        one = np.ones(12)
        planes.facts[(z,)] = ObjectFacts(one.astype(np.int64), one, random.random(12))
    options = LabelOptions(threshold, size, fill, True, border, min_confidence=least)
    result = Segmentation(probability, "ZYX", options, owned=planes, model_threshold=0.5)
    table, sizes = result.table, result.object_sizes()
    assert not (table["confidence"] < least).any()
    live = sizes.count(options)
    assert live is None or live == len(table)
    doubtful = sizes.count_doubtful(options)
    assert doubtful is None or [doubtful] == result.doubtful_counts
    everything = replace(options, min_confidence=0.0)
    before = result.at_threshold(min_confidence=0.0).table
    assert len(before) == len(table) + sum(result.hidden_counts)
    known = sizes.count(everything)
    assert known is None or known == len(before)
    same = before.set_index("label")["confidence"][table["label"]]
    np.testing.assert_array_equal(same, table["confidence"])


def test_a_region_cuts_objects_and_leaves_no_owner_outside(model):
    """What is known of an object, and whom its pixels belong to, is that of the whole image."""
    labels = np.zeros((60, 90), int)
    labels[20:40, 10:30], labels[20:40, 30:50], labels[20:40, 65:85] = 1, 2, 3
    image = as_image(labels)
    whole = cytosynth.segment(image, model, axes="CYX")
    box = np.array([[10, 5], [10, 42], [50, 42], [50, 5]])
    found = cytosynth.segment(image, model, axes="CYX", region=box, at_border="mark")
    inside = np.zeros(labels.shape, bool)
    inside[10:51, 5:43] = True
    np.testing.assert_array_equal(found.labels, np.where(inside, whole.labels, 0))
    assert found.table["at_region_border"].tolist() == [False, True]
    np.testing.assert_allclose(found.table["confidence"], whole.table["confidence"][:2])
    assert len(found.owned.all_confidences()) == 2
    dropped = cytosynth.segment(image, model, axes="CYX", region=box, at_border="drop")
    for threshold in (0.1, 0.4, 0.9):
        other = dropped.at_threshold(threshold)
        assert np.unique(other.labels).tolist() == [0, 1]
        view = dropped.tree().at(threshold, other.options)
        np.testing.assert_array_equal(view.labels, other.labels)
        assert (view.count, len(view.confidence), len(view.owners)) == (1, 1, 1)
