from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cytosynth.metrics.pixel import iou
from napari_cytosynth.training.segment.losses import (
    balanced_weight,
    bce_soft_iou,
    distance_loss,
    flow_loss,
    prior_shift,
    self_training_loss,
    soft_iou_loss,
)


def test_soft_iou_of_hard_masks_is_the_jaccard_index_not_dice():
    rng = np.random.default_rng(0)
    found, true = rng.random((2, 1, 32, 32)) > 0.6
    logits = torch.from_numpy(np.where(found, 50.0, -50.0))
    loss = soft_iou_loss(logits, torch.from_numpy(true), smooth=0.0)
    assert 1 - float(loss) == pytest.approx(iou(found[0], true[0]), abs=1e-6)


def test_an_empty_batch_still_has_a_finite_gradient():
    logits = torch.zeros(1, 8, 8, requires_grad=True)
    bce_soft_iou(logits, torch.zeros(1, 8, 8)).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad > 0).all()


def test_bfloat16_logits_are_taken_in_float32():
    logits = torch.full((1, 4, 4), 3.0, dtype=torch.bfloat16)
    assert bce_soft_iou(logits, torch.ones(1, 4, 4)).dtype == torch.float32


def test_distance_loss_is_least_at_the_target():
    target = torch.rand(1, 8, 8) * 0.8 + 0.1
    right = distance_loss(torch.logit(target), target)
    wrong = distance_loss(torch.logit(target) + 0.5, target)
    assert right < wrong


def test_painted_foreground_does_not_teach_that_half_of_all_pixels_are_foreground():
    """Where an image tells nothing, the output is the prevalence, whatever was painted."""
    target = torch.zeros(1, 10, 10)
    target[:, :3] = 1
    weight = balanced_weight(target, torch.ones_like(target))
    assert float(weight[target > 0].sum()) == pytest.approx(float(weight[target == 0].sum()))
    logit = torch.zeros(1, 1, 1, requires_grad=True)
    optimiser = torch.optim.Adam([logit], lr=0.1)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    for _ in range(200):
        optimiser.zero_grad()
        shifted = logit.expand_as(target) + prior_shift(0.1)
        (bce(shifted, target, reduction="none") * weight).mean().backward()
        optimiser.step()
    assert float(torch.sigmoid(logit.detach())) == pytest.approx(0.1, abs=0.01)


def test_weights_of_known_pixels_alone_count():
    logits, target = torch.randn(1, 8, 8), torch.rand(1, 8, 8).round()
    known = torch.zeros(1, 8, 8)
    known[:, :4] = 1
    for loss in (bce_soft_iou, distance_loss):
        whole = loss(logits[:, :4], target[:, :4])
        assert torch.allclose(loss(logits, target, weight=known), whole)
    whole = flow_loss(logits[:, :4], target[:, :4])
    assert torch.allclose(flow_loss(logits, target, weight=known), whole)


def test_a_teacher_counts_where_it_is_certain_and_nothing_is_known():
    """One pixel is known, one is doubtful to the teacher; the other two teach, as it says."""
    teacher = torch.tensor([[[9.0, 9.0, 1.0, -9.0]]])
    known = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    logits = torch.tensor([[[-3.0, 2.0, -3.0, 1.0]]], requires_grad=True)
    self_training_loss(logits, teacher, known).backward()
    down, up = torch.sigmoid(torch.tensor([1.0, 2.0])).tolist()
    expected = torch.tensor([[[0.0, (up - 1) / 2, 0.0, down / 2]]])
    torch.testing.assert_close(logits.grad, expected)
    assert self_training_loss(logits, teacher, torch.ones_like(known)).item() == 0
