"""Training of pix2pixHD: G1 alone, then both halves, against a multi-scale discriminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import nn

from napari_cytosynth.models.discriminator import MultiScaleDiscriminator
from napari_cytosynth.training.loop.optimisers import make_optimiser, make_schedule

from .losses import feature_matching, lsgan_loss, r1_penalty
from .module import StainModule

if TYPE_CHECKING:
    from napari_cytosynth.models.pix2pixhd import Pix2PixHD

    from .losses import Features
    from .recipe import AdversarialRecipe, StainRecipe

__all__ = ["AdversarialModule"]

Phase = Literal["coarse", "frozen", "both"]
_BETAS = (0.5, 0.999)  # of Adam in pix2pixHD: less momentum, for two networks in a game


class AdversarialModule(StainModule):
    """Training of pix2pixHD by LSGAN, feature matching and the image losses of the recipe.

    In the ``coarse`` phase the global generator learns alone, at half the resolution,
    through a head of its own; in the ``frozen`` phase the local enhancer learns on top of
    it; then both learn together (Wang et al. 2018, section 3.1).
    """

    def __init__(self, recipe: StainRecipe, total_steps: int) -> None:
        super().__init__(recipe, total_steps)
        self.automatic_optimization = False
        plan = cast("AdversarialRecipe", recipe.adversarial)
        self.plan = plan
        self.generator = cast("Pix2PixHD", self.network)
        stains = len(recipe.output_channels)
        width = self.generator.head.in_channels * 2
        self.coarse_head = nn.Conv2d(width, stains, 7, padding=3)
        self.discriminator = MultiScaleDiscriminator(
            len(recipe.data.input_channels) + stains,
            plan.scales,
            plan.width,
            plan.layers,
            plan.spectral,
        )
        self._waiting = 0

    # -- what trains when -----------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Phase of the current epoch."""
        done = self.current_epoch / self.recipe.train.max_epochs
        if done < self.plan.coarse_share:
            return "coarse"
        return "frozen" if done < self.plan.coarse_share + self.plan.frozen_share else "both"

    def on_train_epoch_start(self) -> None:
        """Freeze the weights that the phase does not train."""
        super().on_train_epoch_start()
        for parameter in self.generator.coarse.parameters():
            parameter.requires_grad_(self.phase != "frozen")
        self.generator.coarse.train(self.phase != "frozen")
        last = self.recipe.train.max_epochs * (1 - self.plan.fixed_norm_share)
        if self.current_epoch >= last:
            for part in self.network.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):  # SyncBatchNorm too
                    part.eval()

    def _pair(self, batch: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return source, real and virtual stain at the phase's resolution."""
        source, real = batch
        source = source.contiguous(memory_format=torch.channels_last)
        if self.phase != "coarse":
            return source, real, self(source)
        features = self.generator.coarse_features(source)
        pool = self.generator.pool
        return pool(source), pool(real), self.coarse_head(features).float()

    # -- one step ---------------------------------------------------------------------

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """Train the discriminator and the generator on one batch of crops."""
        generator_opt, discriminator_opt = self._optimisers()
        source, real, virtual = self._pair(batch)
        self._waiting += 1
        last = batch_idx + 1 == self.trainer.num_training_batches
        step = last or self._waiting == self.recipe.train.accumulate
        loss_scale = 1 / self.recipe.train.accumulate
        real_features: Features | None = None
        if self.recipe.loss.adversarial or self.recipe.loss.feature_matching:
            real_features = self._train_discriminator(source, real, virtual.detach(), loss_scale)
        self._train_generator(source, real, virtual, real_features, loss_scale)
        if step:
            # both step at the end: features of one discriminator are compared, not of two
            if real_features is not None:
                self._advance(discriminator_opt, self.discriminator)
            self._advance(generator_opt, self.generator, self.coarse_head)
            self._waiting = 0
            for schedule in cast("list[Any]", self.lr_schedulers()):
                schedule.step()

    def _optimisers(self) -> tuple[Any, Any]:
        generator_opt, discriminator_opt = cast("list[Any]", self.optimizers())
        return generator_opt, discriminator_opt

    def _train_discriminator(
        self, source: torch.Tensor, real: torch.Tensor, virtual: torch.Tensor, loss_scale: float
    ) -> Features:
        """Backpropagate the discriminator's loss; return the features of the real stain."""
        weights = self.recipe.loss
        real_features = self.discriminator(source, real)
        virtual_features = self.discriminator(source, virtual)
        loss = 0.5 * (lsgan_loss(real_features, 1.0) + lsgan_loss(virtual_features, 0.0))
        self.log("train/discriminator", loss)
        self.log_dict(_mean_outputs("train", real_features, virtual_features))
        if weights.r1:
            penalty = weights.r1 * self._r1(source, real)
            self.log("train/r1", penalty)
            loss = loss + penalty
        self.manual_backward(loss * loss_scale)
        return [[feature.detach() for feature in level] for level in real_features]

    def _r1(self, source: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        with torch.autocast(real.device.type, enabled=False):
            stain = real.detach().float().requires_grad_()
            levels = self.discriminator(source.float(), stain)
            return r1_penalty([level[-1] for level in levels], stain)

    def _train_generator(
        self,
        source: torch.Tensor,
        real: torch.Tensor,
        virtual: torch.Tensor,
        real_features: Features | None,
        loss_scale: float,
    ) -> None:
        """Backpropagate the generator's loss."""
        weights, losses = self.recipe.loss, self.image_losses(virtual, real)
        if real_features is not None:
            self.discriminator.requires_grad_(False)
            features = self.discriminator(source, virtual)
            if weights.adversarial:
                losses["adversarial"] = weights.adversarial * lsgan_loss(features, 1.0)
            if weights.feature_matching:
                matching = feature_matching(features, real_features)
                losses["feature_matching"] = weights.feature_matching * matching
        total = torch.stack(list(losses.values())).sum()
        self.log_dict({f"train/{name}": value for name, value in losses.items()})
        self.log("train/loss", total, prog_bar=True)
        self.manual_backward(total * loss_scale)
        self.discriminator.requires_grad_(True)

    def _advance(self, optimiser: Any, *networks: nn.Module) -> None:
        clip = self.recipe.train.gradient_clip
        if clip:
            parameters = [p for network in networks for p in network.parameters()]
            torch.nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], clip)
        optimiser.step()
        optimiser.zero_grad()

    # -- validation -------------------------------------------------------------------

    def validation_step(self, index: int, batch_idx: int) -> None:
        """Validate on one whole field, once the local enhancer trains."""
        if self.phase != "coarse":
            super().validation_step(index, batch_idx)

    def examine(self, image: torch.Tensor, real: torch.Tensor, virtual: torch.Tensor) -> None:
        """Log the discriminator's mean outputs on a whole field."""
        outputs = [self.discriminator(image[None], stain[None]) for stain in (real, virtual)]
        self.log_dict(_mean_outputs("validation", *outputs), batch_size=1)

    def on_validation_epoch_end(self) -> None:
        """Log the scores, once the local enhancer trains."""
        if self.phase != "coarse":
            super().on_validation_epoch_end()

    def configure_optimizers(self) -> Any:
        """Make one optimiser and schedule for the generator, one for the discriminator."""
        train = self.recipe.train
        extra: dict[str, Any] = {} if train.optimiser == "sgd" else {"betas": _BETAS}
        generator = [*self.generator.parameters(), *self.coarse_head.parameters()]
        optimisers = [
            make_optimiser(generator, train, **extra),
            make_optimiser(
                self.discriminator.parameters(), train, self.plan.learning_rate, **extra
            ),
        ]
        rate = make_schedule(train, self.total_steps)
        return optimisers, [torch.optim.lr_scheduler.LambdaLR(item, rate) for item in optimisers]


def _mean_outputs(part: str, real: Features, virtual: Features) -> dict[str, torch.Tensor]:
    """Return the mean output of the discriminators on real and virtual stains, to be logged."""
    found = {}
    for name, levels in (("real", real), ("virtual", virtual)):
        means = [level[-1].detach().float().mean() for level in levels]
        found[f"{part}/verdict_{name}"] = torch.stack(means).mean()
    return found
