"""The bound is that of the closed form where the data are normal, and near their entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from napari_cytosynth.errors import Cancelled, InputError, ModelError, OutOfMemoryError
from napari_cytosynth.inference.generation import likelihood
from napari_cytosynth.inference.generation.likelihood import bits_per_dim
from napari_cytosynth.inference.generation.noise_schedule import NoiseSchedule

MEAN, SPREAD = -0.2, 0.15
LEVEL = 2 / 255


class Gaussian(nn.Module):
    """The best denoiser of pixels that are normal."""

    def __init__(self, schedule: NoiseSchedule) -> None:
        super().__init__()
        self.schedule = schedule

    def forward(self, x, time, label=None, condition=None):
        signal, sigma = self.schedule.mixture(x, time)
        gain = signal * SPREAD**2 / (signal**2 * SPREAD**2 + sigma**2)
        clean = MEAN + gain * (x - signal * MEAN)
        return self.schedule.target(clean, (x - signal * clean) / sigma, time)


@pytest.fixture
def gaussian(make_generator):
    """Return the function that makes the best denoiser, its card's block and its schedule."""

    def make(steps: int = 50, prediction: str = "v_prediction", name: str = "linear"):
        values = {"training_steps": steps, "prediction_type": prediction, "schedule": name}
        inference = make_generator("diffusion", **values).card.inference
        schedule = NoiseSchedule(name, steps, prediction)  # type: ignore[arg-type]
        return Gaussian(schedule), inference, schedule

    return make


def pictures(count: int, size: int = 32, seed: int = 0) -> np.ndarray:
    """Return normal pixels; all together they have exactly the mean and the spread."""
    values = np.random.default_rng(seed).normal(size=(count, 1, size, size))
    return MEAN + SPREAD * (values - values.mean()) / values.std()


def closed_form(schedule: NoiseSchedule) -> tuple[float, float, float]:
    """Return prior, steps and decoder in bits per pixel, of the best denoiser."""
    betas = schedule.betas.numpy()
    share = np.cumprod(1 - betas)
    ratio = share / (1 - share)
    error = 1 / (1 / SPREAD**2 + ratio)  # mean squared error of the best denoiser
    last = share[-1]
    prior = 0.5 * (last * (MEAN**2 + SPREAD**2) - last - math.log(1 - last))
    steps = 0.5 * ((ratio[:-1] - ratio[1:]) * error[1:]).sum()
    variance = betas[1] * (1 - share[0]) / (1 - share[1])  # broad: levels count as density
    decoder = 0.5 * (math.log(2 * math.pi * variance) + error[0] / variance) - math.log(LEVEL)
    return tuple(np.array([prior, steps, decoder]) / math.log(2))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_each_term_is_that_of_the_closed_form(gaussian, prediction):
    network, inference, schedule = gaussian(50, prediction)
    found = bits_per_dim(network, inference, pictures(64), clip=False)
    prior, steps, decoder = closed_form(schedule)
    assert found.prior.mean() == pytest.approx(prior, rel=0.02)
    assert found.steps.mean() == pytest.approx(steps, rel=0.01)
    assert found.decoder.mean() == pytest.approx(decoder, rel=0.02)
    assert found.evaluated == 50
    assert found.mean == pytest.approx(prior + steps + decoder, abs=0.03)


def test_the_bound_of_a_real_schedule_is_above_the_entropy(gaussian):
    network, inference, schedule = gaussian(1000, name="cosine")
    entropy = 0.5 * math.log2(2 * math.pi * math.e * SPREAD**2) - math.log2(LEVEL)
    found = bits_per_dim(network, inference, pictures(16, 16), times=60)
    # The decoder's levels are as broad as its spread here, so that a density says too much.
    assert found.mean == pytest.approx(sum(closed_form(schedule)), abs=0.15)
    assert entropy < found.mean < entropy + 1


def test_a_few_steps_estimate_what_all_of_them_say(gaussian):
    network, inference, _ = gaussian(100)
    images = pictures(32, 16)
    whole = bits_per_dim(network, inference, images)
    some = bits_per_dim(network, inference, images, times=10, seed=500)
    assert some.evaluated == 11
    assert some.mean == pytest.approx(whole.mean, abs=0.06)
    assert 0 < some.standard_error < 0.15


def test_neither_batches_nor_other_images_change_an_images_bits(make_generator):
    model = make_generator("diffusion")
    images = pictures(5, 16)
    whole = bits_per_dim(model.network, model.card.inference, images, times=5)
    parts = bits_per_dim(model.network, model.card.inference, images, times=5, batch_size=2)
    first = bits_per_dim(model.network, model.card.inference, images[:1], times=5)
    np.testing.assert_allclose(parts.bits, whole.bits, rtol=1e-4)
    np.testing.assert_allclose(first.bits, whole.bits[:1], rtol=1e-4)
    assert math.isnan(first.standard_error)


def test_a_worse_denoiser_needs_more_bits(gaussian):
    network, inference, _ = gaussian()
    spoiled = nn.Module()
    spoiled.forward = lambda *told: network(*told) + 0.2  # type: ignore[method-assign]
    images = pictures(4, 16)
    worse = bits_per_dim(spoiled, inference, images).mean
    assert worse > bits_per_dim(network, inference, images).mean + 0.1


def test_the_probabilities_of_all_levels_add_up_and_far_ones_stay_finite():
    levels = torch.linspace(-1, 1, 256, dtype=torch.float64)
    for mean, sigma in ((0.3, 0.004), (-1.2, 0.1), (1.0, 2.0)):
        logs = likelihood._log_probability(levels, torch.tensor(mean), sigma)
        assert float(logs.exp().sum()) == pytest.approx(1)
        assert bool(logs.isfinite().all())


def test_classes_and_conditions_count(make_generator):
    for kind, channels, wish in (("classes", 3, "labels"), ("pairs", 2, "conditions")):
        model = make_generator(kind)
        images = np.zeros((2, channels, 16, 16))
        told = {"labels": [1, 1], "conditions": [[2.0], [2.0]]}[wish]
        without = bits_per_dim(model.network, model.card.inference, images)
        with_it = bits_per_dim(model.network, model.card.inference, images, **{wish: told})
        assert without.mean != with_it.mean
        with pytest.raises(InputError, match="each image"):
            bits_per_dim(model.network, model.card.inference, images, **{wish: told[:1]})


@pytest.mark.parametrize("kind", ["vae", "gan", "latent"])
def test_other_families_have_no_likelihood(make_generator, kind):
    model = make_generator(kind)
    with pytest.raises(ModelError, match="bits per dimension"):
        bits_per_dim(model.network, model.card.inference, np.zeros((1, 1, 16, 16)))


@pytest.mark.parametrize(
    ("images", "times", "words"),
    [
        (np.zeros((1, 16, 16)), None, "axes"),
        (np.zeros((1, 2, 16, 16)), None, "1 channels"),
        (np.zeros((0, 1, 16, 16)), None, "axes"),
        (np.zeros((1, 1, 16, 15)), None, "multiples of 4"),
        (np.full((1, 1, 16, 16), 2.0), None, "between -1 and 1"),
        (np.full((1, 1, 16, 16), np.nan), None, "NaN"),
        (np.zeros((1, 1, 16, 16)), 20, "between 1 and 19"),
        (np.zeros((1, 1, 16, 16)), 0, "between 1 and 19"),
    ],
)
def test_images_that_do_not_fit_are_refused_in_words(make_generator, images, times, words):
    model = make_generator("diffusion")
    with pytest.raises(InputError, match=words):
        bits_per_dim(model.network, model.card.inference, images, times=times)


def test_memory_and_cancelling(make_generator, monkeypatch):
    model = make_generator("diffusion")
    images = pictures(4, 16)
    expected = bits_per_dim(model.network, model.card.inference, images, times=3).bits
    terms, most = likelihood._Bound.terms, [1]

    def few(self, batch, *others):
        if len(batch) > most[0]:
            raise torch.OutOfMemoryError("out of memory")
        return terms(self, batch, *others)

    monkeypatch.setattr(likelihood._Bound, "terms", few)
    found = bits_per_dim(model.network, model.card.inference, images, times=3).bits
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    most[0] = 0
    with pytest.raises(OutOfMemoryError):
        bits_per_dim(model.network, model.card.inference, images, times=3)
    most[0] = 1

    def stop(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        bits_per_dim(model.network, model.card.inference, images, times=3, progress=stop)
