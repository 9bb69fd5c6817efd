"""The samplers of `diffusers` on an explicit list of time steps.

References
----------
DDPM: Ho et al. 2020, arXiv:2006.11239. DDIM: Song et al. 2021, arXiv:2010.02502.
DPM-Solver++: Lu et al. 2022, arXiv:2211.01095. UniPC: Zhao et al. 2023, arXiv:2302.04867.
Rectified flow, by Euler: Liu et al. 2022, arXiv:2209.03003.
Leaving out time steps by merging their noise: Nichol and Dhariwal 2021, arXiv:2102.09672.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cytosynth.zoo.card import SamplerName

    from .noise_schedule import NoiseSchedule

__all__ = ["SamplingSteps", "time_steps"]

# Below, a cosine schedule holds so little of the image that solvers which divide by it fail.
_LOWEST_LOG_SNR = -5.1
# float32 has no number between this and 1; samplers divide by the root of what is left.
_ALL_BUT_NOTHING = 1 - 2.0**-24


def time_steps(schedule: NoiseSchedule, steps: int, sampler: SamplerName) -> list[int]:
    """Choose time steps that are evenly spaced in log signal-to-noise ratio.

    Those of a flow are evenly spaced in time, as its lines are straight.
    Evenly spaced in time, 25 steps of a cosine schedule would end so far from the clean
    image that half of its fine detail is lost; so, all but 1 % is kept.

    Parameters
    ----------
    schedule
        The schedule that the network was trained with.
    steps
        How many, 1 to the number that the network was trained with.
    sampler
        Name of the sampler. Where the network predicts noise, DPM-Solver++ and UniPC
        leave out the noisiest steps, at which the image cannot be distinguished from it.

    Returns
    -------
    list of int
        Falling strictly, from the noisiest step; as many as requested and possible.
    """
    if schedule.straight:
        count = min(steps, schedule.steps)
        return [schedule.steps * (count - number) // count - 1 for number in range(count)]
    alpha_bar = schedule.alphas_cumprod.double()
    log_snr = 0.5 * (alpha_bar / (1 - alpha_bar)).log()
    last = schedule.steps - 1
    if sampler in ("dpm++", "unipc") and schedule.prediction_type == "epsilon":
        last = max(int((log_snr >= _LOWEST_LOG_SNR).sum()) - 1, 0)
    count = min(steps, last + 1)
    start = max(float(log_snr[last]), _LOWEST_LOG_SNR)
    wanted = torch.linspace(start, float(log_snr[0]), count, dtype=torch.float64)
    nearest = (log_snr - wanted[:, None]).abs().argmin(dim=1).tolist()
    times = [last]
    for number in range(1, count):  # each a step of its own, and room for those to come
        times.append(max(min(nearest[number], times[-1] - 1), count - 1 - number))
    return times


class SamplingSteps:
    """The sampling steps of one batch, from noise to image.

    Parameters
    ----------
    sampler
        Name of the sampler; DDIM without noise of its own.
    steps
        How many, as of :func:`time_steps`.
    schedule
        The schedule that the network was trained with.

    Attributes
    ----------
    times : list of int
        Time steps at which the network is evaluated, the noisiest first.
    """

    def __init__(self, sampler: SamplerName, steps: int, schedule: NoiseSchedule) -> None:
        self.times = time_steps(schedule, steps, sampler)
        self._schedule = schedule
        self._takes_noise = sampler == "ddpm"
        if schedule.straight:
            self._scheduler = _flow_scheduler(schedule, self.times)
            return
        self._scheduler = _scheduler(sampler, _merged_betas(schedule, self.times))
        # Its own idea of spacing has nothing left to choose: each of its steps, once.
        self._scheduler.set_timesteps(len(self.times))

    def step(
        self,
        number: int,
        clean: torch.Tensor,
        noisy: torch.Tensor,
        generators: Sequence[torch.Generator],
    ) -> torch.Tensor:
        """Apply the step `number`, counted from 0, to a noisy batch.

        Parameters
        ----------
        number
            Position in :attr:`times`; the steps must be taken one after the other.
        clean
            (N, C, Y, X): the clean image estimated from `noisy`.
        noisy
            (N, C, Y, X) at this step.
        generators
            One of each image, on the CPU; only DDPM draws from them.
        """
        if self._schedule.straight:
            share = float(self._scheduler.sigmas[number])
            clean = (noisy - clean) / share  # the direction, which is what it takes
        noise: dict[str, Any] = {"generator": list(generators)} if self._takes_noise else {}
        time = self._scheduler.timesteps[number]
        result: torch.Tensor = self._scheduler.step(clean, time, noisy, **noise).prev_sample
        return result


def _flow_scheduler(schedule: NoiseSchedule, times: Sequence[int]) -> Any:
    import diffusers

    library: Any = diffusers  # which has no types
    scheduler = library.FlowMatchEulerDiscreteScheduler(num_train_timesteps=schedule.steps)
    shares = schedule.noise_share(torch.tensor(times, dtype=torch.float64))
    scheduler.set_timesteps(sigmas=shares.tolist())
    return scheduler


def _merged_betas(schedule: NoiseSchedule, times: Sequence[int]) -> list[float]:
    """Return the betas of the schedule reduced to these times, the least noisy first.

    Samplers that skip steps of the full schedule take the previous one to be
    ``T // steps`` away, which is wrong where the division leaves a rest.
    """
    alpha_bar = (1 - schedule.betas.double()).cumprod(0)[sorted(times)]
    before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
    betas: list[float] = (1 - alpha_bar / before).clamp(max=_ALL_BUT_NOTHING).tolist()
    return betas


def _scheduler(sampler: SamplerName, betas: list[float]) -> Any:
    """Build the scheduler; it takes the clean image, already clipped where needed."""
    import diffusers

    library: Any = diffusers  # which has no types
    common: dict[str, Any] = {
        "num_train_timesteps": len(betas),
        "trained_betas": betas,
        "prediction_type": "sample",
        "timestep_spacing": "trailing",
    }
    if sampler == "ddpm":
        return library.DDPMScheduler(**common, clip_sample=False)
    if sampler == "ddim":
        return library.DDIMScheduler(**common, clip_sample=False)
    if sampler == "dpm++":
        return library.DPMSolverMultistepScheduler(**common, solver_order=2)
    return library.UniPCMultistepScheduler(**common, solver_order=2)
