"""Samplers, given a denoiser that is right, draw what the data are, fine detail included."""

from __future__ import annotations

import pytest
import torch

from napari_cytosynth.inference.generation.noise_schedule import NoiseSchedule
from napari_cytosynth.inference.generation.request import SAMPLERS
from napari_cytosynth.inference.generation.samplers import SamplingSteps, time_steps

SCHEDULES = [
    ("cosine", "epsilon", False),
    ("cosine", "v_prediction", True),
    ("linear", "epsilon", False),
    ("linear", "v_prediction", True),
    ("scaled_linear", "sample", True),
    ("sigmoid", "v_prediction", False),
]


def schedule_of(name: str, prediction: str, zero: bool, steps: int = 1000) -> NoiseSchedule:
    return NoiseSchedule(name, steps, prediction, zero_terminal_snr=zero)  # type: ignore[arg-type]


def sample(sampler: str, steps: int, schedule: NoiseSchedule, spread: float) -> torch.Tensor:
    """Draw 32 images of 16 x 16 px whose pixels are normal, mean -0.4 and of this spread.

    The best denoiser of such data is known in closed form.
    """
    walk = SamplingSteps(sampler, steps, schedule)  # type: ignore[arg-type]
    generators = [torch.Generator().manual_seed(seed) for seed in range(32)]
    field = torch.stack([torch.randn(1, 16, 16, generator=each) for each in generators])
    for number, time in enumerate(walk.times):
        share = schedule.alphas_cumprod[time]
        gain = share.sqrt() * spread**2 / (share * spread**2 + 1 - share)
        clean = -0.4 + gain * (field - share.sqrt() * -0.4)
        field = walk.step(number, clean, field, generators)
    return field


@pytest.mark.parametrize("spec", SCHEDULES)
@pytest.mark.parametrize(
    ("sampler", "steps", "tolerance"),
    # DDIM is of first order, and DDPM's noise is that of small steps.
    [("ddpm", 200, 0.05), ("ddim", 100, 0.05), ("dpm++", 25, 0.02), ("unipc", 25, 0.02)],
)
def test_samplers_draw_the_mean_and_the_spread_of_the_data(spec, sampler, steps, tolerance):
    drawn = sample(sampler, steps, schedule_of(*spec), spread=0.25)
    assert float(drawn.mean()) == pytest.approx(-0.4, abs=0.01)
    assert float(drawn.std()) == pytest.approx(0.25, rel=tolerance)


@pytest.mark.parametrize("sampler", ["dpm++", "unipc"])
@pytest.mark.parametrize("spec", [spec for spec in SCHEDULES if spec[0] != "scaled_linear"])
def test_faint_detail_survives_few_steps(spec, sampler):
    # Not with scaled_linear: its very first step hides detail of 0.03, whatever the sampler.
    drawn = sample(sampler, 25, schedule_of(*spec), spread=0.05)
    assert float(drawn.std()) == pytest.approx(0.05, rel=0.04)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "euler"])
@pytest.mark.parametrize("spec", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 30, 333, 999, 1000])
def test_steps_fall_and_are_as_many_as_asked_for(spec, sampler, steps):
    schedule = schedule_of(*spec)
    times = time_steps(schedule, steps, sampler)
    assert times == sorted(set(times), reverse=True)
    assert 0 <= times[-1]
    if steps > 1:
        assert times[-1] == 0
    if sampler in ("ddpm", "ddim") or schedule.prediction_type != "epsilon":
        assert len(times) == steps
        assert times[0] == 999
    else:  # solvers leave out what holds no image
        assert len(times) == min(steps, times[0] + 1)
        assert times[0] > 900
        assert schedule.alphas_cumprod[times[0]] < 1e-4


def test_all_steps_of_ddpm_are_those_of_diffusers_own_long_way():
    import diffusers

    schedule = schedule_of("linear", "epsilon", False, steps=30)
    own = diffusers.DDPMScheduler(
        num_train_timesteps=30,
        trained_betas=schedule.betas.tolist(),
        prediction_type="sample",
        clip_sample=False,
    )
    own.set_timesteps(30)
    walk = SamplingSteps("ddpm", 30, schedule)
    assert walk.times == own.timesteps.tolist()
    ours = theirs = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    first, second = (torch.Generator().manual_seed(1) for _ in range(2))
    for number, time in enumerate(walk.times):
        ours = walk.step(number, ours.tanh(), ours, [first])
        theirs = own.step(theirs.tanh(), time, theirs, generator=[second]).prev_sample
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
