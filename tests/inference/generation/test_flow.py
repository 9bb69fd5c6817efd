"""Rectified flow: straight lines from noise to image, walked along by Euler's steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cytosynth.errors import InputError, ModelError
from napari_cytosynth.inference.generation.generator import Generator, SamplingOptions, resolve
from napari_cytosynth.inference.generation.likelihood import bits_per_dim
from napari_cytosynth.inference.generation.noise_schedule import NoiseSchedule
from napari_cytosynth.inference.generation.samplers import SamplingSteps

FLOW = NoiseSchedule("straight", 1000, "flow")


def walk(steps, clean_of, shape=(64, 1, 16, 16)):
    """Walk from noise with the clean image that a field gives; return noise, states and shares."""
    sampling = SamplingSteps("euler", steps, FLOW)
    field = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    states = [field]
    shares = [(time + 1) / 1000 for time in sampling.times]
    for number, share in enumerate(shares):
        states.append(sampling.step(number, clean_of(states[-1], share), states[-1], []))
    return states, [*shares, 0.0]


@pytest.mark.parametrize("steps", [1, 3, 1000])
def test_of_one_image_every_step_lies_on_the_line(steps):
    image = torch.linspace(-1, 1, 256).reshape(1, 1, 16, 16)
    states, shares = walk(steps, lambda field, share: image)
    assert len(states) == steps + 1
    for state, share in zip(states, shares, strict=True):
        torch.testing.assert_close(
            state, (1 - share) * image + share * states[0], atol=1e-4, rtol=0
        )


def test_one_step_gives_the_mean_and_many_the_two_points():
    """The best estimate between images that are all -1 or all +1 in a pixel, in closed form."""

    def clean(field, share):
        return torch.tanh((1 - share) * field / max(share, 1e-3) ** 2)

    torch.testing.assert_close(walk(1, clean)[0][-1], torch.zeros(64, 1, 16, 16))
    drawn = walk(100, clean)[0][-1]
    assert float((drawn.abs() - 1).abs().max()) < 0.05
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("spread", "tolerance"), [(0.05, 0.1), (0.25, 0.05)])
def test_the_spread_of_normal_data_is_drawn(spread, tolerance):
    def clean(field, share):
        gain = (1 - share) * spread**2 / ((1 - share) ** 2 * spread**2 + share**2)
        return -0.4 + gain * (field - (1 - share) * -0.4)

    drawn = walk(100, clean)[0][-1]
    assert float(drawn.mean()) == pytest.approx(-0.4, abs=0.01)
    assert float(drawn.std()) == pytest.approx(spread, rel=tolerance)


def test_target_clean_image_and_noise_belong_together():
    random = torch.Generator().manual_seed(1)
    image, noise = (torch.randn(3, 1, 4, 4, generator=random) for _ in range(2))
    time = torch.tensor([0, 499, 999])
    noisy = FLOW.noised(image, noise, time)
    torch.testing.assert_close(noisy[2], noise[2])
    torch.testing.assert_close(noisy[1], (image[1] + noise[1]) / 2)
    target = FLOW.target(image, noise, time)
    torch.testing.assert_close(FLOW.to_clean(target, noisy, time), image, atol=1e-5, rtol=0)
    torch.testing.assert_close(FLOW.to_noise(target, noisy, time), noise, atol=1e-5, rtol=0)
    torch.testing.assert_close(FLOW.signal_to_noise(time)[1:], torch.tensor([1.0, 0.0]))


class Straight(torch.nn.Module):
    """The ideal network where there is one image only."""

    def __init__(self, image):
        super().__init__()
        self.image = torch.nn.Parameter(image)

    def forward(self, noisy, time, label=None, condition=None):
        return (noisy - self.image) / ((time + 1) / 20).reshape(-1, 1, 1, 1)


@pytest.fixture
def flow(make_generator):
    """The block of the card of a tiny flow."""
    inference = make_generator().card.inference
    generation = inference.generation.model_copy(update={"sampler": "euler"})
    update = {"prediction_type": "flow", "schedule": "straight", "generation": generation}
    return type(inference)(**(dict(inference) | update))


def test_a_generator_makes_the_image_in_one_step(flow):
    image = torch.linspace(-0.9, 0.9, 256).reshape(1, 1, 16, 16)
    generator = Generator(Straight(image), flow, device="cpu")
    made = generator.run(resolve(SamplingOptions(count=3, seed=1, steps=1), flow))
    expected = np.broadcast_to((image.numpy() + 1) / 2, (3, 1, 16, 16))
    np.testing.assert_allclose(made.images, expected, atol=1e-5)
    walked = resolve(SamplingOptions(count=3, seed=1, walk_to=2), flow)
    assert walked.sampler == "euler"


def test_samplers_of_the_other_kind_are_refused(flow, make_generator):
    with pytest.raises(InputError, match="its only sampler is euler"):
        resolve(SamplingOptions(sampler="ddim"), flow)
    with pytest.raises(InputError, match="for rectified flows: use one of ddpm, ddim"):
        resolve(SamplingOptions(sampler="euler"), make_generator().card.inference)
    with pytest.raises(ModelError, match="rectified flow"):
        bits_per_dim(Straight(torch.zeros(1, 1, 16, 16)), flow, np.zeros((1, 1, 16, 16)))


@pytest.mark.parametrize("change", [{"schedule": "cosine"}, {"prediction_type": "sample"}])
def test_a_card_that_mixes_both_is_refused(flow, change):
    with pytest.raises(ValueError, match="go together"):
        type(flow)(**(dict(flow) | change))
