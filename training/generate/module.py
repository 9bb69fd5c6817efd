"""Lightning modules of generative models with a single loss: β-VAE, autoencoder, diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import functional

from napari_cytosynth.inference.generation.noise_schedule import NoiseSchedule
from napari_cytosynth.training.loop.module import NetworkModule
from napari_cytosynth.training.loop.ms_ssim import ms_ssim
from napari_cytosynth.training.loop.optimisers import optimiser_config

if TYPE_CHECKING:
    from .recipe import AutoencoderObjective, DiffusionObjective, GenerateRecipe, VaeObjective

__all__ = ["AutoencoderModule", "DiffusionModule", "VaeModule", "kl_divergence"]

Batch = list[torch.Tensor]


def kl_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Return the KL divergence of diagonal Gaussians from the standard normal, in nats.

    Parameters
    ----------
    mean, log_variance
        (N, ...) of each image's posterior.

    Returns
    -------
    Tensor
        (N,), summed over the latent dimensions.
    """
    each = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    return each.flatten(1).sum(1)


class ReconstructionModule(NetworkModule):
    """Base of both kinds of autoencoder: logs the terms of the loss, averaged over an epoch."""

    def losses(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the terms of the loss by name; their sum is minimised."""
        raise NotImplementedError

    def _loss(self, batch: Batch, part: str) -> torch.Tensor:
        images = batch[0].contiguous(memory_format=torch.channels_last)
        terms = self.losses(images)
        total = torch.stack(list(terms.values())).sum()
        self.log_dict({f"{part}/{name}": value for name, value in terms.items()}, on_epoch=True)
        alike = part == "validation"  # all processes must take the same decisions
        self.log(
            f"{part}/loss", total, prog_bar=True, on_epoch=True, on_step=False, sync_dist=alike
        )
        return total

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the loss of one batch."""
        return self._loss(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss of the validation crops, with latents drawn alike every time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(batch_idx)
            self._loss(batch, "validation")


class VaeModule(ReconstructionModule):
    """Training of the β-VAE: mean squared error and β · KL, both per pixel; β grows from 0."""

    def beta(self) -> float:
        """Return the current β; in validation the final one, so that losses are comparable."""
        plan = cast("VaeObjective", self.recipe.objective)
        if not self.training or not plan.anneal_share:
            return plan.beta
        done = self.current_epoch / self.recipe.train.max_epochs
        return float(plan.beta * min(1.0, done / plan.anneal_share))

    def losses(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return reconstruction error and weighted KL divergence."""
        output, mean, log_variance = self.network(images)
        pixels = images[0].numel()
        divergence = kl_divergence(mean.float(), log_variance.float()).mean() / pixels
        error = functional.mse_loss(output.float(), images)
        return {"mse": error, "kl": self.beta() * divergence}


class AutoencoderModule(ReconstructionModule):
    """Training of the autoencoder: L1 and MS-SSIM of the reconstruction, and a small KL term."""

    def losses(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the weighted terms of the loss."""
        plan = cast("AutoencoderObjective", self.recipe.objective)
        output, mean, log_variance = self.network(images)
        output = output.float()
        pixels = images[0].numel()
        divergence = kl_divergence(mean.float(), log_variance.float()).mean() / pixels
        terms = {"l1": plan.l1 * functional.l1_loss(output, images), "kl": plan.kl * divergence}
        if plan.ms_ssim:
            similarity = ms_ssim((output + 1) / 2, (images + 1) / 2)
            terms["ms_ssim"] = plan.ms_ssim * (1 - similarity)
        return terms


class DiffusionModule(NetworkModule):
    """Training of diffusion models at random time steps; in latent diffusion, on latents.

    Notes
    -----
    Class and conditions are left out for some images, so that the network learns to
    predict without them too (Ho and Salimans 2022, arXiv:2207.12598). Min-SNR weighting:
    Hang et al. 2023, arXiv:2303.09556.
    """

    shares_draws = True

    def __init__(self, recipe: GenerateRecipe, total_steps: int) -> None:
        super().__init__(recipe, total_steps)
        self.network.requires_grad_(False)  # an autoencoder is trained before
        self.denoiser.requires_grad_(True)
        self.plan = cast("DiffusionObjective", recipe.objective)
        self.schedule = NoiseSchedule(
            self.plan.schedule,
            self.plan.steps,
            self.plan.prediction,
            zero_terminal_snr=self.plan.zero_terminal_snr,
        )

    @property
    def denoiser(self) -> torch.nn.Module:
        """Part of the network that is trained."""
        return cast("torch.nn.Module", getattr(self.network, "denoiser", self.network))

    def weights(self, time: torch.Tensor) -> torch.Tensor:
        """Return the weight (N,) of each image's error."""
        if self.plan.weighting == "none":
            return torch.ones_like(time, dtype=torch.float32)
        ratio = self.schedule.signal_to_noise(time).clamp(min=1e-8)
        capped = ratio.clamp(max=self.plan.min_snr_gamma)
        kind = self.plan.prediction
        # by what an error of the prediction is more than that of the clean image
        flow = (1 + ratio.sqrt()).square()
        more = {"epsilon": ratio, "v_prediction": ratio + 1, "flow": flow}
        return capped / more.get(kind, 1.0)

    def _network_conditions(
        self, label: torch.Tensor, condition: torch.Tensor, left_out: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return the network's labels and conditions, without those of the images left out."""
        denoiser: Any = self.denoiser
        labels = label.masked_fill(left_out, denoiser.classes) if denoiser.classes else None
        given = condition.masked_fill(left_out[:, None], torch.nan)
        return labels, given if denoiser.conditions else None

    def errors(self, batch: Batch, time: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return the error (N,) of the prediction for each image."""
        images, label, condition = batch
        left_out = torch.zeros_like(label, dtype=torch.bool)
        if self.training:
            chances = self.drawn(lambda n: torch.rand(n, device=images.device), len(images))
            left_out = chances < self.plan.drop
        noisy = self.schedule.noised(images, noise, time)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        output = self.network(
            noisy, time, *self._network_conditions(label, condition, left_out)
        ).float()
        target = self.schedule.target(images, noise, time)
        measure = functional.mse_loss if self.plan.loss == "mse" else functional.smooth_l1_loss
        return measure(output, target, reduction="none").flatten(1).mean(1)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the weighted loss of one batch."""
        images = batch[0]
        count, shape, device = len(images), images.shape[1:], images.device
        time = self.drawn(lambda n: torch.randint(self.plan.steps, (n,), device=device), count)
        noise = self.drawn(lambda n: torch.randn(n, *shape, device=device), count)
        errors = self.errors(batch, time, noise)
        loss = (self.weights(time) * errors).mean()
        self.log("train/loss", loss, prog_bar=True, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss at evenly spread steps and fixed noise: the same at every validation."""
        images = batch[0]
        draws = torch.Generator().manual_seed(batch_idx)
        noise = torch.randn(images.shape, generator=draws).to(images.device)
        place = (torch.arange(len(images)) + torch.rand(1, generator=draws)) / len(images)
        time = (place * self.plan.steps).long().clamp(max=self.plan.steps - 1).to(images.device)
        errors = self.errors(batch, time, noise)
        loss = (self.weights(time) * errors).mean()
        self.log("validation/loss", loss, prog_bar=True, batch_size=len(images), sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Make the optimiser and schedule of the denoiser alone."""
        return optimiser_config(
            self.denoiser.parameters(), self.recipe.train, self.total_steps, self.spent
        )
