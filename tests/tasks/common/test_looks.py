"""What images look like, simulated ones here and real ones where they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import data
from skimage.io import imread
from skimage.transform import rescale

from napari_cytosynth.errors import InputError
from napari_cytosynth.images.files import image_name
from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.tasks.common.input_check import check_image, unlike_training
from napari_cytosynth.tasks.common.looks import guess_kind, look_limits, looks, trained_on
from napari_cytosynth.training.data.splits import hash_split
from napari_cytosynth.zoo.card import Normalisation

PERCENTILE = Normalisation(kind="percentile", low=1.0, high=99.8)


@pytest.fixture(scope="module")
def nuclei():
    return [fluorescent_nuclei((256, 256), count=20, seed=seed).image for seed in range(8)]


@pytest.fixture(scope="module")
def card(make_model, nuclei):
    limits = look_limits([looks(image) for image in nuclei[:6]])
    return make_model(input_looks=limits, normalisation=PERCENTILE, modality="fluorescence").card


def phase_like(seed=0):
    """Grey ground, dark cells with bright rims."""
    rng = np.random.default_rng(seed)
    cells = np.zeros((256, 256))
    cells[tuple(rng.integers(20, 236, (2, 12)))] = 1
    discs = ndimage.gaussian_filter(cells, 5)
    rims = discs - 1.4 * ndimage.gaussian_filter(cells, 4)
    return rims / np.abs(rims).max() + 0.02 * rng.standard_normal(rims.shape)


def test_nuclei_look_like_fluorescence_and_photographs_like_nothing_known(nuclei):
    assert {guess_kind(image) for image in nuclei} == {"fluorescence"}
    assert {guess_kind(-image.astype(float)) for image in nuclei} == {None}
    for picture in (data.camera(), data.moon(), data.brick(), data.grass(), data.page()):
        assert guess_kind(picture) is None
    assert guess_kind(np.zeros((20, 20))) is None
    assert guess_kind(np.full((20, 20), np.nan)) is None
    assert guess_kind(np.random.default_rng(0).normal(size=(64, 64))) is None


def test_looks_do_not_depend_on_offset_and_gain(nuclei):
    first, second = looks(nuclei[0]), looks(nuclei[0].astype(float) * 7 + 300)
    assert first.keys() == second.keys()
    np.testing.assert_allclose(list(first.values()), list(second.values()), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 3), (2000, 8)])
def test_small_and_odd_planes_have_finite_looks(shape):
    found = looks(np.random.default_rng(0).random(shape))
    assert np.isfinite(list(found.values())).all()


def test_few_images_give_wider_limits(nuclei):
    found = [looks(image) for image in nuclei]
    few, many = look_limits(found), look_limits(found * 20)
    for name, (low, high) in few.items():
        assert low <= many[name][0] + 0.01
        assert high >= many[name][1] - 0.01
    wider = [few[name][1] - few[name][0] > many[name][1] - many[name][0] for name in few]
    assert sum(wider) >= 4
    assert look_limits([{}]) == {}


def test_an_image_of_the_same_kind_passes_and_others_are_noticed(card, nuclei):
    assert [check_image(image, card) for image in nuclei[6:]] == [[], []]
    for odd in (data.camera(), phase_like(), data.brick()):
        (sentence,) = check_image(odd, card)
        assert sentence.startswith(
            "This looks unlike what the model was trained on (fluorescence): its"
        )


def test_inverted_contrast_and_wrong_magnification_are_named(card, nuclei):
    image = nuclei[7].astype(float)
    assert "inverted" in check_image(image.max() - image, card)[0]
    assert "smaller magnification" in check_image(rescale(image, 0.25, anti_aliasing=True), card)[0]
    assert "larger magnification" in check_image(rescale(image, 4, order=3), card)[0]


def test_of_a_large_plane_the_middle_is_looked_at(card, nuclei):
    tiled = np.tile(nuclei[7], (8, 8))  # 2048 px
    assert unlike_training(tiled[np.newaxis], card) == ""
    tiled[256:1792, 256:1792] = tiled.max() - tiled[256:1792, 256:1792]
    assert "inverted" in unlike_training(tiled[np.newaxis], card)


def test_a_card_that_tells_only_the_kind_notices_other_kinds(make_model, nuclei):
    def card(**values):
        return make_model(normalisation=PERCENTILE, **values).card

    phase = card(modality="phase contrast")
    assert trained_on(phase) == "phase contrast"
    assert "it looks like fluorescence" in check_image(nuclei[0], phase)[0]
    fluorescence = card(modality="fluorescence")
    assert check_image(nuclei[0], fluorescence) == []
    assert "inverted" in check_image(-nuclei[0].astype(float), fluorescence)[0]
    assert check_image(data.camera(), fluorescence) == []  # it may be anything
    assert check_image(nuclei[0], card()) == []
    with pytest.raises(InputError):
        check_image(nuclei[0].astype(complex), phase)


# -- real images -----------------------------------------------------------------------------


def _read(folder, pick=lambda name: True, suffix="*"):
    paths = [path for path in sorted(folder.glob(suffix)) if pick(image_name(path))]
    return [imread(path) for path in paths]


@pytest.fixture(scope="module")
def dsb(shared_data):
    folder = shared_data / "nuclei-dsb2018" / "image"

    def read(split):
        return _read(folder, lambda name: hash_split(name) == split)

    return read


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_real_images_get_the_model_of_their_kind(shared_data, dsb):
    nuclei = [*dsb("test"), *_read(shared_data / "nuclei-bbbc039" / "image")]
    phase = _read(shared_data / "phase-usiigaci" / "test" / "image")
    other = _read(shared_data / "em-vnc" / "image", lambda name: int(name) > 9)
    other += _read(shared_data / "stain-jump" / "test" / "brightfield")
    assert [guess_kind(image) for image in nuclei] == ["fluorescence"] * len(nuclei)
    assert [guess_kind(image) for image in phase] == ["phase contrast"] * len(phase)
    assert [guess_kind(image) for image in other] == [None] * len(other)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_limits_of_real_nuclei_raise_few_false_alarms(shared_data, dsb, make_model):
    limits = look_limits([looks(image) for image in dsb("train")])
    card = make_model(input_looks=limits, normalisation=PERCENTILE).card
    held_out = dsb("test")
    alarms = sum(bool(check_image(image, card, None)) for image in held_out)
    assert alarms <= 0.05 * len(held_out)
    assert not any(check_image(x, card) for x in _read(shared_data / "nuclei-bbbc039" / "image"))
    assert all("inverted" in " ".join(check_image(255.0 - x, card)) for x in held_out[:10])
    noticed = [check_image(rescale(x[:128, :128], 4, order=1), card) for x in held_out[:20]]
    assert sum(map(bool, noticed)) >= 18
    others = [*_read(shared_data / "phase-usiigaci" / "test" / "image"), data.camera()]
    others += _read(shared_data / "stain-jump" / "test" / "brightfield")
    assert all(check_image(image, card) for image in others)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_limits_of_real_phase_contrast(shared_data, make_model):
    folder = shared_data / "phase-usiigaci"
    validation = {"08", "15", "19", "22"}
    train = _read(folder / "train" / "image", lambda name: name not in validation)
    limits = look_limits([looks(image) for image in train])
    card = make_model(input_looks=limits, normalisation=PERCENTILE).card
    held_out = _read(folder / "train" / "image", lambda name: name in validation)
    held_out += _read(folder / "test" / "image")
    assert not any(check_image(image, card) for image in held_out)
    nuclei = _read(shared_data / "nuclei-bbbc039" / "image")[:3]
    brightfield = _read(shared_data / "stain-jump" / "test" / "brightfield")
    for image in (*nuclei, *brightfield, data.camera(), -held_out[0].astype(float)):
        assert check_image(image, card)
    assert check_image(rescale(held_out[0].astype(float), 0.25, anti_aliasing=True), card)


def test_images_of_one_magnification_let_a_slightly_other_one_pass():
    sizes = [2.95, 3.0, 3.05, 3.1]  # of one stack, all alike
    low, high = look_limits([{"size": size} for size in sizes])["size"]
    assert low < 2.5
    assert high > 3.7
    assert low > 1.8  # half of it is another one
    assert high < 5
