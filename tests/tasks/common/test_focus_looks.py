"""Another focal plane is noticed before the run: by the sign of the finest details."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_cytosynth import phantoms
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.phantoms.optics import BRIGHTFIELD
from napari_cytosynth.tasks.common.input_check import check_image
from napari_cytosynth.tasks.common.looks import look_limits, looks
from napari_cytosynth.zoo.card import Normalisation

JUMP = Path(__file__).parents[4] / "shared" / "data" / "stain-jump"
PLANES = ("brightfield-2", "brightfield-3", "brightfield")
LOCAL = Normalisation(kind="local", sigma=40, std=0.03)


def card_of(images, make_stainer):
    limits = look_limits([looks(normalise(image, LOCAL)) for image in images])
    return make_stainer(normalisation=LOCAL, modality="brightfield", input_looks=limits).card


def details(seed, sign):
    """Return spots on a smooth ground: dark ones with bright rims, or the other way round."""
    rng = np.random.default_rng(seed)
    spots = np.zeros((256, 256))
    spots[rng.integers(256, size=300), rng.integers(256, size=300)] = 1
    rings = ndimage.gaussian_filter(spots, 1.2) - ndimage.gaussian_filter(spots, 2.5)
    return 1000 * (1 + sign * 3 * rings) + rng.normal(0, 2, spots.shape)


def test_details_of_the_other_sign_are_another_focal_plane(make_stainer):
    card = card_of([details(n, 1) for n in range(8)], make_stainer)
    assert check_image(details(9, 1), card) == []
    (sentence,) = check_image(details(9, -1), card)
    assert "another focal plane" in sentence or "inverted" in sentence


def test_a_model_of_any_plane_takes_both_and_notices_a_blur(make_stainer):
    card = card_of([details(n, sign) for n in range(8) for sign in (1, -1)], make_stainer)
    for sign in (1, -1):
        assert check_image(details(9, sign), card) == []
        assert check_image(ndimage.gaussian_filter(details(9, sign), 4), card) != []


def test_a_phantom_out_of_focus_is_noticed(make_stainer):
    def cells(seed, defocus):
        optics = replace(BRIGHTFIELD, defocus_um=defocus)
        return np.asarray(phantoms.brightfield_cells((192, 192), 12, seed, optics=optics).image)

    card = card_of([cells(seed, 4.0) for seed in range(8)], make_stainer)
    assert check_image(cells(20, 4.0), card) == []
    assert check_image(cells(20, 30.0), card) != []


@pytest.fixture(scope="module")
def fields():
    if not JUMP.is_dir():
        pytest.skip("needs the images of stain-jump, which are not here")
    found = {}
    for path in sorted(JUMP.glob("*/brightfield/*.tif")):
        for plane in PLANES:
            image = path.parents[1] / plane / path.name
            # a part that is quicker to look at
            found[path.stem, plane] = tifffile.imread(image)[200:840, 200:840].astype(np.float32)
    return found


def names(fields):
    return sorted({name for name, _ in fields})


@pytest.fixture(scope="module")
def known(fields):
    """Return the looks of every plane of every field."""
    return {key: looks(normalise(image, LOCAL)) for key, image in fields.items()}


def card_without(name, planes, known, make_stainer):
    limits = look_limits([known[key] for key in known if key[0] != name and key[1] in planes])
    return make_stainer(normalisation=LOCAL, modality="brightfield", input_looks=limits).card


def test_a_model_of_one_real_plane_flags_the_two_others_of_every_field(fields, known, make_stainer):
    for name in names(fields):
        card = card_without(name, PLANES[2:], known, make_stainer)
        for plane in PLANES[:2]:
            assert check_image(fields[name, plane], card) != []


def test_a_model_of_any_real_plane_flags_none_of_the_three_but_a_worse_focus(
    fields, known, make_stainer
):
    for name in names(fields):
        card = card_without(name, PLANES, known, make_stainer)
        for plane in PLANES:
            assert check_image(fields[name, plane], card) == []
        worse = ndimage.gaussian_filter(fields[name, PLANES[2]], 2)
        assert check_image(worse, card) != []
