"""The size of an image's objects: where it must be found, and where nothing may be said."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.errors import Cancelled, InputError
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.common.resample import to_shape
from napari_cytosynth.tasks.segment.object_size import estimate, estimate_object_size, judge
from napari_cytosynth.tasks.segment.object_size.passes import SCALES, ScalePass, windows
from napari_cytosynth.zoo.card import FlowDecoding
from napari_cytosynth.zoo.loading import load_model

OWN = 20.0


def seen(diameters, agreements, objects=12, probability=0.95):
    """What seven scales show; diameters are in px of the image."""
    rows = zip(SCALES, diameters, agreements, strict=True)
    return tuple(ScalePass(scale, objects, d, probability, a) for scale, d, a in rows)


# -- the decision ---------------------------------------------------------------------------


@pytest.mark.parametrize("true", [7.0, 12.0, 40.0, 58.0])
def test_objects_that_neighbouring_scales_confirm_have_their_size(true):
    found = judge(seen([true] * 7, [0.8] * 7), OWN)
    assert found.diameter == pytest.approx(true)
    assert found.scale == pytest.approx(OWN / true)
    assert found.offers


@pytest.mark.parametrize("true", [14.0, 20.0, 29.0])
def test_objects_of_about_the_models_size_are_offered_nothing(true):
    found = judge(seen([true] * 7, [0.8] * 7), OWN)
    assert found.diameter == pytest.approx(true)
    assert (found.scale, found.offers) == (1.0, False)
    assert "near enough" in found.sentence


@pytest.mark.parametrize(("agreement", "offers"), [(0.9, False), (0.3, True)])
def test_slightly_larger_objects_are_offered_a_size_only_where_they_are_seen_badly(
    agreement, offers
):
    agreements = [0.5, 0.9, 0.9, agreement, agreement, 0.2, 0.1]
    assert judge(seen([28.0] * 7, agreements), OWN).offers is offers
    assert not judge(seen([24.0] * 7, agreements), OWN).offers


def test_fragments_of_just_the_expected_size_do_not_win():
    # at scale 1 fragments of exactly the model's size that no other scale shows
    diameters = [62.0, 60.0, 58.0, 20.0, 14.0, 9.0, 6.0]
    found = judge(seen(diameters, [0.8, 0.8, 0.5, 0.25, 0.05, 0.05, 0.05]), OWN)
    assert found.diameter == pytest.approx(61, rel=0.05)


@pytest.mark.parametrize(
    ("passes", "words"),
    [
        (seen([20.0 / s for s in SCALES], [0.2] * 7), "no two scales show the same"),
        (seen([None] * 7, [0.0] * 7, objects=0), "no two scales show the same"),
        (seen([20.0] * 7, [0.9] * 7, objects=3), "no two scales show the same"),
        (seen([45, 45, 45, 20, 8, 8, 8], [0.8, 0.8, 0.7, 0.4, 0.7, 0.8, 0.8]), "equal confidence"),
        (seen([105.0] * 7, [1.0] * 7), "too far"),
    ],
)
def test_nothing_is_said_where_nothing_is_convincing(passes, words):
    found = judge(passes, OWN)
    assert found.diameter is None
    assert (found.scale, found.offers, found.ratio) == (1.0, False, None)
    assert "could not be measured" in found.sentence
    assert words in found.sentence


# -- the crop -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 700), (2000, 1500), (9, 9)])
def test_windows_lie_within_the_plane_around_its_structure(shape):
    plane = np.zeros(shape, np.float32)
    plane[3 * shape[0] // 4, 3 * shape[1] // 4 :: 3] = 1
    step = 2
    around = windows(plane[::step, ::step], 256, step, shape)
    for (rows, columns), scale in zip(around, SCALES, strict=True):
        assert 0 <= rows.start < rows.stop <= shape[0]
        assert 0 <= columns.start < columns.stop <= shape[1]
        assert max(rows.stop - rows.start, columns.stop - columns.start) * scale <= 258
    rows, columns = around[-1]
    assert rows.start <= 3 * shape[0] // 4 < rows.stop
    assert columns.stop > 3 * shape[1] // 4


# -- with a real model ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def nuclei():
    return load_model("fluo-nuclei-unet", "cpu")


@pytest.fixture(scope="module")
def field():
    return phantoms.fluorescent_nuclei((220, 220), count=28, touching=0.2, seed=2)


def diameter_of(labels):
    areas = np.bincount(labels.ravel())[1:]
    return float(2 * np.sqrt(np.median(areas[areas > 0]) / np.pi))


def magnified(image, factor):
    shape = [round(size * factor) for size in image.shape]
    return to_shape(image[None].astype(np.float32), (shape[0], shape[1]))[0]


@pytest.mark.parametrize("factor", [0.6, 2.2])
def test_the_size_of_simulated_nuclei_is_found_at_any_magnification(nuclei, field, factor):
    true = diameter_of(field.labels) * factor
    found = estimate_object_size(magnified(field.image, factor), nuclei, device="cpu")
    assert true / 1.35 <= found.diameter <= true * 1.35
    assert len(found.passes) == len(SCALES)


@pytest.mark.parametrize("alike", [True, False])
def test_weaker_evidence_counts_in_an_image_like_those_of_the_training_only(
    nuclei, field, alike, monkeypatch
):
    image = magnified(field.image, 2.0)
    weak = seen([40.0] * 7, [0.42] * 7)
    monkeypatch.setattr(estimate, "passes", lambda *_: weak)
    assert judge(weak, OWN).diameter is None
    found = estimate_object_size(image if alike else image.max() - image, nuclei, device="cpu")
    assert (found.diameter is not None) is alike
    assert found.offers is alike


@pytest.mark.parametrize("kind", ["empty", "noise", "shading"])
def test_images_without_objects_have_no_size(nuclei, kind):
    rng = np.random.default_rng(0)
    image = {
        "empty": np.full((200, 200), 7, np.uint8),
        "noise": rng.normal(100, 10, (200, 200)),
        "shading": np.add.outer(np.arange(200.0), np.arange(200.0)),
    }[kind]
    found = estimate_object_size(image, nuclei, device="cpu")
    assert found.diameter is None, found
    assert not found.offers
    result = cytosynth.segment(image, nuclei, device="cpu", diameter="auto")
    assert any("could not be measured" in text for text in result.messages)
    assert result.provenance["parameters"]["diameter"] is None
    assert result.provenance["object_size"]["doubt"]


def test_the_first_plane_with_contrast_is_measured(nuclei, field):
    stack = np.zeros((3, *field.image.shape), field.image.dtype)
    stack[2] = field.image
    found = estimate_object_size(stack, nuclei, axes="TYX", device="cpu")
    assert found.diameter is not None
    empty = estimate_object_size(stack, nuclei, axes="TYX", planes=(0,), device="cpu")
    assert "same value everywhere" in empty.sentence


def test_auto_resamples_objects_that_clearly_differ_and_the_script_repeats_it(nuclei, field):
    large = magnified(field.image, 3)
    true = ndimage.zoom(field.labels, 3, order=0)
    result = cytosynth.segment(large, nuclei, device="cpu", diameter="auto")
    record = result.provenance
    measured, own = record["parameters"]["diameter"], nuclei.card.inference.diameter
    assert measured == pytest.approx(diameter_of(true), rel=0.35)
    assert record["object_size"]["scale"] == pytest.approx(own / measured, rel=0.01)
    assert len(record["object_size"]["passes"]) == len(SCALES)
    assert result.labels.shape == large.shape
    assert diameter_of(result.labels) == pytest.approx(diameter_of(true), rel=0.15)
    assert any("resampled by a factor" in text for text in result.messages)
    assert f"diameter={measured!r}" in as_python(record)
    again = cytosynth.segment(large, nuclei, device="cpu", diameter=measured)
    np.testing.assert_array_equal(again.labels, result.labels)


def test_a_measurement_can_be_cancelled_between_its_passes(nuclei, field):
    seen = []

    def stop(done, total, message):
        if "size of the objects" in message:
            seen.append(done)
            if done == 2:
                raise Cancelled

    with pytest.raises(Cancelled):
        estimate_object_size(field.image, nuclei, device="cpu", progress=stop)
    assert max(seen) == 2


def test_a_model_that_knows_no_size_is_named(make_model):
    model = make_model()
    image = np.random.default_rng(0).random((40, 40))
    with pytest.raises(InputError, match="is not known of the model “tiny”"):
        estimate_object_size(image, model)
    with pytest.raises(InputError, match="does not segment"):
        estimate_object_size(image, make_model(task="stain"))


def test_a_model_with_flows_is_measured_by_the_objects_of_its_flows(make_model):
    roles = ["foreground", "flow-y", "flow-x"]
    model = make_model(
        output_channels=["cells", "up", "right"],
        object_channel="cells",
        channel_roles=roles,
        flows=FlowDecoding(),
        splitting=None,
        diameter=10,
    )
    image = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(64, 64)), 2)
    found = estimate_object_size(image, model, device="cpu")
    assert any(tried.objects for tried in found.passes)
