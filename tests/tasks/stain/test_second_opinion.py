"""Second opinion on painted and erased nuclei, of simulated stains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.stain.result import Staining
from napari_cytosynth.tasks.stain.second_opinion import (
    DIFFER,
    ONLY_FIRST,
    ONLY_SECOND,
    may_judge,
    second_opinion,
)


def stained(dna, *others, name=""):
    planes = np.stack([dna, *others]).astype(np.float32)
    channels = ("DNA", "AGP", "ER")[: len(planes)]
    return Staining(planes, None, channels, "CYX", provenance={"model": {"sha256": name}})


@pytest.fixture(scope="module")
def scene():
    """Return simulated nuclei, their labels, and the label of one that touches nothing."""
    found = phantoms.fluorescent_nuclei((200, 200), count=12, seed=3, touching=0)
    image, labels = np.asarray(found.image, np.float32), np.asarray(found.labels)
    areas = np.bincount(labels.ravel())[1:]
    rims = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    inner = [n for n in range(1, len(areas) + 1) if n not in rims]
    return image, labels, max(inner, key=lambda n: areas[n - 1])


def without(image, labels, number):
    background = np.median(image[labels == 0])
    around = np.pad(labels == number, 6)
    near = np.zeros_like(around)
    for y in range(-6, 7):
        for x in range(-6, 7):
            near |= np.roll(around, (y, x), (0, 1))
    near = near[6:-6, 6:-6] & ((labels == number) | (labels == 0))
    noise = np.random.default_rng(0).permutation(image[labels == 0])
    erased = image.copy()
    erased[near] = background + (np.resize(noise, near.sum()) - background)
    return erased


def test_a_nucleus_that_only_one_model_paints_is_found(scene):
    image, labels, number = scene
    erased = without(image, labels, number)
    painted = second_opinion(stained(image, name="a"), stained(erased, name="b"))
    assert list(painted.objects["kind"]) == [ONLY_FIRST]
    row = painted.objects.iloc[0]
    inside = np.argwhere(labels == number).mean(0)
    assert [row["centroid_y_px"], row["centroid_x_px"]] == pytest.approx(inside.tolist(), abs=2)
    assert row["area_px"] == pytest.approx((labels == number).sum(), rel=0.2)
    other = second_opinion(stained(erased, name="a"), stained(image, name="b"))
    assert list(other.objects["kind"]) == [ONLY_SECOND]
    assert other.stain == "DNA"


def test_two_models_that_agree_have_nothing_to_list(scene):
    image, _, _ = scene
    noise = np.random.default_rng(1).normal(0, 0.01 * np.ptp(image), image.shape)
    found = second_opinion(stained(image, name="a"), stained(image + noise, name="b"))
    assert len(found.objects) == 0
    assert len(found.points) == 0


def test_against_a_blank_stain_every_nucleus_is_in_one_only(scene):
    image, labels, _ = scene
    found = second_opinion(stained(image, name="a"), stained(0 * image, name="b"))
    assert set(found.objects["kind"]) == {ONLY_FIRST}
    assert len(found.objects) == pytest.approx(len(np.unique(labels)) - 1, abs=1)


def test_a_nucleus_of_another_shape_differs(scene):
    image, labels, number = scene
    ys = np.nonzero(labels == number)[0]
    cut = (labels == number) & (np.indices(labels.shape)[0] > np.percentile(ys, 40))
    half = np.where(cut, without(image, labels, number), image)
    found = second_opinion(stained(image, name="a"), stained(half, name="b"))
    assert set(found.objects["kind"]) == {DIFFER}
    assert found.count(DIFFER) == 2  # one in each image
    assert found.objects["iou"].between(0.1, 0.5).all()


def test_the_real_stain_says_who_is_right(scene):
    image, labels, number = scene
    erased = without(image, labels, number)
    pair = stained(image, name="a"), stained(erased, name="b")
    assert second_opinion(*pair, real=image).objects["real_iou"].item() > 0.8
    assert second_opinion(*pair, real=erased).objects["real_iou"].item() < 0.1
    with pytest.raises(InputError, match="same field and size"):
        second_opinion(*pair, real=image[:-1])


def test_where_the_real_image_does_not_lie_it_says_nothing(scene):
    image, labels, number = scene
    pair = stained(image, name="a"), stained(without(image, labels, number), name="b")
    ys = np.nonzero(labels == number)[0]
    real = image.copy()
    real[: ys.max() + 5] = np.nan
    assert np.isnan(second_opinion(*pair, real=real).objects["real_iou"].item())
    real = image.copy()
    real[ys.max() + 12 :] = np.nan
    assert second_opinion(*pair, real=real).objects["real_iou"].item() > 0.8


def test_a_model_judges_another_kind_that_shows_the_same_stain(make_stainer):
    unknown = make_stainer().card
    assert may_judge(unknown, unknown)  # it is not known what either has seen
    known = unknown.training.model_copy(update={"datasets": ["these"]})
    own = unknown.model_copy(update={"training": known})
    assert not may_judge(own, own.model_copy(update={"name": "another seed"}))
    assert may_judge(own, unknown)
    assert may_judge(own, own.model_copy(update={"architecture": "UNet"}))
    others = own.inference.model_copy(update={"output_channels": ["NFH"]})
    strange = own.model_copy(update={"architecture": "UNet", "inference": others})
    assert not may_judge(own, strange)


def test_pixels_are_held_against_the_usual_difference_of_the_two():
    rng = np.random.default_rng(0)
    dna = rng.uniform(100, 1100, (80, 80))
    usual = stained(dna, dna, name="a"), stained(dna * rng.normal(1, 0.1, dna.shape), dna, name="b")
    assert len(second_opinion(*usual, stain="DNA").points) == 0
    usual[1].mean[0, 10:18, 20:28] += 3000
    found = second_opinion(*usual, stain="DNA")
    np.testing.assert_allclose(found.points, [[13.5, 23.5]], atol=0.2)
    assert found.features["times_usual"].item() > 5
    assert found.features["difference"].item() == pytest.approx(-3000, abs=150)


def test_points_of_a_stack_know_their_plane():
    mean = np.random.default_rng(0).normal(0, 1, (1, 3, 40, 40)).astype(np.float32)
    first = Staining(mean, None, ("ER",), "CTYX")
    second = Staining(mean + 0.01 * mean[:, ::-1], None, ("ER",), "CTYX")
    second.mean[0, 2, 5:15, 5:15] += 9
    found = second_opinion(first, second)
    np.testing.assert_allclose(found.points, [[2, 9.5, 9.5]])
    assert (found.stain, len(found.objects)) == ("", 0)  # no stain shows nuclei


def test_a_model_is_no_second_opinion_on_itself(make_stainer):
    image = np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)
    model, other = make_stainer(), make_stainer(seed=6)
    first, again = (cytosynth.stain(image, model, samples=n) for n in (0, 2))
    for second in (first, again):
        with pytest.raises(InputError, match="same model"):
            second_opinion(first, second)
    unlike = replace(other, sha256="f" * 64)
    assert second_opinion(first, cytosynth.stain(image, unlike, samples=0)).stain == "DNA"


def test_what_has_no_second_opinion():
    mean = np.zeros((2, 20, 20), np.float32)
    first = Staining(mean, None, ("DNA", "AGP"), "CYX")
    with pytest.raises(InputError, match="no stain in common"):
        second_opinion(first, Staining(mean, None, ("ER", "RNA"), "CYX"))
    with pytest.raises(InputError, match="shapes differ"):
        second_opinion(first, Staining(mean[:, 1:], None, ("DNA", "AGP"), "CYX"))
    with pytest.raises(InputError, match="function stain"):
        second_opinion(first, mean)
