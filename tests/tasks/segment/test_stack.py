"""Objects of stacks: linked once at the model's threshold, at any other the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cytosynth.errors import Cancelled
from napari_cytosynth.tasks.segment.flows.decoding import FlowSettings
from napari_cytosynth.tasks.segment.flows.heat import flow_field
from napari_cytosynth.tasks.segment.flows.planes import OwnedPlanes
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.zoo.card import Splitting

SHAPE = (16, 64, 64)
CENTRES = [(5, 14, 14), (9, 14, 48), (7, 48, 30)]


def soft_ellipsoids(centres=CENTRES, radii=(4, 9, 9), shape=SHAPE, peak=0.95):
    """Probability that is `peak` in the middles and falls to 10/19 of it on the surfaces."""
    grid = np.indices(shape, dtype=float)
    best = np.zeros(shape)
    for centre in centres:
        squares = zip(grid, centre, radii, strict=True)
        distance = np.sqrt(sum(((g - c) / r) ** 2 for g, c, r in squares))
        best = np.maximum(best, np.clip(peak * (1 - 9 / 19 * distance), 0, 1))
    return best.astype(np.float32)


def segmentation(probability, axes="ZYX", threshold=0.5, **options):
    return Segmentation(probability, axes, LabelOptions(threshold, **options))


def numbers(labels):
    return np.unique(labels[labels > 0]).tolist()


def live_counts(result):
    sizes = result.object_sizes()
    return lambda threshold, **options: sizes.count(
        result.at_threshold(threshold, **options).options
    )


def test_an_ellipsoid_is_one_object_with_one_row():
    result = segmentation(soft_ellipsoids())
    assert numbers(result.labels) == [1, 2, 3]
    assert len(result.table) == 3
    np.testing.assert_array_equal(result.labels > 0, result.probability >= 0.5)
    centroids = result.table[["centroid_z_px", "centroid_y_px", "centroid_x_px"]].to_numpy()
    np.testing.assert_allclose(sorted(centroids.tolist()), sorted(CENTRES), atol=0.01)


@pytest.mark.parametrize("threshold", [0.2, 0.35, 0.5, 0.6, 0.8, 0.9])
def test_numbers_stay_while_the_threshold_moves(threshold):
    result = segmentation(soft_ellipsoids())
    moved = result.at_threshold(threshold)
    assert len(moved.table) == len(numbers(moved.labels))
    both = (result.labels > 0) & (moved.labels > 0)
    if threshold >= 0.5 or threshold == 0.35:  # below that, two of them join
        np.testing.assert_array_equal(moved.labels[both], result.labels[both])
        assert numbers(moved.labels) == [1, 2, 3]
    np.testing.assert_array_equal(moved.labels > 0, result.probability >= threshold)


def test_an_object_that_falls_apart_keeps_its_number():
    probability = np.full((3, 20, 40), 0.0, np.float32)
    probability[:, 5:15, 5:35] = 0.6
    probability[:, 5:15, 5:15] = probability[:, 5:15, 25:35] = 0.9
    result = segmentation(probability)
    assert numbers(result.labels) == [1]
    assert numbers(result.at_threshold(0.8).labels) == [1]
    # planes by themselves have pieces
    apart = result.at_threshold(0.8, link_planes=False)
    assert numbers(apart.labels) == [1, 2, 3, 4, 5, 6]


def test_objects_that_join_below_the_models_threshold_are_the_larger_one():
    probability = np.full((3, 20, 40), 0.0, np.float32)
    probability[:, 5:15, 5:35] = 0.3
    probability[:, 5:15, 5:12] = probability[:, 5:15, 16:35] = 0.9
    result = segmentation(probability)
    assert numbers(result.labels) == [1, 2]
    assert numbers(result.at_threshold(0.2).labels) == [2]


def test_what_appears_below_the_models_threshold_is_linked_and_has_a_new_number():
    probability = soft_ellipsoids(CENTRES[:2])
    probability = np.maximum(probability, soft_ellipsoids(CENTRES[2:], peak=0.45))
    probability[probability < 0.3] = 0
    result = segmentation(probability)
    assert numbers(result.labels) == [1, 2]
    lower = result.at_threshold(0.35)
    assert numbers(lower.labels) == [1, 2, 3]
    assert (lower.labels == 3).any(axis=(1, 2)).sum() > 1
    both = result.labels > 0
    np.testing.assert_array_equal(lower.labels[both], result.labels[both])


def test_an_object_that_is_missing_in_one_plane_is_one():
    probability = soft_ellipsoids()
    probability[5] = 0
    assert len(segmentation(probability).table) == 3
    probability[6] = 0
    assert len(segmentation(probability).table) > 3


def test_small_and_cut_objects_are_dropped_whole():
    probability = soft_ellipsoids([*CENTRES, (8, 62, 60)])
    result = segmentation(probability)
    volumes = result.table.set_index("label")["volume_px"]
    assert len(volumes) == 4
    whole = result.at_threshold(0.5, drop_border=True)
    assert len(whole.table) == 3
    kept = whole.table.set_index("label")["volume_px"]
    assert (kept == volumes[kept.index]).all()  # no slice of an object is shaved off
    least = int(volumes.max())
    assert len(result.at_threshold(0.5, min_size=least).table) == (volumes >= least).sum()
    kept = result.at_threshold(0.5, min_size=least).table.set_index("label")["volume_px"]
    assert (kept == volumes[kept.index]).all()


def test_time_points_are_never_linked_and_runs_are_numbered_apart():
    probability = soft_ellipsoids()
    frames = segmentation(np.repeat(probability[None, 7], 3, axis=0), "TYX")
    in_frames = frames.label_plane((0,)).max()
    assert numbers(frames.labels) == list(range(1, 3 * in_frames + 1))
    assert sorted(set(frames.table["t"])) == [0, 1, 2]
    assert "area_px" in frames.table
    both = segmentation(np.stack([probability, probability[::-1]]), "TZYX")
    assert [numbers(frame) for frame in both.labels] == [[1, 2, 3], [4, 5, 6]]
    assert both.table["t"].tolist() == [0, 0, 0, 1, 1, 1]
    turned = segmentation(np.stack([probability, probability[::-1]], axis=1), "ZTYX")
    np.testing.assert_array_equal(np.moveaxis(turned.labels, 1, 0), both.labels)
    lower = both.at_threshold(0.45)
    assert [numbers(frame) for frame in lower.labels] == [[1, 2, 3], [4, 5, 6]]


def test_new_numbers_of_two_runs_are_different():
    faint = soft_ellipsoids(CENTRES[:1], peak=0.45)
    faint[faint < 0.3] = 0
    result = segmentation(np.stack([faint, faint, soft_ellipsoids(CENTRES[:1])]), "TZYX")
    assert [numbers(frame) for frame in result.at_threshold(0.4).labels] == [[2], [3], [1]]


def test_without_linking_planes_are_as_they_were():
    probability = soft_ellipsoids()
    result = segmentation(probability, link_planes=False)
    renamed = segmentation(probability, "PYX")
    np.testing.assert_array_equal(result.labels, renamed.labels)
    table = result.table.rename(columns={"z": "p"})
    assert table.equals(renamed.table)
    assert result.provenance["parameters"]["link_planes"] is False


def test_holes_and_touching_objects_are_those_of_the_planes():
    probability = soft_ellipsoids([(8, 30, 22), (8, 30, 39)], peak=0.95)
    probability[8, 30, 22] = 0
    result = segmentation(probability, split_touching=True, fill_holes=True)
    assert numbers(result.labels) == [1, 2]
    assert result.labels[8, 30, 22] == result.labels[8, 30, 23]
    for threshold in (0.45, 0.7):
        assert numbers(result.at_threshold(threshold).labels) == [1, 2]


def test_the_stack_is_linked_once():
    result = segmentation(soft_ellipsoids())
    ran = []
    first = result.at_threshold(0.6, progress=lambda *a: ran.append(a[2]))
    assert ran.count("linking the planes") == SHAPE[0]
    assert ran[-1] == "labelling"
    ran.clear()
    first.at_threshold(0.8, min_size=5, drop_border=True, progress=lambda *a: ran.append(a[2]))
    assert set(ran) == {"labelling"}


def test_linking_can_be_cancelled_and_begun_again():
    result = segmentation(soft_ellipsoids())

    def stop(done, total, message):
        if done == 3:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        result.at_threshold(0.6, progress=stop)
    assert len(result.at_threshold(0.6).table) == 3


@pytest.mark.parametrize(
    "options",
    [{}, {"min_size": 40}, {"drop_border": True}, {"min_size": 9, "drop_border": True}],
    ids=str,
)
def test_the_live_count_is_the_final_one(options):
    result = segmentation(soft_ellipsoids([*CENTRES, (8, 62, 60), (1, 33, 60)]))
    count = live_counts(result)
    for threshold in np.linspace(0.5, 1, 26):
        final = result.at_threshold(float(threshold), **options)
        assert count(float(threshold), **options) == len(final.table)
    assert count(0.49, **options) is None  # objects join there: counted in the labels


def test_no_live_count_where_an_object_is_left_in_the_filled_hole_of_another():
    distance = np.hypot(*(np.indices((90, 90)) - 45))
    plane = np.where(distance < 18, 0.6, np.where(distance < 36, 0.9, 0))
    seeds = (distance < 10) | (np.abs(distance - 25) < 5)
    probability, seeds = (np.stack([part] * 2).astype(np.float32) for part in (plane, seeds))
    splitting = Splitting(channel="seeds", seed_threshold=0.5, smoothing=0)
    options = LabelOptions(0.7, fill_holes=True, split_touching=True)
    extra = {"seeds": seeds}
    result = Segmentation(probability, "ZYX", options, extra=extra, splitting=splitting)
    assert numbers(result.labels) == [1, 2]
    assert result.object_sizes().count(result.options) is None
    plain = result.at_threshold(fill_holes=False)
    assert plain.object_sizes().count(plain.options) == len(plain.table) == 1


def test_the_live_count_of_a_run():
    probability = np.stack([soft_ellipsoids(), soft_ellipsoids(CENTRES[:1])])
    result = segmentation(probability, "TZYX")
    sizes = result.object_sizes()
    assert [sizes.count(result.options, run) for run in (0, 1, None)] == [3, 1, 4]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.floats(0.05, 0.95),
    st.booleans(),
    st.integers(0, 30),
    st.booleans(),
)
def test_as_many_rows_as_numbers_at_any_threshold(seed, threshold, own, fill, size, border):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(5, 24, 26)), 1)
    probability = (noise - noise.min()) / np.ptp(noise)
    probability = probability.astype(np.float32)
    probability[0, 3, 3] = np.nan
    options = LabelOptions(threshold, size, fill, False, border)
    result = Segmentation(probability, "ZYX", options, model_threshold=own)
    assert result.table["label"].tolist() == numbers(result.labels)
    assert result.table["index"].is_unique
    live = result.object_sizes().count(options)
    assert live is None or live == len(result.table)
    if not size and not border and not fill:
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(result.labels > 0, probability >= np.float32(threshold))


def flow_result(probability, flows, options, own):
    """Result of a model with flows (Z, 2, Y, X), decoded plane by plane."""
    settings = FlowSettings(own, 10, lowest=min(0.001, options.threshold))
    owner = np.zeros(probability.shape, np.int32)
    owned = OwnedPlanes(owner, owner.astype(np.uint16), "ZYX", settings)
    for plane in np.ndindex(len(probability)):
        owned.decode(plane, probability[plane], flows[plane])
    return Segmentation(probability, "ZYX", options, owned=owned, model_threshold=own)


def moving_cells(seed, noise):
    """Probability and flows of touching discs in five planes, and noise on both."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:30, :36]
    logits, flows = [], []
    for plane in range(5):
        labels = np.zeros(rows.shape, np.int32)
        for number, (y, x) in enumerate([(9, 9), (9, 18), (22, 10), (20, 29)], start=1):
            radius = 6 - abs(plane - 2)
            labels[(rows - y) ** 2 + (columns - x - plane / 2) ** 2 <= radius**2] = number
        logits.append(np.where(labels > 0, 2.0, -3.0) + noise * random.normal(size=rows.shape))
        flows.append(5 * (flow_field(labels) + noise * random.normal(size=(2, *rows.shape))))
    probability = 1 / (1 + np.exp(-np.array(logits)))
    return probability.astype(np.float32), np.array(flows, np.float32)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.one_of(st.integers(1, 999).map(lambda n: n / 1000), st.floats(0.001, 1)),
    st.sampled_from([0.3, 0.5, 0.41237]),
    st.booleans(),
    st.integers(0, 30),
    st.booleans(),
)
def test_with_flows_the_live_count_is_the_final_one(
    seed, noise, threshold, own, fill, size, border
):
    probability, flows = moving_cells(seed, noise)
    options = LabelOptions(threshold, size, fill, True, border)
    result = flow_result(probability, flows, options, own)
    assert result.table["label"].tolist() == numbers(result.labels)
    live = result.object_sizes().count(options)
    assert live is None or live == len(result.table)
    if threshold >= own and np.float32(threshold) in result.owned.levels:
        assert live is not None or (fill and size > 1)
    if not size and not border:  # linked or not, planes have the same objects
        apart = result.at_threshold(link_planes=False)
        np.testing.assert_array_equal(result.labels > 0, apart.labels > 0)
        for plane in result.plane_indices():
            pairs = np.stack([result.labels[plane], apart.labels[plane]]).reshape(2, -1)
            found = np.unique(pairs, axis=1)
            assert len(np.unique(found[1])) == found.shape[1]  # none is cut, or loses a piece


def test_objects_from_flows_do_not_fall_apart_in_a_stack():
    # two halves, joined by a bridge that is lost from 0.6 on
    probability = np.full((3, 16, 40), 0.001, np.float32)
    probability[:, 4:12, 4:36] = 0.9
    probability[:, 4:12, 18:22] = 0.6
    labels = (probability[0] > 0.5).astype(np.int32)
    flows = np.stack([flow_field(labels)] * 3).astype(np.float32)
    result = flow_result(probability, flows, LabelOptions(0.5, split_touching=True), 0.5)
    assert numbers(result.labels) == [1]
    higher = result.at_threshold(0.7)
    for plane in higher.labels:
        assert ndimage.label(plane, np.ones((3, 3)))[1] == 1
    np.testing.assert_array_equal(
        higher.labels > 0, higher.at_threshold(link_planes=False).labels > 0
    )


def test_a_view_of_one_plane_has_the_numbers_of_the_stack():
    result = segmentation(soft_ellipsoids())
    stack = result.stack_objects()
    for threshold in (0.5, 0.7):
        moved = result.at_threshold(threshold)
        plane = stack.plane_at((7,), moved.foreground_plane((7,)))
        np.testing.assert_array_equal(plane, moved.labels[7])
    lower = result.at_threshold(0.45)
    plane = stack.renumbered((7,), lower.label_plane((7,)))
    np.testing.assert_array_equal(plane, lower.labels[7])
    assert numbers(stack.renumbered((0,), np.eye(64, dtype=np.int32))) == [4]
