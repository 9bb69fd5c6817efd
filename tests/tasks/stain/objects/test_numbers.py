"""Numbers of cells with intervals, on made-up cells of known scatter."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import ellipse

from napari_cytosynth.tasks.stain.objects.numbers import fit_number, measured_numbers


def cells(rng, count=2000, scatter=0.2, more=0.0):
    virtual, doubt = rng.lognormal(6, 0.4, count), rng.uniform(0, 1, count)
    real = virtual * np.exp(rng.normal(0.1, scatter * np.exp(more * doubt)))
    return virtual, doubt, real


def test_numbers_of_an_ellipse():
    labels = np.zeros((60, 80), np.int32)
    labels[ellipse(30, 40, 10, 20)] = 1
    plane = np.where(labels > 0, 110.0, 10.0)
    found = measured_numbers(labels, {"DNA": plane})
    assert found["area_px"] == pytest.approx([np.pi * 200], rel=0.02)
    assert found["eccentricity"] == pytest.approx([np.sqrt(1 - 0.25)], abs=0.01)
    assert found["mean DNA"] == pytest.approx([100])  # above the background
    assert found["sum DNA"] == pytest.approx(100 * found["area_px"])
    assert measured_numbers(np.zeros_like(labels), {"DNA": plane})["mean DNA"].shape == (0,)


@pytest.mark.parametrize("more", [0.0, 1.5])
def test_intervals_hold_what_they_say_for_sure_and_for_doubtful_cells(more):
    rng = np.random.default_rng(0)
    fit = fit_number("area_px", *cells(rng, more=more))
    virtual, doubt, real = cells(rng, more=more)
    low, middle, high = fit.interval(virtual, doubt)
    held = (low <= real) & (real <= high)
    for part in (doubt < 0.3, doubt > 0.7):
        assert held[part].mean() == pytest.approx(0.68, abs=0.06)
    assert np.median(middle / virtual) == pytest.approx(np.exp(0.1), rel=0.03)  # the bias is gone
    width = np.log(high / low)
    grows = width[doubt > 0.7].mean() / width[doubt < 0.3].mean()
    assert grows == pytest.approx(np.exp(0.7 * more), rel=0.2)


def test_a_prediction_without_information_falls_back_on_the_population():
    rng = np.random.default_rng(1)
    real = rng.lognormal(6, 0.4, 2000)
    fit = fit_number("area_px", rng.permutation(real), np.zeros(2000), real)
    assert fit.slope == pytest.approx(0, abs=0.1)
    low, _, high = fit.interval([100.0, 2000.0], [0, 0])
    assert low[0] == pytest.approx(low[1], rel=0.3)
    assert np.log(high / low) == pytest.approx(2 * 0.4, rel=0.25)


def test_an_eccentricity_stays_between_0_and_1():
    rng = np.random.default_rng(2)
    real = np.sqrt(1 - np.exp(-rng.exponential(1, 1000)))
    fit = fit_number("eccentricity", real, np.zeros(1000), real)
    low, middle, high = fit.interval([0.0, 0.5, 0.999], [1, 1, 1])
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (low <= middle).all()
    assert (middle <= high).all()


def test_the_true_number_is_denser_where_it_was_predicted():
    rng = np.random.default_rng(3)
    virtual, doubt, real = cells(rng)
    fit = fit_number("sum DNA", virtual, doubt, real)
    right = fit.log_density(virtual, doubt, real).mean()
    assert right > fit.log_density(rng.permutation(virtual), doubt, real).mean() + 0.5


def fields_of_cells(rng, offsets, count=150, scatter=0.2):
    """Return virtual, doubt, real and field of cells whose fields are brighter than predicted."""
    parts = []
    for name, offset in enumerate(offsets):
        virtual, doubt, real = cells(rng, count, scatter)
        parts.append((virtual, doubt, real * np.exp(offset - 0.1), np.full(count, name)))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def test_offsets_of_whole_fields_widen_the_interval_and_their_absence_does_not():
    rng = np.random.default_rng(4)
    none = fit_number("sum DNA", *fields_of_cells(rng, np.zeros(6)))
    assert none.field_width < 0.25 * np.exp(none.log_width)
    offsets = rng.normal(0, 0.4, 6)
    fit = fit_number("sum DNA", *fields_of_cells(rng, offsets))
    assert np.exp(fit.log_width) == pytest.approx(np.exp(none.log_width), rel=0.1)
    assert fit.field_width > 2 * np.exp(fit.log_width)


def test_intervals_hold_their_share_of_the_cells_of_new_fields():
    rng, held, blind = np.random.default_rng(5), [], []
    for _ in range(40):
        *known, names = fields_of_cells(rng, rng.normal(0, 0.4, 5), 60)
        virtual, doubt, real, _ = fields_of_cells(rng, rng.normal(0, 0.4, 1), 60)
        for found, fields in ((held, names), (blind, None)):
            low, _, high = fit_number("mean RNA", *known, fields).interval(virtual, doubt)
            found.append(np.mean((low <= real) & (real <= high)))
    assert np.mean(held) == pytest.approx(0.68, abs=0.08)
    assert np.mean(blind) < np.mean(held) - 0.02


def test_an_offset_is_corrected_only_as_far_as_the_fields_agree_on_it():
    rng = np.random.default_rng(6)

    def middle(offsets):
        virtual, doubt, real, names = fields_of_cells(rng, offsets)
        fit = fit_number("sum ER", virtual, doubt, real, names)
        return np.log(np.median(fit.interval(virtual, doubt)[1] / virtual))

    assert middle([0.3, 0.32, 0.28, 0.3]) == pytest.approx(0.3, abs=0.03)
    assert middle([0.5, -0.4, 0.45, -0.35]) == pytest.approx(0, abs=0.02)


def test_a_field_of_a_single_cell_is_no_field_of_its_own():
    rng = np.random.default_rng(7)
    virtual, doubt, real, names = fields_of_cells(rng, np.zeros(4))
    odd = fit_number(
        "area_px",
        np.append(virtual, 400.0),
        np.append(doubt, 0.5),
        np.append(real, 900.0),
        np.append(names, 99),
    )
    assert odd.field_width < 0.4
    assert odd.slope == pytest.approx(1, abs=0.1)
