"""Networks that generate: what each learns by, and how the engine samples it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAMILIES", "Family"]


@dataclass(frozen=True)
class Family:
    """Training and sampling of one architecture.

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
