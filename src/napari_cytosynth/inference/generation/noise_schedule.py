"""The forward process of diffusion models, and the clean image of a network's output.

References
----------
Ho et al. 2020, arXiv:2006.11239. Cosine schedule: Nichol and Dhariwal 2021,
arXiv:2102.09672. Velocity: Salimans and Ho 2022, arXiv:2202.00512. Zero terminal SNR: Lin
et al. 2024, arXiv:2305.08891. Rectified flow: Liu et al. 2022, arXiv:2209.03003. The other
schedules are those of `diffusers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import PredictionType, ScheduleName

__all__ = ["NoiseSchedule", "betas"]

_NAMES = {
    "linear": ("linear", 1e-4, 0.02),
    "scaled_linear": ("scaled_linear", 0.00085, 0.012),
    "cosine": ("squaredcos_cap_v2", 1e-4, 0.02),
    "sigmoid": ("sigmoid", 1e-4, 0.02),
}
_REFERENCE_STEPS = 1000  # the ends of the linear schedules are meant for as many steps
# What is left of the signal's variance where none may be left: samplers divide by its root.
_NOTHING = 2.0**-24


def betas(
    name: ScheduleName, steps: int = 1000, *, zero_terminal_snr: bool = False
) -> torch.Tensor:
    """Return the noise variance that each training step adds.

    Parameters
    ----------
    name
        Schedule: linear, scaled_linear (linear in the standard deviation), cosine, sigmoid.
    steps
        Number of steps T. The linear schedules are stretched for T other than
        1000, so that the last step is as noisy as with 1000. Default: 1000.
    zero_terminal_snr
        Rescale so that the last step holds nothing of the image. Default: False.

    Returns
    -------
    Tensor
        (T,) float64 in (0, 1).

    Raises
    ------
    ValueError
        If the schedule is unknown, or there are fewer than two steps.
    """
    if name not in _NAMES:
        raise ValueError(f"the schedule must be one of {', '.join(_NAMES)}, not {name}")
    if steps < 2:
        raise ValueError("a diffusion needs at least two steps")
    from diffusers import DDPMScheduler
    from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr

    kind, start, end = _NAMES[name]
    stretch = _REFERENCE_STEPS / steps
    scheduler: Any = DDPMScheduler(  # type: ignore[no-untyped-call]
        num_train_timesteps=steps,
        beta_schedule=kind,
        beta_start=min(start * stretch, 0.5),
        beta_end=min(end * stretch, 0.999),
    )
    result: torch.Tensor = scheduler.betas.double()
    if zero_terminal_snr:
        result = rescale_zero_terminal_snr(result)
        result[-1] = min(float(result[-1]), 1 - _NOTHING)
    return result


class NoiseSchedule:
    """The mixture of image and noise at each step: √ᾱ · image + √(1 - ᾱ) · noise.

    Of a rectified flow, (1 - s) · image + s · noise, on straight lines: s = (step + 1) / T.

    Parameters
    ----------
    name, steps, zero_terminal_snr
        As of :func:`betas`.
    prediction_type
        What the network predicts: the noise (epsilon), the velocity (v_prediction), the clean
        image (sample), or the noise less the image on straight lines (flow), for which the other
        arguments but `steps` do not matter. Default: ``"epsilon"``.

    Attributes
    ----------
    alphas_cumprod
        (T,) float32: the fraction ᾱ of the image's variance at each step; of a flow, that of
        the mixture scaled to the same variance.
    straight : bool
        Whether it is that of a flow.
    """

    def __init__(
        self,
        name: ScheduleName,
        steps: int = 1000,
        prediction_type: PredictionType = "epsilon",
        *,
        zero_terminal_snr: bool = False,
    ) -> None:
        if prediction_type not in ("epsilon", "v_prediction", "sample", "flow"):
            raise ValueError(f"unknown prediction type {prediction_type}")
        if prediction_type == "epsilon" and zero_terminal_snr:
            raise ValueError(
                "from pure noise nothing can be learned by predicting the noise: "
                "with zero_terminal_snr choose v_prediction or sample"
            )
        self.steps, self.prediction_type = steps, prediction_type
        self.straight = prediction_type == "flow"
        if self.straight:
            noise = self.noise_share(torch.arange(steps, dtype=torch.float64))
            share = (1 - noise).square() / ((1 - noise).square() + noise.square())
            self.betas = 1 - share / torch.cat([share.new_ones(1), share[:-1]])
        else:
            self.betas = betas(name, steps, zero_terminal_snr=zero_terminal_snr)
        self.alphas_cumprod = (1 - self.betas).cumprod(0).float()

    def noise_share(self, time: torch.Tensor) -> torch.Tensor:
        """Return how far on the straight line to the noise a flow is at (N,) steps."""
        return (time + 1) / self.steps

    def mixture(self, like: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return √ᾱ and √(1 - ᾱ) at (N,) steps, shaped to multiply (N, C, Y, X).

        Of a flow, 1 - s and s.
        """
        if self.straight:
            share = self.noise_share(time.to(like.device)).float().reshape(-1, 1, 1, 1)
            return 1 - share, share
        alpha_bar = self.alphas_cumprod.to(like.device)[time.long()].reshape(-1, 1, 1, 1)
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

    def signal_to_noise(self, time: torch.Tensor) -> torch.Tensor:
        """Return ᾱ / (1 - ᾱ) at (N,) steps."""
        alpha_bar = self.alphas_cumprod.to(time.device)[time.long()]
        return alpha_bar / (1 - alpha_bar)

    def noised(self, x: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Mix (N, C, Y, X) images and noise as at (N,) steps."""
        signal, sigma = self.mixture(x, time)
        return signal * x + sigma * noise

    def target(self, x: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return the training target of the network."""
        if self.prediction_type == "epsilon":
            return noise
        if self.prediction_type == "sample":
            return x
        if self.straight:
            return noise - x
        signal, sigma = self.mixture(x, time)
        return signal * noise - sigma * x

    def to_clean(
        self, output: torch.Tensor, noisy: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        """Convert the network's output to the clean image."""
        if self.prediction_type == "sample":
            return output
        signal, sigma = self.mixture(noisy, time)
        if self.prediction_type == "epsilon":
            return (noisy - sigma * output) / signal
        if self.straight:
            return noisy - sigma * output
        return signal * noisy - sigma * output

    def to_noise(
        self, output: torch.Tensor, noisy: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        """Convert the network's output to the noise."""
        if self.prediction_type == "epsilon":
            return output
        signal, sigma = self.mixture(noisy, time)
        if self.prediction_type == "sample":
            return (noisy - signal * output) / sigma
        if self.straight:
            return noisy + signal * output
        return sigma * noisy + signal * output
