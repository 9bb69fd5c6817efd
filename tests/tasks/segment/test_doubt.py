"""Doubts about an image before the run, and about its result after it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from skimage.transform import rescale

import napari_cytosynth as cytosynth
from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.tasks.common.looks import look_limits, looks
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.zoo.card import Expected


def run(image, model, **arguments):
    return cytosynth.segment(image, model, precision="float32", **arguments)


@pytest.fixture(scope="module")
def dark():
    """Planes of bright nuclei on a dark ground, between 0 and 1."""
    fields = [fluorescent_nuclei((96, 96), count=6, seed=seed).image for seed in range(8)]
    return [field.astype(float) / field.max() for field in fields]


def knowing(make_model, dark, **values):
    limits = look_limits([looks(plane) for plane in dark[:6]])
    return make_model(input_looks=limits, modality="fluorescence", **values)


def test_an_image_unlike_those_of_the_training_is_said_and_recorded(make_model, dark):
    model = knowing(make_model, dark, expected=Expected())
    usual, odd = run(dark[7], model), run(1 - dark[7], model)
    assert usual.messages == []
    assert usual.doubt == ""
    assert "unlike" not in usual.provenance
    (sentence,) = odd.messages
    assert "trained on (fluorescence): its contrast seems inverted" in sentence
    assert odd.provenance["unlike"] == sentence
    assert odd.doubt.endswith(
        "unlike those of the training: this model was trained on fluorescence."
    )
    for other in (odd.at_threshold(0.4), odd.at_threshold(min_confidence=0.5)):
        assert "unlike those of the training" in other.doubt
    json.dumps(odd.provenance)
    assert "unlike" not in as_python(odd.provenance)


def test_of_a_stack_the_middle_plane_is_looked_at(make_model, dark):
    model = knowing(make_model, dark)
    ends = np.stack([1 - dark[6], dark[7], 1 - dark[6]])
    assert run(ends, model, axes="TYX").messages == []
    assert "inverted" in run(ends, model, axes="TYX", planes=(2,)).messages[0]
    assert "inverted" in run(1 - ends, model, axes="TYX").messages[0]


def test_an_image_is_looked_at_as_the_model_sees_it(make_model, dark):
    """Resampled, a larger one is as the training images; NaN pixels do not matter."""
    model = knowing(make_model, dark)
    large = rescale(dark[7], 4, order=3)
    assert "larger magnification" in run(large, model).messages[0]
    sized = run(large, model, pixel_size=0.125, resample=True)
    assert not any("unlike" in message for message in sized.messages)
    large[:3] = np.nan
    sized = run(large, model, pixel_size=0.125, resample=True)
    assert not any("unlike" in message for message in sized.messages)


def test_a_result_unlike_those_on_validation_images_is_doubted(make_model):
    image = np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)
    model = make_model(expected=Expected(foreground=(0.0, 0.001, 0.002)))
    assert "% of the area (in validation images" in run(image, model).doubt
    usual = make_model(expected=Expected(foreground=(0.0, 0.5, 1.0)))
    assert run(image, usual).doubt == ""
