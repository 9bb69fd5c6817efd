"""Windows cover a field, count smoothly, and leave alone what each of them agrees on."""

from __future__ import annotations

import pytest
import torch

from napari_cytosynth.inference.generation.windows import fuse, window_starts


@pytest.mark.parametrize(
    ("length", "window", "starts"),
    [
        (16, 16, [0]),
        (17, 16, [0, 1]),
        (24, 16, [0, 8]),
        (40, 16, [0, 8, 16, 24]),
        (3, 1, [0, 1, 2]),
    ],
)
def test_windows_overlap_by_half_and_reach_the_end(length, window, starts):
    assert window_starts(length, window) == starts


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (31, 20)])
def test_a_function_of_single_pixels_is_not_changed(size):
    field = torch.randn(2, 3, *size)
    torch.testing.assert_close(fuse(torch.sin, field, (8, 8)), field.sin())


def test_windows_that_disagree_blend_without_a_border():
    numbers = iter(range(100))

    def constant(part: torch.Tensor) -> torch.Tensor:
        return torch.full_like(part, float(next(numbers) % 2))

    fused = fuse(constant, torch.zeros(1, 1, 16, 64), (16, 16))[0, 0]
    assert float(fused.max()) == pytest.approx(1, abs=0.02)
    assert float(fused.min()) == pytest.approx(0, abs=0.02)
    assert float(fused.diff(dim=1).abs().max()) < 0.25  # not 1, as side by side


def test_a_decoder_that_enlarges_is_fused_in_its_own_pixels():
    def enlarge(part: torch.Tensor) -> torch.Tensor:
        return part.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)

    field = torch.randn(1, 2, 12, 20)
    torch.testing.assert_close(fuse(enlarge, field, (8, 8), scale=4), enlarge(field))
