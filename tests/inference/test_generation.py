"""A seed gives its image, whatever else is drawn; samplers draw what the network knows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from napari_cytosynth.errors import Cancelled, InputError, ModelError, OutOfMemoryError
from napari_cytosynth.inference.generation import SAMPLERS, Generator, Request

if TYPE_CHECKING:
    from napari_cytosynth.inference.generation import Generated

KINDS = ("diffusion", "latent", "vae", "gan", "classes", "pairs", "five")


@pytest.fixture
def generator(make_generator):
    """Return the function that makes a tiny model of some kind ready to draw."""

    def ready(kind: str = "diffusion", **inference: object) -> Generator:
        model = make_generator(kind, **inference)
        return Generator(model.network, model.card.inference, device="cpu")

    return ready


def draw(generator: Generator, *seeds: int, **wishes: object) -> Generated:
    return generator.run(Request(len(seeds), seeds, **wishes))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_each_family_draws_images_of_its_channels_that_differ(generator, kind):
    made = generator(kind)
    result = draw(made, 3, 4)
    assert result.images.shape == (2, len(made.inference.output_channels), 16, 16)
    assert result.images.dtype == np.float32
    assert result.images.min() >= 0
    assert result.images.max() <= 1
    assert result.seeds == (3, 4)
    assert result.trajectory is None
    assert np.abs(result.images[0] - result.images[1]).max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_gives_the_same_image_in_any_company(generator, kind, sampler):
    made = generator(kind)
    alone = draw(made, 7, sampler=sampler).images[0]
    four = draw(made, 5, 6, 7, 8, sampler=sampler).images[2]
    two = draw(made, 6, 7, 8, sampler=sampler, batch_size=2).images[1]
    back = draw(made, 8, 7, 6, 5, sampler=sampler, batch_size=3).images[1]
    for other in (four, two, back):
        np.testing.assert_allclose(other, alone, atol=1e-5)
