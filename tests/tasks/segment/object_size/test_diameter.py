"""A diameter that the user gives: one resampling, and sizes that stay in the image's pixels."""

from __future__ import annotations

import numpy as np
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.defaults import card_options, fitting_diameter
from napari_cytosynth.tasks.common.provenance import as_python, script_arguments
from napari_cytosynth.tasks.common.resample import back_to, to_shape
from napari_cytosynth.tasks.segment.object_size.diameter import plan_resizing, resized
from napari_cytosynth.tasks.segment.object_size.estimate import ObjectSize
from napari_cytosynth.tasks.segment.result_check import facts_of
from napari_cytosynth.zoo.card import Expected, Normalisation, Splitting


@pytest.fixture(scope="module")
def model(make_model):
    # a fixed scaling: the pixels that the network sees do not depend on the resampling
    scaling = Normalisation(kind="fixed", mean=0.5, std=0.5)
    return make_model(diameter=10, min_size=8, pixel_size_um=0.5, normalisation=scaling)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((48, 64), dtype=np.float32)


def run(image, model, **arguments):
    return cytosynth.segment(image, model, precision="float32", **arguments)


def test_the_network_sees_the_objects_at_its_own_size(image, model):
    result = run(image, model, diameter=20)
    small = to_shape(((image - 0.5) / 0.5)[None], (24, 32))[0]
    expected = run(small * 0.5 + 0.5, model).probability
    np.testing.assert_allclose(
        result.probability, back_to(expected[None], image.shape)[0], atol=1e-4
    )
    assert result.labels.shape == image.shape
    assert any("resampled by a factor of 0.5" in text for text in result.messages)


def test_the_smallest_object_is_scaled_with_the_objects(image, model):
    assert run(image, model).options.min_size == 8
    assert run(image, model, diameter=20).options.min_size == 32
    assert run(image, model, diameter=5).options.min_size == 2
    # by the diameter, not by the pixel size
    assert run(image, model, diameter=20, pixel_size=0.1).options.min_size == 32
    assert run(image, model, diameter=20, min_size=3).options.min_size == 3
    assert card_options(model.card.inference, None, 1e6)["min_size"] == 10**7


def test_the_smallest_object_counts_pixels_that_the_network_sees(model):
    """Objects are enlarged to the 8 px of validation images, reduced to the 10 px of training."""
    own = model.card.inference
    seen = own.model_copy(update={"expected": Expected(diameter=(4.0, 8.0, 30.0))})
    assert card_options(seen, None, 4.0)["min_size"] == 2
    assert card_options(seen, None, 20.0)["min_size"] == 32
    assert card_options(seen, None, 9.0)["min_size"] == card_options(seen)["min_size"] == 8
    for near in (8.4, 11.9):  # such an image is not resampled
        assert card_options(own, None, near)["min_size"] == 8
    unseen = own.model_copy(update={"expected": Expected(foreground=(0.1, 0.2, 0.3))})
    assert card_options(unseen, None, 4.0)["min_size"] == card_options(own, None, 4.0)["min_size"]


@pytest.mark.parametrize(
    ("diameter", "seen", "fitting"),
    [
        (5, None, 10),
        (5, 8, 8),  # enlarged no further than to the size on validation images
        (5, 12, 10),  # nor than to that of the training
        (9, 8, 9),  # nor reduced in between
        (20, 8, 10),  # reduced to that of the training
    ],
)
def test_an_image_is_enlarged_no_more_than_needed(make_model, image, diameter, seen, fitting):
    expected = None if seen is None else Expected(diameter=(1.0, seen, 30.0))
    assert fitting_diameter(10, expected, diameter) == fitting
    result = run(image, make_model(diameter=10, expected=expected), diameter=diameter)
    factor = fitting / diameter
    said = [text for text in result.messages if f"by a factor of {factor:.2g} for" in text]
    assert len(said) == (factor != 1)
    assert all(f"have the {fitting:.3g} px" in text for text in said)


def test_the_check_of_the_result_knows_the_diameter(image, model):
    result = run(image, model, diameter=20, pixel_size=0.1)
    table = result.table
    found = 2 * np.sqrt(np.median(table["area_px"]) / np.pi)
    # the pixel size alone would make them five times smaller
    assert facts_of(result, table, 0.5, 10 / 20).diameter == pytest.approx(found / 2, rel=0.1)
    assert facts_of(result, table, 0.5).diameter == pytest.approx(found / 5, rel=0.1)


def test_seeds_are_smoothed_in_the_models_pixels():
    own = Splitting(channel="distance", seed_threshold=0.5, smoothing=2.0, min_seed_size=12)
    larger = resized(own, (0.5, 0.5))
    assert (larger.smoothing, larger.min_seed_size) == (4.0, 48)
    assert resized(own, (1.0, 1.0)) is own
    assert resized(None, (0.5, 0.5)) is None


def test_the_result_splits_in_the_models_pixels_by_pixel_size_too(image, make_model):
    model = make_model(
        pixel_size_um=0.5,
        splitting=Splitting(channel="distance", seed_threshold=0.6, smoothing=1.5),
    )
    assert run(image, model, pixel_size=0.25).splitting.smoothing == 1.5
    resampled = run(image, model, pixel_size=0.25, resample=True)
    assert resampled.splitting.smoothing == 3.0


@pytest.mark.parametrize("diameter", [9, 10, 11.5])
def test_objects_of_nearly_the_models_size_are_not_resampled(image, model, diameter):
    result = run(image, model, diameter=diameter)
    np.testing.assert_array_equal(result.probability, run(image, model).probability)
    assert result.messages == []


@pytest.mark.parametrize("diameter", [9, 10, 11.5])
def test_objects_of_nearly_the_models_size_are_not_resampled_by_pixel_size(image, model, diameter):
    both = run(image, model, diameter=diameter, pixel_size=0.1, resample=True)
    np.testing.assert_array_equal(both.probability, run(image, model).probability)
    (said,) = both.messages
    assert "by the diameter, the image stays as it is" in said
    assert both.options.min_size == 8


def test_a_diameter_takes_the_place_of_the_pixel_size(image, model):
    both = run(image, model, diameter=20, pixel_size=0.1, resample=True)
    alone = run(image, model, diameter=20)
    np.testing.assert_array_equal(both.probability, alone.probability)
    assert any("resampled once, by the diameter" in text for text in both.messages)
    assert not any("µm per pixel" in text for text in both.messages)


def test_provenance_and_script_repeat_the_diameter(image, model):
    record = run(image, model, diameter=20).provenance
    assert record["parameters"]["diameter"] == 20
    assert "object_size" not in record
    assert "diameter=20.0," in as_python(record)
    assert "diameter" not in as_python(run(image, model).provenance)


@pytest.mark.parametrize(
    ("diameter", "words"),
    [
        (0, "“diameter” must be"),
        (-3, "“diameter” must be"),
        (float("nan"), "“diameter” must be"),
        (float("inf"), "“diameter” must be"),
        (True, "“diameter” must be"),
        ("20", "a number of pixels above 0 or “auto”"),
        ([20], "“diameter” must be"),
        (81, "a factor of more than 8 is refused"),
        (1.2, "a factor of more than 8 is refused"),
    ],
)
def test_an_impossible_diameter_is_explained(image, model, diameter, words):
    with pytest.raises(InputError, match=words):
        run(image, model, diameter=diameter)


@pytest.mark.parametrize("diameter", [12, "auto"])
def test_a_model_without_a_diameter_cannot_be_asked_for_it(image, make_model, diameter):
    with pytest.raises(InputError, match="is not known of the model “tiny”"):
        run(image, make_model(), diameter=diameter)


def test_a_plane_that_is_not_there_is_named_before_it_is_measured(image, model):
    with pytest.raises(InputError, match="no plane"):
        run(np.stack([image, image]), model, axes="TYX", planes=(2,), diameter="auto")


@pytest.mark.parametrize(("measured", "factor"), [(10.5, 1.0), (None, None)])
def test_a_measured_size_that_is_near_enough_outweighs_the_pixel_size(model, measured, factor):
    """Only where no size could be measured is the image resampled by its pixel size."""
    size = ObjectSize(10.0, measured, (), "" if measured else "there are none.")
    plan = plan_resizing("auto", model.card, True, lambda: size)
    assert plan.factor == factor
    said = any("by the diameter, the image stays as it is" in text for text in plan.messages)
    assert said is (measured is not None)
    assert size.sentence in plan.messages
    assert plan_resizing("auto", model.card, False, lambda: size).messages == (size.sentence,)


@pytest.mark.parametrize("resample", [False, True])
def test_a_measured_size_that_is_near_enough_is_repeated_by_the_script(
    image, model, monkeypatch, resample
):
    """The pixel size neither resamples the image, then or later, nor drops its objects."""
    size = ObjectSize(10.0, 10.5, ())
    monkeypatch.setattr("napari_cytosynth.tasks.segment.task.measure_plane", lambda *_: size)
    found = run(image, model, diameter="auto", pixel_size=0.1, resample=resample)
    assert found.options.min_size == 8
    again = cytosynth.segment(image, model, **script_arguments(found.provenance))
    np.testing.assert_array_equal(again.labels, found.labels)
    np.testing.assert_array_equal(again.probability, found.probability)
