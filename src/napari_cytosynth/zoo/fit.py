"""Checks of a card against the network that its arguments make, before any weight is read."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_cytosynth.errors import ModelError, UnknownArchitectureError

from .text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch
    from torch import nn

    from .card import Inference, ModelCard

__all__ = ["check_counts", "check_use", "without_triton"]

_SIDE = 64  # of the image that a network is tried with, in px, or the next multiple


def check_counts(card: ModelCard, path: Path) -> None:
    """Check that the card names as many channels and classes as its arguments count.

    Raises
    ------
    ModelError
        With both numbers.
    """
    inference, conditions = card.inference, []
    if inference.generation is not None:
        conditions = [condition.name for condition in inference.generation.conditions]
    named: dict[str, tuple[str, list[str]]] = {
        "in_channels": ("channels", inference.input_channels),
        "out_channels": ("channels", inference.output_channels),
    }
    if inference.task == "generate":
        named = {
            "channels": ("channels", inference.output_channels),
            "classes": ("classes", inference.classes),
            "conditions": ("conditions", conditions),
        }
    for argument, (what, names) in named.items():
        count = card.arguments.get(argument, len(names))
        if count != len(names) and not (argument == "classes" and not names):
            raise ModelError(
                f"The model's card in “{path}” contradicts itself: {argument} is {count}, but "
                f"it names {len(names)} {what}."
            )


def check_use(card: ModelCard, network: nn.Module, path: Path) -> None:
    """Check that a network on the device "meta" does what the card's task needs.

    Raises
    ------
    ModelError
        If images of the card's size, or of its channels, cannot go through it.
    """
    if card.inference.task == "generate":
        _check_example(card.inference, network, path)
    try:
        given, expected = _shapes(card.inference, network.eval())
    except NotImplementedError:  # a layer that cannot tell its shapes without computing
        return
    except Exception as error:  # networks fail in every way when used for something else
        raise UnknownArchitectureError(
            f"The network “{card.architecture}” of the model's card in “{path}” cannot "
            f"{card.inference.task} as the card says: {one_line(error, 300)}."
        ) from error
    if given != expected:
        raise UnknownArchitectureError(
            f"The network “{card.architecture}” of the model's card in “{path}” returns an array "
            f"of shape {given}, but the card describes {expected}."
        )


def _check_example(inference: Inference, network: nn.Module, path: Path) -> None:
    sides, size = inference.example_size, getattr(network, "size", None)
    stride = getattr(network, "total_stride", 1)
    if any(side % stride or (size and side != size) for side in sides):
        wanted = f"of {size} px" if size else f"that are multiples of {stride} px"
        raise ModelError(
            f"The model's card in “{path}” contradicts itself: example_size is {sides}, but its "
            f"network makes images with sides {wanted}."
        )


def _shapes(inference: Inference, network: nn.Module) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of what the network returns, and the shape it should have."""
    import torch

    outputs = len(inference.output_channels)
    with without_triton(), torch.inference_mode(), torch.device("meta"):
        if inference.task == "generate":
            found = _generated(inference, network)
            return tuple(found.shape), (1, outputs, *inference.example_size)
        stride = int(getattr(network, "total_stride", 1))
        side = stride * max(2, -(-_SIDE // stride))
        found = network(torch.zeros(1, len(inference.input_channels), side, side))
        if inference.task == "encode":  # a vector for each image, of any length
            return tuple(found.shape), (1, *found.shape[-1:])
        return tuple(found.shape), (1, outputs, side, side)


@contextmanager
def without_triton() -> Iterator[None]:
    """Keep torch from importing triton, which comes with its build for CUDA.

    Some layers on the device "meta" import ``torch._dynamo``, and that triton, as does lightning.
    After OpenGL by Mesa has drawn napari's window, this import ends the process: both bring an
    LLVM along.
    """
    if "triton" in sys.modules:
        yield
        return
    _forget_triton()
    sys.modules["triton"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop("triton", None)
        _forget_triton()  # who asks later gets the truth


def _forget_triton() -> None:
    """Let torch look again whether there is triton: it keeps the answer."""
    import torch.utils._triton

    for function in vars(torch.utils._triton).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


def _generated(inference: Inference, network: nn.Module) -> torch.Tensor:
    """Return the image, without values, that a generator makes on the device "meta"."""
    import torch

    assert inference.generation is not None
    family, conditions = inference.generation.family, inference.generation.conditions
    if family in ("vae", "gan"):
        decoded: torch.Tensor = network.decode(torch.zeros(1, int(network.latent)))  # type: ignore
        return decoded
    latent = family == "latent_diffusion"
    channels, scale = len(inference.output_channels), 1
    if latent:
        autoencoder = network.autoencoder
        channels, scale = int(autoencoder.latent_channels), int(autoencoder.downsampling)  # type: ignore
    noise = torch.zeros(1, channels, *(side // scale for side in inference.example_size))
    time = torch.zeros(1, dtype=torch.long)
    label = torch.zeros(1, dtype=torch.long) if inference.classes else None
    condition = torch.zeros(1, len(conditions)) if conditions else None
    found: torch.Tensor = network(noise, time, label, condition)
    return network.decode(found) if latent else found  # type: ignore
