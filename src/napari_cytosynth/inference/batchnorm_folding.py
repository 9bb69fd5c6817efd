"""Folding BatchNorm and ReLU into the convolution before them, on a copy of the network.

In evaluation mode BatchNorm is an affine map with fixed numbers; multiplied into the
convolution's weights it costs nothing. Of the ReLU see :mod:`.relu_fusion`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_weights

from .relu_fusion import fuse_relus

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["folded_copy"]

Convolution = nn.Conv2d | nn.ConvTranspose2d


def folded_copy(network: nn.Module, example: torch.Tensor) -> nn.Module:
    """Return a copy in evaluation mode, without the BatchNorms and ReLUs that can be folded away.

    Parameters
    ----------
    network
        Not changed.
    example
        An input (N, C, Y, X) in float32 on the CPU. The network is run on it to see which
        BatchNorm or ReLU follows which convolution (tracing by torch.fx would do, but is not safe
        while another thread runs a network), and to check the folded copy: should it give
        anything else, for example because a convolution's result is also used elsewhere, the
        copy is returned unfolded.
    """
    plain = copy.deepcopy(network).to("cpu", torch.float32).eval()
    if getattr(network, "own_format", False):
        return plain
    folded = copy.deepcopy(plain)
    with torch.inference_mode():
        pairs, expected = _find_pairs(folded, example, nn.BatchNorm2d)
    with torch.no_grad():
        _fold(folded, pairs)
    with torch.inference_mode():
        fuse_relus(folded, _find_pairs(folded, example, nn.ReLU)[0])
        difference = (folded(example) - expected).abs().max()
    return folded if difference <= 1e-4 * expected.abs().max() else plain


def _find_pairs(
    network: nn.Module, example: torch.Tensor, follower: type[nn.BatchNorm2d | nn.ReLU]
) -> tuple[list[tuple[Convolution, str]], torch.Tensor]:
    """Return the convolutions with the name of the `follower` they feed, and the output."""
    results: list[tuple[Convolution, torch.Tensor]] = []
    pairs: list[tuple[Convolution, str]] = []
    names = {part: name for name, part in network.named_modules()}

    def note(part: nn.Module, inputs: object, output: torch.Tensor) -> None:
        assert isinstance(part, Convolution)
        results.append((part, output))

    def match(part: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        pairs.extend((source, names[part]) for source, result in results if result is inputs[0])

    hooks = []
    for part in network.modules():
        if isinstance(part, Convolution):
            hooks.append(part.register_forward_hook(note))
        elif isinstance(part, follower) and getattr(part, "track_running_stats", True):
            hooks.append(part.register_forward_pre_hook(match))
    try:
        output = network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return _only_once(pairs), output


def _only_once(pairs: Sequence[tuple[Convolution, str]]) -> list[tuple[Convolution, str]]:
    """Drop pairs of which either part is used more than once."""
    sources, targets = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return [
        (source, target)
        for source, target in pairs
        if sources.count(source) == targets.count(target) == 1
    ]


def _fold(network: nn.Module, pairs: Sequence[tuple[Convolution, str]]) -> None:
    network.double()  # the products are rounded once, at the end
    for convolution, name in pairs:
        norm = network.get_submodule(name)
        turned = isinstance(convolution, nn.ConvTranspose2d)
        if not isinstance(norm, nn.BatchNorm2d) or (turned and convolution.groups > 1):
            continue
        assert norm.running_mean is not None
        assert norm.running_var is not None
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight,
            convolution.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
            transpose=turned,
        )
        parent, _, leaf = name.rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Identity())
    network.float()
