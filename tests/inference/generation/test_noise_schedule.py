"""Schedules end in noise, and what a network predicts can be turned into the image."""

from __future__ import annotations

import pytest
import torch

from napari_cytosynth.inference.generation.noise_schedule import NoiseSchedule, betas

NAMES = ["linear", "scaled_linear", "cosine", "sigmoid"]
PREDICTIONS = ["epsilon", "v_prediction", "sample"]


def _images(count, seed):
    return torch.randn(count, 2, 4, 4, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("steps", [20, 250, 1000])
@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_starts_at_the_image_and_ends_in_noise(name, steps) -> None:
    share = NoiseSchedule(name, steps).alphas_cumprod
    assert share.shape == (steps,)
    assert (share.diff() < 0).all()
    assert share[0] > (0.99 if steps > 20 else 0.9)
    assert share[-1] < 0.01


@pytest.mark.parametrize("steps", [2, 20, 1000])
@pytest.mark.parametrize("name", NAMES)
def test_with_zero_terminal_snr_nothing_of_the_image_is_left(name, steps) -> None:
    schedule = NoiseSchedule(name, steps, "v_prediction", zero_terminal_snr=True)
    assert schedule.betas.isfinite().all()
    assert (schedule.betas > 0).all()
    assert (schedule.betas < 1).all()
    assert schedule.alphas_cumprod[-1] < 1e-6
    plain = NoiseSchedule(name, steps)
    torch.testing.assert_close(schedule.alphas_cumprod[0], plain.alphas_cumprod[0])


def test_the_linear_schedule_is_that_of_the_paper() -> None:
    found = betas("linear")
    assert found.dtype == torch.float64
    torch.testing.assert_close(
        found, torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), atol=1e-7, rtol=0
    )


def test_the_cosine_schedule_is_that_of_the_paper() -> None:
    share = NoiseSchedule("cosine", 100).alphas_cumprod
    t = torch.arange(1, 101) / 100
    angles = (torch.cat([torch.zeros(1), t]) + 0.008) / 1.008 * torch.pi / 2
    expected = angles.cos() ** 2 / angles[0].cos() ** 2
    torch.testing.assert_close(share[:-1], expected[1:-1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_noising_keeps_the_spread_of_standardised_images(name) -> None:
    schedule = NoiseSchedule(name, 50)
    time = torch.randint(50, (4000,), generator=torch.Generator().manual_seed(0))
    noisy = schedule.noised(_images(4000, 1), _images(4000, 2), time)
    assert noisy.std().item() == pytest.approx(1, abs=0.01)


def test_each_image_gets_the_noise_of_its_own_step() -> None:
    schedule = NoiseSchedule("cosine", 100)
    x, noise, time = _images(3, 1), _images(3, 2), torch.tensor([0, 50, 99])
    together = schedule.noised(x, noise, time)
    for i in range(3):
        share = schedule.alphas_cumprod[time[i]]
        torch.testing.assert_close(together[i], share.sqrt() * x[i] + (1 - share).sqrt() * noise[i])
    ratio = schedule.signal_to_noise(time)
    assert ratio[0] > 100
    assert ratio[2] < 0.01


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_prediction_gives_back_image_and_noise(name, prediction) -> None:
    schedule = NoiseSchedule(name, 100, prediction)
    x, noise, time = _images(4, 1), _images(4, 2), torch.tensor([1, 20, 50, 80])
    noisy, output = schedule.noised(x, noise, time), schedule.target(x, noise, time)
    torch.testing.assert_close(schedule.to_clean(output, noisy, time), x, atol=1e-3, rtol=0)
    torch.testing.assert_close(schedule.to_noise(output, noisy, time), noise, atol=1e-3, rtol=0)


@pytest.mark.parametrize("prediction", ["v_prediction", "sample"])
def test_pure_noise_gives_back_the_image_too(prediction) -> None:
    """Where predicting the noise would say nothing about the image."""
    schedule = NoiseSchedule("linear", 50, prediction, zero_terminal_snr=True)
    x, noise, time = _images(1, 1), _images(1, 2), torch.tensor([49])
    noisy, output = schedule.noised(x, noise, time), schedule.target(x, noise, time)
    torch.testing.assert_close(noisy, noise, atol=0.01, rtol=0)
    torch.testing.assert_close(schedule.to_clean(output, noisy, time), x, atol=1e-4, rtol=0)


def test_the_velocity_is_that_of_the_paper() -> None:
    schedule = NoiseSchedule("cosine", 100, "v_prediction")
    x, noise, time = _images(1, 1), _images(1, 2), torch.tensor([30])
    share = schedule.alphas_cumprod[30]
    expected = share.sqrt() * noise - (1 - share).sqrt() * x
    torch.testing.assert_close(schedule.target(x, noise, time), expected)


def test_schedules_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="one of linear, scaled_linear, cosine, sigmoid"):
        betas("quadratic")
    with pytest.raises(ValueError, match="at least two steps"):
        betas("linear", 1)
    with pytest.raises(ValueError, match="unknown prediction type"):
        NoiseSchedule("linear", 10, "score")
    with pytest.raises(ValueError, match="choose v_prediction or sample"):
        NoiseSchedule("linear", 10, "epsilon", zero_terminal_snr=True)
