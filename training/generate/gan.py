"""Training of the WGAN-GP: several steps of the critic for one of the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from napari_cytosynth.metrics.distribution import kernel_distance
from napari_cytosynth.models.wgan import Critic
from napari_cytosynth.tasks.generate.features import load_features
from napari_cytosynth.training.loop.module import NetworkModule
from napari_cytosynth.training.loop.optimisers import make_optimiser, make_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.models.wgan import WGAN

    from .recipe import GanObjective, GenerateRecipe

__all__ = ["GanModule", "gradient_penalty"]

_BETAS = (0.0, 0.9)  # of Adam in Gulrajani et al. 2017


def gradient_penalty(
    critic: Callable[[torch.Tensor], torch.Tensor],
    real: torch.Tensor,
    generated: torch.Tensor,
    fraction: torch.Tensor,
) -> torch.Tensor:
    """Return the mean of (‖∇ critic‖ - 1)² at points between real and generated images.

    Parameters
    ----------
    critic
        Maps (N, C, Y, X) to (N,).
    real, generated
        (N, C, Y, X) images.
    fraction
        (N,) in [0, 1]: weight of the real image at each point.

    Returns
    -------
    Tensor
        A scalar, differentiable with respect to the critic's weights.

    References
    ----------
    Gulrajani et al. 2017, arXiv:1704.00028.
    """
    fraction = fraction[:, None, None, None]
    between = (fraction * real + (1 - fraction) * generated).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norms: torch.Tensor = gradient.flatten(1).norm(dim=1)
    return (norms - 1).square().mean()


class GanModule(NetworkModule):
    """WGAN-GP: the critic estimates the Wasserstein distance, the generator minimises it.

    The checkpoint is chosen by the kernel distance of generated to validation images, in
    the features of the recipe's encoder: neither network's loss measures how good images are.
    """

    shares_draws = True

    def __init__(self, recipe: GenerateRecipe, total_steps: int) -> None:
        super().__init__(recipe, total_steps)
        self.automatic_optimization = False
        self.plan = cast("GanObjective", recipe.objective)
        self.generator = cast("WGAN", self.network)
        size, channels = recipe.data.crop_size, len(recipe.output_channels)
        self.critic = Critic(channels, size, self.plan.critic_widths)
        self._critic_steps = self._waiting = 0
        self._real: list[torch.Tensor] = []

    def _latents(self, count: int) -> torch.Tensor:
        latent = self.generator.latent
        return self.drawn(lambda n: torch.randn(n, latent, device=self.device), count)

    def on_train_epoch_start(self) -> None:
        """Reset the step counters, so that a resumed run continues as an unbroken one."""
        super().on_train_epoch_start()
        self._critic_steps = self._waiting = 0

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """Train the critic on one batch and, every `critic_steps` steps of it, the generator."""
        real = batch[0].contiguous(memory_format=torch.channels_last)
        train = self.recipe.train
        generator_opt, critic_opt = cast("list[Any]", self.optimizers())
        self._train_critic(real, 1 / train.accumulate)
        self._waiting += 1
        last = batch_idx + 1 == self.trainer.num_training_batches
        if self._waiting < train.accumulate and not last:
            return
        self._waiting = 0
        critic_opt.step()
        critic_opt.zero_grad()
        generator_rate, critic_rate = cast("list[Any]", self.lr_schedulers())
        critic_rate.step()
        self._critic_steps += 1
        if self._critic_steps % self.plan.critic_steps == 0:
            self._train_generator(len(real))
            generator_opt.step()
            generator_opt.zero_grad()
            generator_rate.step()

    def _train_critic(self, real: torch.Tensor, loss_scale: float) -> None:
        with torch.no_grad():
            generated = self.generator.decode(self._latents(len(real))).float()
        distance = self.critic(real).float().mean() - self.critic(generated).float().mean()
        # in half precision the norm of a gradient is too coarse
        with torch.autocast(real.device.type, enabled=False):
            places = self.drawn(lambda n: torch.rand(n, device=real.device), len(real))
            penalty = gradient_penalty(self.critic, real.float(), generated, places)
        self.manual_backward((self.plan.penalty * penalty - distance) * loss_scale)
        self.log("train/wasserstein", distance, prog_bar=True, on_step=False, on_epoch=True)
        self.log("train/penalty", penalty, on_step=False, on_epoch=True)

    def _train_generator(self, count: int) -> None:
        self.critic.requires_grad_(False)
        loss = -self.critic(self.generator.decode(self._latents(count))).float().mean()
        self.manual_backward(loss)
        self.critic.requires_grad_(True)
        self.log("train/loss", loss, on_step=False, on_epoch=True)

    def on_validation_epoch_start(self) -> None:
        """Discard the real images of the last validation."""
        self._real = []

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """Keep the real images of the batch."""
        self._real.append(batch[0].cpu())

    def on_validation_epoch_end(self) -> None:
        """Log the kernel distance of as many generated images, from fixed latents."""
        real = torch.cat(self._real)
        draws = torch.Generator().manual_seed(0)
        latents = torch.randn(len(real), self.generator.latent, generator=draws)
        made = [
            self.generator.decode(part.to(self.device)).cpu() for part in torch.split(latents, 32)
        ]
        features = load_features(self.recipe.encoder, str(self.device))
        found, wanted = (
            features.embed((images.float().clamp(-1, 1).numpy() + 1) / 2)
            for images in (torch.cat(made), real)
        )
        distance, _ = kernel_distance(found, wanted, subset=len(real), subsets=1)
        self.log("validation/loss", distance, prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Make one optimiser and schedule for the generator, one for the critic."""
        train = self.recipe.train
        extra: dict[str, Any] = {} if train.optimiser == "sgd" else {"betas": _BETAS}
        networks = (self.generator, self.critic)
        optimisers = [make_optimiser(part.parameters(), train, **extra) for part in networks]
        critic_rate = make_schedule(train, self.total_steps)

        def generator_rate(step: int) -> float:  # takes fewer steps along the same schedule
            return critic_rate(step * self.plan.critic_steps)

        schedules = zip(optimisers, (generator_rate, critic_rate), strict=True)
        return optimisers, [torch.optim.lr_scheduler.LambdaLR(*each) for each in schedules]
