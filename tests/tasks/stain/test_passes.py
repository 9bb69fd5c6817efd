"""Views, and the typical error of a card's curve."""

from __future__ import annotations

import numpy as np
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.inference.views import turned, turned_back
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.zoo.card import StainError, StainUncertainty, TypicalSpread


def curve(exponent=0.0):
    spreads = {"views": TypicalSpread(usual=[0.1, 0.1], exponent=exponent)}
    return StainError(levels=[-10.0, 10.0], errors=[0.05, 0.25], spreads=spreads)


@pytest.fixture(scope="module")
def model(make_stainer):
    return make_stainer()


@pytest.fixture(scope="module")
def curved(make_stainer):
    """A stainer whose card has curves of typical errors, in place of factors of the samples."""
    older = dict.fromkeys(("sigma_scale", "sigma_slope", "sigma_floor", "sigma_samples"))
    return make_stainer(
        uncertainty=StainUncertainty(stains=[curve(), curve(1.0)], views=2), **older
    )


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)


def run(image, model, **arguments):
    return cytosynth.stain(image, model, **({"precision": "float32"} | arguments))


def test_the_result_is_the_mean_of_all_views(image, model):
    single = [turned_back(run(turned(image, k), model, samples=0).mean, k) for k in range(8)]
    result = run(image, model, samples=0, views=8)
    assert result.views == 8
    np.testing.assert_allclose(result.mean, np.mean(single, 0), rtol=2e-4)
    np.testing.assert_allclose(result.view_std, np.std(single, 0, ddof=1), rtol=1e-2, atol=1e-2)
    assert result.std is None  # the card has no curve, and there are no samples


def test_an_older_card_keeps_its_samples_and_a_single_view(image, model):
    result = run(image, model)
    assert (result.views, result.count, result.view_std, result.sample_std) == (1, 16, None, None)


def test_views_and_samples_together(image, model):
    both = run(image, model, views=4, samples=3)
    np.testing.assert_array_equal(both.mean, run(image, model, views=4, samples=0).mean)
    np.testing.assert_array_equal(both.view_std, run(image, model, views=4, samples=0).view_std)
    assert (both.views, both.count) == (4, 3)
    assert both.std.min() > 0


def test_a_curve_gives_an_uncertainty_without_samples(image, curved):
    result = run(image, curved, views=1)
    level = (result.mean[0] - 100) / 1000
    expected = 1000 * np.interp(level, [-10, 10], [0.05, 0.25])
    np.testing.assert_allclose(result.std[0], expected, rtol=1e-4)
    assert result.calibrated
    assert (result.count, result.sample_std, result.view_std) == (0, None, None)


def test_views_widen_only_the_stain_for_which_they_told_more(image, curved):
    result = run(image, curved)
    assert result.views == 2  # as the card says
    plain = [np.interp(level, [-10, 10], [0.05, 0.25]) for level in _levels(result)]
    np.testing.assert_allclose(result.std[0], 1000 * plain[0], rtol=1e-4)
    excess = np.clip(result.view_std[1] / 200 / 0.1, 1 / 8, 8)
    np.testing.assert_allclose(result.std[1], 200 * plain[1] * excess, rtol=1e-3)


def _levels(result):
    return (result.mean[0] - 100) / 1000, (result.mean[1] - 50) / 200


def test_the_spread_of_samples_stays_available_beside_a_curve(image, curved, model):
    result = run(image, curved, views=1, samples=3)
    bare = make_bare(model)
    np.testing.assert_allclose(result.sample_std, run(image, bare, samples=3).std, rtol=1e-5)
    np.testing.assert_array_equal(result.std[0].argmax(), result.mean[0].argmax())


def make_bare(model):
    from dataclasses import replace

    names = ("sigma_scale", "sigma_slope", "sigma_floor", "sigma_samples")
    inference = model.card.inference.model_copy(update=dict.fromkeys(names))
    return replace(model, card=model.card.model_copy(update={"inference": inference}))


def test_each_view_is_shown_and_enough_is_enough(image, curved):
    shown = []
    result = run(
        np.stack([image, image[::-1]]),
        curved,
        axes="TYX",
        views=8,
        on_update=lambda place, count, mean, std: shown.append((place, count, std is None)),
        enough=lambda: len(shown) == 3,
    )
    assert shown == [((0,), 1, False), ((0,), 2, False), ((0,), 3, False)] + [
        ((1,), n, False) for n in (1, 2, 3)
    ]
    assert result.views == 3
    assert "Stopped after 3 of 8 views." in result.messages
    assert "views=3" in as_python(result.provenance)


def test_a_script_of_an_older_record_asks_for_a_single_view(image, model):
    record = run(image, model, samples=3).provenance
    del record["parameters"]["views"]
    assert "views=1" in as_python(record)


def test_a_constant_plane_has_no_uncertainty(curved):
    result = run(np.full((40, 56), 7, np.uint8), curved)
    assert not result.mean.any()
    assert not result.std.any()
    assert "says nothing" in result.messages[0]
