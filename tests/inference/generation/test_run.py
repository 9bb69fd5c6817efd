"""Noise between two seeds is as strong as that of one."""

from __future__ import annotations

import pytest
import torch

from napari_cytosynth.inference.generation.run import slerp


def test_the_noise_on_a_walk_is_as_strong_everywhere():
    first, second = torch.randn(2, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    for position in (0.0, 0.3, 0.5, 1.0):
        assert float(slerp(first, second, position).std()) == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(slerp(first, first, 0.5), first)
