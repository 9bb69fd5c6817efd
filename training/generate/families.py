"""Generative architectures: the objective that trains each, and the family that samples it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAMILIES", "Family"]


@dataclass(frozen=True)
class Family:
    """Objective and sampling family of one generative architecture.

    Attributes
    ----------
    objective
        Kind of the recipe's block ``objective`` that trains it.
    sampling
        ``generation.family`` of its card, by which the engine samples it.
    norm
        ``norm`` of its card.
    """

    objective: str
    sampling: str
    norm: str = "none"


FAMILIES: dict[str, Family] = {
    "BetaVAE": Family("vae", "vae"),
    "WGAN": Family("gan", "gan"),
    "DiffusionUNet": Family("diffusion", "diffusion"),
    "LatentDiffusion": Family("diffusion", "latent_diffusion", norm="group"),
    "Autoencoder": Family("autoencoder", "vae"),
}
"""Name in :data:`napari_cytosynth.models.ARCHITECTURES` -> family."""
