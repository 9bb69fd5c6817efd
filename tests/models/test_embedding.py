from __future__ import annotations

import math

import pytest
import torch

from napari_cytosynth.models.embedding import Embedding, sinusoid

TIME = torch.tensor([0, 7, 999])


def test_sinusoids_run_from_fast_to_slow() -> None:
    values = sinusoid(TIME, 4)
    expected = [[math.sin(t), math.sin(t / 100), math.cos(t), math.cos(t / 100)] for t in TIME]
    torch.testing.assert_close(values, torch.tensor(expected), atol=1e-4, rtol=0)


def test_no_two_of_a_thousand_steps_are_told_alike() -> None:
    values = sinusoid(torch.arange(1000), 64)
    distances = torch.cdist(values, values) + 10 * torch.eye(1000)
    assert distances.min() > 0.1


@pytest.mark.parametrize("widths", [(2, 3), (4, 8), (320, 640, 1024), (6, 5, 4, 7)])
def test_the_embedding_is_as_wide_as_its_last_layer(widths) -> None:
    embedding = Embedding(widths)
    assert embedding.width == widths[-1]
    assert embedding(TIME).shape == (3, widths[-1])


def test_without_class_and_condition_only_time_counts(alive) -> None:
    embedding = alive(Embedding((4, 8), classes=3, conditions=2))
    with torch.inference_mode():
        nothing = embedding(TIME)
        null = embedding(TIME, torch.full((3,), 3), torch.full((3, 2), math.nan))
        assert torch.equal(null, nothing)
        found = [embedding(TIME, torch.full((3,), label)) for label in range(3)]
    assert len({tuple(told[0].tolist()) for told in [nothing, *found]}) == 4


def test_an_unknown_condition_is_not_the_mean(alive) -> None:
    """Conditions are standardised: 0 is the mean of the training images, NaN is nothing."""
    embedding = alive(Embedding((4, 8), conditions=1))
    with torch.inference_mode():
        unknown, mean = (embedding(TIME, None, torch.full((3, 1), v)) for v in (math.nan, 0.0))
    assert not torch.allclose(unknown, mean)


@pytest.mark.parametrize("widths", [(4,), (3, 8), (0, 8), (4, 1)])
def test_widths_that_make_no_embedding_are_refused(widths) -> None:
    with pytest.raises(ValueError, match="time_widths"):
        Embedding(widths)
