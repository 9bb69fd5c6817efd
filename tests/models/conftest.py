"""What the tests of the generators share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def alive() -> Callable[[nn.Module], nn.Module]:
    """Draw every weight anew: blocks that begin as the identity hide what they look at."""

    def draw(network: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        for weights in network.parameters():
            nn.init.normal_(weights, std=0.2, generator=generator)
        return network.eval()

    return draw
