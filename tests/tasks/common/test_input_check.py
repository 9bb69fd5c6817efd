from __future__ import annotations

import re

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.tasks.common.input_check import check_image
from napari_cytosynth.tasks.common.looks import looks
from napari_cytosynth.zoo.card import Normalisation

QUANTILES = {"1": (-2.6, -2.0), "5": (-1.8, -1.5), "50": (-0.1, 0.1), "95": (1.5, 1.8)}


@pytest.fixture(scope="module")
def card(make_stainer):
    fixed = Normalisation(kind="fixed", mean=0.5, std=0.1)
    return make_stainer(normalisation=fixed, input_quantiles=QUANTILES, pixel_size_um=0.65).card


@pytest.fixture(scope="module")
def plane():
    noise = np.random.default_rng(0).normal(size=(64, 64))
    return (2**15 + 2**16 * 0.1 * noise).astype(np.uint16)


def test_an_image_like_the_training_ones_is_let_pass(card, plane):
    assert check_image(plane, card, 0.65) == []
    assert check_image(plane[None], card) == []
    assert check_image(plane, card, (0.8, 0.5)) == []


def test_pixel_size(card, plane):
    assert check_image(plane, card, 0.16) == [
        "This looks unlike what the model was trained on: pixel size 0.16 µm against 0.65 µm."
    ]
    assert "0.16 × 0.65 µm" in check_image(plane, card, (0.16, 0.65))[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: (x - 32768.0) * 0.2 + 32768, "of the contrast of the faintest"),
        (lambda x: (x - 32768.0) * 3 + 32768, "times the contrast of the strongest"),
        (lambda x: x + 2000.0 * 6, "brightness is spread differently"),
    ],
)
def test_contrast_and_brightness(card, plane, change, words):
    odd = change(plane.astype(np.float64)).clip(0, 65534).astype(np.uint16)
    (sentence,) = check_image(odd, card)
    assert sentence.startswith("This looks unlike what the model was trained on: ")
    assert words in sentence


def test_a_value_just_outside_its_limits_is_told_from_them(make_stainer, plane):
    fixed = Normalisation(kind="fixed", mean=0.5, std=0.1)
    size = looks(normalise(plane[None], fixed)[0])["size"]
    limits = {"size": (size * 1.0004, size * 3)}
    card = make_stainer(normalisation=fixed, input_looks=limits).card
    (sentence,) = check_image(plane, card)
    found, least = re.search(r"\(([\d.]+); in the training images ([\d.]+) to", sentence).groups()
    assert float(found) < float(least)


def test_rare_extremes_matter_only_where_they_are_more_extreme(make_stainer):
    """Debris makes the darkest pixels of the training images; a clean field has none."""
    rng = np.random.default_rng(0)
    quantiles = {"0.1": (-12.0, -8.0), "5": (-1.7, -1.6), "95": (1.6, 1.7), "99.9": (8.0, 12.0)}
    kind = {"kind": "fixed", "mean": 0.0, "std": 1.0}
    card = make_stainer(input_quantiles=quantiles, normalisation=kind, modality="brightfield").card
    plane = rng.standard_normal((200, 200)).astype(np.float32)
    assert check_image(plane, card) == []
    plane[:2] = -40
    (sentence,) = check_image(plane, card)
    assert sentence.startswith("This looks unlike what the model was trained on (brightfield): its")


def test_several_reasons_make_one_sentence(card, plane):
    (sentence,) = check_image((plane // 8), card, 0.16)
    assert "pixel size" in sentence
    assert "; " in sentence


def test_what_no_model_can_use(card, plane):
    assert "same value everywhere" in check_image(np.full((20, 20), 9, np.uint16), card)[0]
    values = (plane / 65535).astype(np.float32)
    values[0, 0] = np.nan
    assert check_image(values, card) == ["The image has NaN or infinite pixels; they will be taken as 0."]  # fmt: skip  # noqa: E501
    bright = plane.copy()
    bright[:2] = 65535
    assert any("3.1 % of the pixels are saturated" in text for text in check_image(bright, card))
    assert "colour" in check_image(np.zeros((20, 20, 3), np.uint8), card)[0]
    assert "needs 1 channel" in check_image(np.stack([plane, plane]), card)[0]
    with pytest.raises(InputError, match="real numbers"):
        check_image(plane.astype(complex), card)


def test_light_below_0_is_no_raw_image_for_a_contrast_against_the_surroundings(
    make_stainer, card, plane
):
    local = make_stainer(normalisation=Normalisation(kind="local", sigma=9, std=0.1)).card
    subtracted = plane.astype(np.float32) - plane.mean()
    (sentence,) = check_image(subtracted, local)
    assert "give it the raw image" in sentence
    dark = plane.astype(np.int32)
    dark[0, :9] = -2  # as of a camera with a dark offset
    for pixels, known in ((plane, local), (dark, local), (subtracted, make_stainer().card)):
        assert check_image(pixels, known) == []


def test_a_card_without_quantiles_says_nothing_of_intensities(make_stainer, plane):
    assert check_image(plane // 8, make_stainer().card) == []
