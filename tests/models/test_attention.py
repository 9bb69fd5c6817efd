from __future__ import annotations

import math

import pytest
import torch

from napari_cytosynth.models.attention import ChannelNorm, SelfAttention, attention_of_levels


def _pixels(count, channels=6):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(1, channels, 4, count // 4, generator=generator)


@pytest.mark.parametrize("kind", ["linear", "full"])
def test_attention_begins_as_the_identity(kind) -> None:
    x = _pixels(24)
    assert torch.equal(SelfAttention(6, kind)(x), x)


@pytest.mark.parametrize("kind", ["linear", "full"])
def test_attention_knows_no_order_of_the_pixels(alive, kind) -> None:
    attend, x = alive(SelfAttention(6, kind, heads=2, head_width=4)), _pixels(24)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        here = attend(x).flatten(2)[..., order]
        there = attend(x.flatten(2)[..., order].reshape(x.shape)).flatten(2)
    torch.testing.assert_close(here, there)


@pytest.mark.parametrize("kind", ["linear", "full"])
def test_attention_is_that_of_the_paper(alive, kind) -> None:
    attend, x = alive(SelfAttention(6, kind, heads=2, head_width=4)), _pixels(12)
    with torch.inference_mode():
        query, key, value = attend.to_qkv(attend.norm(x)).reshape(3, 2, 4, 12)
        mixed = torch.empty(2, 4, 12)
        for head in range(2):
            q, k, v = query[head].T, key[head].T, value[head].T  # (pixels, width)
            if kind == "full":
                mixed[head] = ((q @ k.T / math.sqrt(4)).softmax(-1) @ v).T
            else:
                mixed[head] = (q.softmax(-1) / math.sqrt(4) @ (k.softmax(0).T @ v)).T
        expected = x + attend.out(mixed.reshape(1, 8, 4, 3))
        torch.testing.assert_close(attend(x), expected)


def test_the_norm_of_a_pixel_ignores_the_others() -> None:
    x = _pixels(24)
    changed = x.clone()
    changed[..., 1:] *= 5
    norm = ChannelNorm(6)
    torch.testing.assert_close(norm(changed)[..., 0], norm(x)[..., 0])
    torch.testing.assert_close(norm(x).mean(1), torch.zeros(1, 4, 6), atol=1e-6, rtol=0)


def test_one_kind_stands_for_all_levels() -> None:
    assert attention_of_levels("linear", 3) == ["linear"] * 3
    assert attention_of_levels(("none", "full"), 2) == ["none", "full"]


def test_wrong_kinds_are_named() -> None:
    with pytest.raises(ValueError, match="not local"):
        attention_of_levels(["none", "local"], 2)
    with pytest.raises(ValueError, match="names 2 levels, but there are 3"):
        attention_of_levels(["none", "full"], 3)
    with pytest.raises(ValueError, match="not local"):
        SelfAttention(4, "local")
