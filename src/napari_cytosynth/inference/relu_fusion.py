"""Convolutions that apply the ReLU after them, on a copy of the network.

On its own a ReLU reads and writes all activations again, in new memory: a tenth of the time in
float32, a fifth in bfloat16, and more on large tiles, whose memory the system gives anew for each
layer. oneDNN, PyTorch's library for processors, applies it to the results of a convolution before
they are stored; a transposed convolution's are at least replaced in place.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ConvolutionReLU", "fuse_relus"]


class ConvolutionReLU(nn.Module):
    """A convolution and a ReLU, for inference.

    Parameters
    ----------
    convolution
        Any module whose result may be overwritten.
    """

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, Y, X) to (N, K, y, x), none of it negative."""
        layer = self.convolution
        if not (_plain(layer) and x.device.type == "cpu" and _fuses(x.dtype)):
            return layer(x).relu_()  # type: ignore[no-any-return]
        return _fused(layer, x)


def fuse_relus(network: nn.Module, pairs: Sequence[tuple[nn.Module, str]]) -> None:
    """Move ReLUs into convolutions, in place.

    Parameters
    ----------
    network
        In evaluation mode.
    pairs
        Each convolution with the name of the ReLU that alone takes its result.
    """
    names = {part: name for name, part in network.named_modules()}
    for convolution, name in pairs:
        _replace(network, names[convolution], ConvolutionReLU(convolution))
        _replace(network, name, nn.Identity())


def _replace(network: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, part)


def _plain(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Return whether a layer is a convolution that oneDNN does as a whole."""
    return (
        type(layer) is nn.Conv2d
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _fused(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    sizes = list(layer.padding), list(layer.stride), list(layer.dilation)
    fused = torch.ops.mkldnn._convolution_pointwise
    result: torch.Tensor = fused(x, layer.weight, layer.bias, *sizes, layer.groups, "relu", [], "")
    return result


@cache
def _fuses(dtype: torch.dtype) -> bool:
    """Return whether this PyTorch and processor have the fused operation, by trying it.

    It is not among the documented ones, but torch.compile uses it, too.
    """
    if dtype not in (torch.float32, torch.bfloat16):
        return False
    random = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(16, 16, 3, padding=1)
    for value in layer.parameters():
        value.data.uniform_(-1, 1, generator=random)
    layer = layer.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.rand(1, 16, 32, 32, generator=random).to(dtype)
    image = image.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = layer(image).relu_()
        try:
            found = _fused(layer, image)
        except (AttributeError, RuntimeError):
            return False
    # bfloat16 rounds to 1/256
    rounding = 1e-5 if dtype == torch.float32 else 2**-7
    return bool((found - expected).abs().max() <= rounding * expected.max())
