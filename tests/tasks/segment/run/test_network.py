"""Segmentation in a region: what it is on the whole image, and nothing outside."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Shapes

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import read_source
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.common.region import RegionMasks, find_region
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.result import Segmentation

CORNERS = np.array([[60, 90], [60, 140], [100, 140], [100, 90]], float)


def run(image, model, **arguments):
    return cytosynth.segment(image, model, precision="float32", **arguments)


@pytest.fixture(scope="module")
def large():
    return np.random.default_rng(1).integers(0, 255, (300, 320)).astype(np.uint8)


@pytest.fixture(scope="module")
def whole(large, model):
    return run(large, model)


def seen(monkeypatch):
    """Return the shapes of the planes that the network gets."""
    from napari_cytosynth.inference.predictor import Predictor

    shapes, predict = [], Predictor.predict
    monkeypatch.setattr(
        Predictor, "predict",
        lambda self, plane, **more: shapes.append(plane.shape) or predict(self, plane, **more),
    )  # fmt: skip
    return shapes


def test_inside_it_is_what_it_is_on_the_whole_image(large, model, whole, monkeypatch):
    shapes = seen(monkeypatch)
    found = run(large, model, region=CORNERS)
    inside = np.s_[60:101, 90:141]
    np.testing.assert_allclose(found.probability[inside], whole.probability[inside], atol=1e-5)
    outside = found.probability.copy()
    outside[inside] = 0
    assert not outside.any()
    assert not found.labels[found.probability < 0.5].any()
    ((_, rows, columns),) = shapes
    assert rows * columns < large.size / 4  # the network saw no more than it had to


def test_a_resampled_image_too(large, model):
    size = {"pixel_size": 0.25, "resample": True}
    found, all_of_it = run(large, model, region=CORNERS, **size), run(large, model, **size)
    inside = np.s_[60:101, 90:141]
    np.testing.assert_allclose(found.probability[inside], all_of_it.probability[inside], atol=1e-4)
    assert np.count_nonzero(found.probability) == 41 * 51


def test_planes_without_a_shape_are_not_run(large, model, monkeypatch):
    stack = np.stack([large[:80, :96]] * 4)
    drawn = [np.c_[np.full(4, z), CORNERS - (50, 80)] for z in (1, 3)]
    shapes = seen(monkeypatch)
    found = run(Image(stack), model, region=Shapes(drawn, shape_type="polygon"), axes="ZYX")
    assert len(shapes) == 2
    assert [bool(plane.any()) for plane in found.probability] == [False, True, False, True]
    assert any("no shape in 2 of 4 planes" in text for text in found.messages)
    one = run(Image(stack), model, region=drawn, axes="ZYX", planes=(3,))
    np.testing.assert_array_equal(one.probability, found.probability[3])


def test_the_record_holds_the_region_and_the_script_repeats_it(large, model):
    found = run(large, model, region=CORNERS, at_border="mark")
    record = found.provenance["parameters"]
    assert record["at_border"] == "mark"
    again = run(large, model, region=record["region"], at_border="mark")
    np.testing.assert_array_equal(again.labels, found.labels)
    assert "region={'name'" in as_python(found.provenance)
    assert "region" not in as_python(run(large[:40, :40], model).provenance)


def test_wrong_arguments(large, model):
    with pytest.raises(InputError, match="at_border"):
        run(large, model, region=CORNERS, at_border="cut")
    with pytest.raises(InputError, match="No pixel of this plane of the image lies in the region"):
        run(large, model, region=CORNERS + 1000)


# -- objects at the border, at any threshold ------------------------------------------------------


def discs():
    """Three cones: wholly inside of the square, across its border, and outside."""
    y, x = np.indices((60, 80))
    found = np.zeros((60, 80))
    for cy, cx in ((25, 30), (25, 52), (50, 70)):
        found = np.maximum(found, 1 - np.hypot(y - cy, x - cx) / 16)
    return found.clip(0, 1).astype(np.float32)


SQUARE = np.array([[5, 10], [5, 50], [45, 50], [45, 10]], float)


def segmented(at_border, probability=None, axes="YX", **options):
    probability = discs() if probability is None else probability
    region = find_region(SQUARE, read_source(probability), axes)
    masks = RegionMasks(region, probability.shape[-2:], at_border=at_border)
    return Segmentation(
        probability * masks.mask(), axes, LabelOptions(0.5, **options), region=masks,
        source_axes=axes,
    )  # fmt: skip


def test_cut_objects_are_kept_dropped_or_marked():
    kept, dropped, marked = (segmented(word) for word in ("keep", "drop", "mark"))
    assert (len(kept.table), len(dropped.table), len(marked.table)) == (2, 1, 2)
    assert "at_region_border" not in kept.table
    assert marked.table["at_region_border"].tolist() == [False, True]
    assert dropped.labels[25, 30] == 1
    assert not dropped.labels[25, 48]
    np.testing.assert_array_equal(kept.labels, marked.labels)


@pytest.mark.parametrize("fill_holes", [False, True])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8, 0.95])
def test_what_the_slider_shows_is_what_is_labelled(threshold, fill_holes):
    result = segmented("drop", fill_holes=fill_holes)
    other = result.at_threshold(threshold)
    view = result.tree().at(threshold, other.options)
    np.testing.assert_array_equal(view.labels, other.labels)
    assert view.areas.tolist() == np.bincount(other.labels.ravel())[1:].tolist()
    # from some threshold on the cone ends before the border, and is no cut one
    expected = {0.2: 0, 0.5: 1, 0.8: 1, 0.95: 1}  # at 0.2 both cones are one object
    assert view.count == expected[threshold]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_in_a_stack_whole_objects_are_dropped(threshold):
    stack = np.stack([discs(), discs() * 0.9, discs()])
    stack[:, :, 37:42] = 0  # apart at low thresholds, too
    result = segmented("drop", stack, "ZYX").at_threshold(threshold)
    kept = segmented("keep", stack, "ZYX").at_threshold(threshold)
    assert np.unique(kept.labels).tolist() == [0, 1, 2]
    assert np.unique(result.labels).tolist() == [0, 1]
    sizes = result.object_sizes()
    assert sizes.count(result.options) in (1, None)
    if threshold >= 0.5:
        assert sizes.count(result.options) == 1
    marked = segmented("mark", stack, "ZYX").at_threshold(threshold)
    assert marked.table["at_region_border"].tolist() == [False, True]


@pytest.mark.parametrize("link_planes", [True, False])
def test_planes_without_the_region_cut_the_objects_of_a_stack(link_planes):
    stack = np.zeros((4, 60, 80), np.float32)
    stack[:, 20:30, 20:30] = stack[0, 20:30, 35:45] = 0.9
    drawn = [np.c_[np.full(4, z), SQUARE] for z in (0, 1)]
    region = find_region(drawn, read_source(stack), "ZYX")
    tables = {}
    for word in ("keep", "drop", "mark"):
        masks = RegionMasks(region, (60, 80), at_border=word)
        inside = stack * np.stack([masks.mask((z,)) for z in range(4)])
        options = LabelOptions(0.5, link_planes=link_planes)
        result = Segmentation(inside, "ZYX", options, region=masks, source_axes="ZYX")
        tables[word] = result.table
        if link_planes:
            assert result.object_sizes().count(options) == len(result.table)
    if link_planes:  # the first goes on below the region, the second does not
        assert tables["keep"]["volume_px"].tolist() == [200, 100]
        assert tables["drop"]["volume_px"].tolist() == [100]
        assert tables["mark"]["at_region_border"].tolist() == [True, False]
    else:
        assert len(tables["drop"]) == 3
        assert not tables["mark"]["at_region_border"].any()
