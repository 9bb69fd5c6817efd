from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import structural_similarity

from napari_cytosynth.training.loop.ms_ssim import ms_ssim
from napari_cytosynth.training.stain.losses import feature_matching, lsgan_loss, r1_penalty


def planes(size=(24, 32), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, *size, generator=generator)


def reference(first, second, data_range):
    """SSIM of one plane as scikit-image computes it with the window of the paper."""
    return structural_similarity(
        first.numpy().astype(np.float64),
        second.numpy().astype(np.float64),
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


@pytest.mark.parametrize("size", [(11, 40), (24, 24), (96, 60), (176, 180)])
def test_equal_images_are_perfectly_similar(size):
    first = planes(size)
    assert ms_ssim(first, first.clone()).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("data_range", [1.0, 5.0])
@pytest.mark.parametrize("size", [(21, 21), (20, 64)])
def test_with_room_for_one_scale_it_is_the_ssim_of_scikit_image(size, data_range):
    first = planes(size)
    second = (0.7 * first + 0.3 * planes(size, seed=1)).clamp(0, 1)
    pairs = zip(first.flatten(0, 1), second.flatten(0, 1), strict=True)
    expected = np.mean([reference(*pair, data_range) for pair in pairs])
    assert ms_ssim(first, second, data_range).item() == pytest.approx(expected, abs=1e-5)


def test_with_two_scales_the_finer_one_adds_its_structure_only():
    first = planes((22, 22))[:1, :1]
    second = first + 0.5  # brighter everywhere: no structure is lost
    coarse = [torch.nn.functional.avg_pool2d(x, 2)[0, 0] for x in (first, second)]
    expected = reference(*coarse, 1.0) ** (0.2856 / (0.0448 + 0.2856))
    assert ms_ssim(first, second).item() == pytest.approx(expected, abs=1e-4)


def test_it_falls_with_the_noise_and_has_a_gradient_even_for_opposites():
    first = planes((48, 48))
    noise = planes((48, 48), seed=1)
    values = [ms_ssim(first, first + s * noise).item() for s in (0.0, 0.1, 0.3, 1.0)]
    assert values == sorted(values, reverse=True)
    opposite = (1 - first).requires_grad_()
    ms_ssim(first, opposite).backward()
    assert torch.isfinite(opposite.grad).all()


@pytest.mark.parametrize("size", [(2, 2), (4, 9), (8, 8), (10, 30)])
def test_crops_with_no_room_for_the_whole_window_still_compare(size):
    first = planes(size)
    assert ms_ssim(first, first.clone()).item() == pytest.approx(1, abs=1e-5)
    assert ms_ssim(first, 1 - first).item() < 0.7


@pytest.mark.parametrize("size", [(64, 64), (96, 61), (176, 180)])
def test_every_second_pixel_gives_nearly_the_same(size):
    generator = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(generator.random((2, 3, *size)), (0, 0, 3, 3)) * 4
    first = torch.from_numpy(smooth.astype(np.float32))
    for share in (0.1, 0.4):
        second = (1 - share) * first + share * planes(size, seed=1)
        whole = ms_ssim(first, second).item()
        assert whole < 0.99
        assert ms_ssim(first, second, stride=2).item() == pytest.approx(whole, abs=0.02)
        assert ms_ssim(first, second, stride=1).item() == whole
    assert ms_ssim(first, first.clone(), stride=2).item() == pytest.approx(1, abs=1e-5)


def test_it_is_computed_in_float32_whatever_it_gets():
    first = planes().bfloat16()
    assert ms_ssim(first, first).dtype == torch.float32


def levels(*values):
    """One feature and one verdict at each level, constant."""
    return [[torch.full((2, 4, 3, 3), f), torch.full((2, 1, 2, 2), v)] for f, v in values]


def test_verdicts_are_compared_with_what_they_should_be():
    found = levels((9.0, 1.0), (9.0, 0.5), (9.0, -1.0))
    assert lsgan_loss(found, 1.0).item() == pytest.approx((0 + 0.25 + 4) / 3)
    assert lsgan_loss(found, 0.0).item() == pytest.approx((1 + 0.25 + 1) / 3)


def test_feature_matching_is_the_mean_difference_without_the_verdicts():
    ours, theirs = levels((1.0, 7.0), (3.0, 7.0)), levels((0.5, 0.0), (5.0, 0.0))
    assert feature_matching(ours, theirs).item() == pytest.approx((0.5 + 2) / 2)


def test_feature_matching_teaches_the_virtual_side_only():
    ours, theirs = levels((1.0, 0.0)), levels((0.5, 0.0))
    ours[0][0].requires_grad_()
    theirs[0][0].requires_grad_()
    feature_matching(ours, theirs).backward()
    assert ours[0][0].grad.abs().sum() > 0
    assert theirs[0][0].grad is None


def test_r1_of_a_linear_judge_is_half_its_squared_weights():
    weights = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    stain = torch.randn(3, 1, 2, 2, requires_grad=True)
    fine = (stain * weights).sum((1, 2, 3), keepdim=True)
    # the slopes of the levels add up: (1 + 2) times the weights
    coarse = 2 * fine.expand(3, 1, 4, 4)
    expected = 0.5 * (3 * weights).square().sum().item()
    assert r1_penalty([fine, coarse], stain).item() == pytest.approx(expected)


def test_r1_teaches_the_judge():
    slope = torch.tensor(2.0, requires_grad=True)
    stain = torch.randn(2, 1, 3, 3, requires_grad=True)
    verdict = slope * stain.mean((1, 2, 3), keepdim=True)
    r1_penalty([verdict], stain).backward()
    # d/ds of 0.5 · 9 · (s / 9)²
    assert slope.grad.item() == pytest.approx(2 / 9)
