"""Network architectures: plain torch modules, one file per family.

An architecture is a registered name; the module behind it is imported when the first
network of that name is built, so that listing the names costs no torch.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import UnknownArchitectureError

from .limits import check_arguments

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "argument_names", "build_network", "check_network"]

ARCHITECTURES: dict[str, str] = {
    "Autoencoder": "napari_cytosynth.models.latent:Autoencoder",
    "BetaVAE": "napari_cytosynth.models.beta_vae:BetaVAE",
    "CPnet": "napari_cytosynth.models.cpnet:CPnet",
    "DiffusionUNet": "napari_cytosynth.models.diffusion_unet:DiffusionUNet",
    "LatentDiffusion": "napari_cytosynth.models.latent:LatentDiffusion",
    "ONNX": "napari_cytosynth.models.onnx_graph.network:ONNX",
    "Pix2PixHD": "napari_cytosynth.models.pix2pixhd:Pix2PixHD",
    "Pix2PixHDGlobal": "napari_cytosynth.models.pix2pixhd:Pix2PixHDGlobal",
    "UNet": "napari_cytosynth.models.unet:UNet",
    "UNetEncoder": "napari_cytosynth.models.unet:UNetEncoder",
    "WGAN": "napari_cytosynth.models.wgan:WGAN",
}
"""Registered name -> ``module:class``. Published names are never changed."""

LARGEST_STRIDE = 1024
"""Largest total stride of a network, in px."""


def build_network(architecture: str, arguments: dict[str, Any]) -> nn.Module:
    """Build a freshly initialised network of a registered architecture.

    Parameters
    ----------
    architecture
        A key of :data:`ARCHITECTURES`.
    arguments
        Keyword arguments of the class, as a model's ``config.json`` holds them.

    Raises
    ------
    UnknownArchitectureError
        If the name is not registered, or the arguments do not fit the class or its limits.
    """
    check_network(architecture, arguments)
    try:
        network: nn.Module = _resolve(architecture)(**arguments)
    except (TypeError, ValueError) as error:
        raise _misfit(architecture, error) from error
    stride = getattr(network, "total_stride", 1)
    if stride > LARGEST_STRIDE:  # images are padded to a multiple of it
        raise UnknownArchitectureError(
            f"The model's config makes a network that shrinks images {stride}-fold, more than "
            f"{LARGEST_STRIDE}-fold: no image is that large."
        )
    return network


def check_network(architecture: str, arguments: dict[str, Any]) -> None:
    """Check that an architecture is registered and its arguments lie within their bounds.

    Nothing is built, and no torch imported.

    Raises
    ------
    UnknownArchitectureError
        If the name is not registered, or an argument is out of the bounds of `limits`.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UnknownArchitectureError(
            f"This model needs the architecture “{architecture}”, which this version of "
            f"napari-cytosynth does not have (it has: {known}). A newer version may."
        )
    try:
        check_arguments(arguments)
    except ValueError as error:
        raise _misfit(architecture, error) from error


def _misfit(architecture: str, error: Exception) -> UnknownArchitectureError:
    return UnknownArchitectureError(
        f"The model's config does not fit the architecture “{architecture}”: {error}."
    )


def argument_names(architecture: str) -> set[str]:
    """Return the names of the arguments that a registered architecture takes."""
    return set(inspect.signature(_resolve(architecture)).parameters)


def _resolve(architecture: str) -> type[nn.Module]:
    module, _, name = ARCHITECTURES[architecture].partition(":")
    found: type[nn.Module] = getattr(import_module(module), name)
    return found
