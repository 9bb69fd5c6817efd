"""Reproducible channel dropout, with the same mask in every tile of a sample.

A mask follows from seed, sample, layer and channel alone, never from a global generator:
neither tiles nor batches, nor what else the program does, change a sample.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from napari_cytosynth.arguments import LARGEST_SEED, check_number, check_whole
from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "SharedDropout",
    "check_dropout",
    "check_sampling",
    "dropout_mask",
    "sampling",
    "with_shared_dropout",
]

DROPOUTS = (nn.Dropout, nn.Dropout2d)
SMALLEST_KEPT = 1e-6  # of channels kept; avoids 0 / 0 where all are dropped


def dropout_mask(
    seed: int, sample: int, layer: int, channels: int, p: float
) -> NDArray[np.float32]:
    """Return the factors that one sample's channels are multiplied by in one layer.

    Parameters
    ----------
    seed, sample, layer
        Integers from 0 on; `layer` counts the dropout layers in the order of
        ``network.modules()``.
    channels
        How many channels the layer sees.
    p
        Probability of 0; the other factors are ``1 / (1 - p)``.

    Returns
    -------
    ndarray
        float32 (channels,).
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(sample, layer))
    drawn = np.random.Generator(np.random.Philox(sequence)).random(channels)
    return ((drawn >= p) / max(1 - p, SMALLEST_KEPT)).astype(np.float32)


class SharedDropout(nn.Module):
    """Replacement of a dropout layer: the identity, or multiplication by a channel mask.

    Parameters
    ----------
    p
        Probability of dropping a channel.
    layer
        Number of the layer among all of the network's dropout layers.
    """

    def __init__(self, p: float, layer: int) -> None:
        super().__init__()
        self.p = p
        self.layer = layer
        self._drawn: tuple[int, tuple[int, ...]] | None = None
        self._mask: torch.Tensor | None = None

    def draw(self, seed: int, samples: Sequence[int]) -> None:
        """Switch to the masks of these samples, one for each image of a batch."""
        self._drawn, self._mask = (seed, tuple(samples)), None

    def rest(self) -> None:
        """Switch the masks off."""
        self._drawn = self._mask = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to the same shape."""
        if self._drawn is None or self.p == 0:
            # A tensor of its own: a BatchNorm after it must not be taken for one that
            # follows the convolution before it, or it would be folded across the mask.
            return x.view_as(x)
        channels = x.shape[1]
        if self._mask is None or self._mask.shape[1] != channels:
            seed, samples = self._drawn
            rows = [dropout_mask(seed, one, self.layer, channels, self.p) for one in samples]
            self._mask = torch.from_numpy(np.stack(rows))[..., None, None].to(x.device, x.dtype)
        return x * self._mask


def check_sampling(
    samples: int, seed: int = 0, tolerance: float | None = None, inject: float | None = None
) -> None:
    """Validate the sampling options that hold for any network.

    Parameters
    ----------
    samples
        At least 2, or 0 for a single prediction with the dropout off.
    seed
        At least 0. Default: 0.
    tolerance
        Relative error that the std may have, in (0, 1), or None (default).
    inject
        Probability for all dropout layers, in (0, 1), or None (default).

    Raises
    ------
    InputError
        If a value is impossible.
    """
    count = check_whole(samples, "The number of samples")
    if count < 0 or count == 1:
        raise InputError(
            "The number of samples must be 0 (one prediction, no uncertainty) or at least 2, "
            f"not {count}: one sample has no spread."
        )
    check_whole(seed, "The seed", 0, LARGEST_SEED)
    if tolerance is not None:
        # the relative error that the uncertainty may have: 0.1 for 10 %
        check_number(tolerance, "The tolerance (0.1 for 10 %)", 0, 1, within=True)
    if inject is not None:
        words = "The probability of the injected dropout (inject_dropout)"
        check_number(inject, words, 0, 1, within=True)


def check_dropout(
    network: nn.Module, samples: int, inject: float | None = None, *, name: str = ""
) -> None:
    """Check that a network has active dropout: its own, or an injected one.

    Parameters
    ----------
    network
        As it was trained, or with :class:`SharedDropout`.
    samples
        Number of samples; 0 needs no dropout.
    inject
        Probability for all dropout layers; None (default) keeps each one's own.
    name
        Of the model, for the message. Default: ``""``.

    Raises
    ------
    InputError
        If there is no layer to inject into, or each has the probability 0.
    """
    kinds = (*DROPOUTS, SharedDropout)
    layers = [float(part.p) for part in network.modules() if isinstance(part, kinds)]
    if inject is not None and not layers:
        raise InputError(
            "This model has no dropout layers to switch on, so that it gives no uncertainty. "
            "Choose 0 samples, or a model that was trained with dropout."
        )
    if samples and inject is None and not any(layers):
        model = f"The model “{name}”" if name else "This model"
        raise InputError(
            f"{model} was trained without dropout, so that its samples would "
            "say nothing of how uncertain it is. Take 0 samples for one prediction, or force "
            "it with inject_dropout=0.2: the uncertainty is then not calibrated."
        )


def with_shared_dropout(network: nn.Module, inject: float | None = None) -> nn.Module:
    """Return a copy with :class:`SharedDropout` in place of each dropout layer.

    Whole channels are dropped, also where the layer was one that drops single pixels.

    Parameters
    ----------
    network
        Not changed.
    inject
        Probability for all of the layers; None (default) keeps each one's own.
    """
    altered = copy.deepcopy(network)
    names = [name for name, part in altered.named_modules() if isinstance(part, DROPOUTS)]
    for layer, name in enumerate(names):
        part = altered.get_submodule(name)
        assert isinstance(part, DROPOUTS)
        parent, _, leaf = name.rpartition(".")
        p = part.p if inject is None else inject
        setattr(altered.get_submodule(parent), leaf, SharedDropout(p, layer))
    return altered


@contextmanager
def sampling(network: nn.Module, seed: int, samples: Sequence[int]) -> Iterator[None]:
    """Apply the masks of these samples inside the context."""
    layers = [part for part in network.modules() if isinstance(part, SharedDropout)]
    try:
        for layer in layers:
            layer.draw(seed, samples)
        yield
    finally:
        for layer in layers:
            layer.rest()
