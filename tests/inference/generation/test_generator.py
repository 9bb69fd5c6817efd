"""A seed gives its image, whatever else is drawn; samplers draw what the network knows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from napari_cytosynth.errors import Cancelled, InputError, ModelError, OutOfMemoryError
from napari_cytosynth.inference.generation.generator import (
    SAMPLERS,
    Generator,
    SamplingOptions,
    resolve,
)
from napari_cytosynth.inference.generation.noise_schedule import NoiseSchedule

if TYPE_CHECKING:
    from napari_cytosynth.inference.generation.generator import Generated

KINDS = ("diffusion", "latent", "vae", "gan", "classes", "pairs", "five")
OF_NOISE = [name for name in SAMPLERS if name != "euler"]  # which is of flows


@pytest.fixture
def generator(make_generator):
    """Return the function that makes a tiny model of some kind ready to draw."""

    def ready(kind: str = "diffusion", **inference: object) -> Generator:
        model = make_generator(kind, **inference)
        return Generator(model.network, model.card.inference, device="cpu")

    return ready


def run(generator: Generator, calls: dict[str, object] | None = None, **options) -> Generated:
    request = resolve(SamplingOptions(**options), generator.inference)
    return generator.run(request, **(calls or {}))  # type: ignore[arg-type]


def draw(generator: Generator, *seeds: int, **options: object) -> Generated:
    return run(generator, count=len(seeds), seed=seeds, **options)


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


@pytest.mark.parametrize(
    ("kind", "sampler"),
    [*((kind, "ddpm") for kind in KINDS), *(("latent", sampler) for sampler in OF_NOISE[1:])],
)
def test_a_seed_gives_the_same_image_in_any_company(generator, kind, sampler):
    made = generator(kind)
    alone = draw(made, 7, sampler=sampler).images[0]
    four = draw(made, 5, 6, 7, 8, sampler=sampler).images[2]
    two = draw(made, 6, 7, 8, sampler=sampler, batch_size=2).images[1]
    back = draw(made, 8, 7, 6, 5, sampler=sampler, batch_size=3).images[1]
    for other in (four, two, back):
        np.testing.assert_allclose(other, alone, atol=1e-5)


# -- class, conditions and guidance --------------------------------------------------------


def test_no_guidance_is_the_unconditional_image_bit_by_bit(generator):
    made = generator("classes")
    free = draw(made, 1, 2).images
    np.testing.assert_array_equal(draw(made, 1, 2, label=1, guidance=0).images, free)
    assert np.abs(draw(made, 1, 2, label=1).images - free).max() > 1e-3
    pairs = generator("pairs")
    free = draw(pairs, 1, 2).images
    np.testing.assert_array_equal(draw(pairs, 1, 2, conditions=(1.5,), guidance=0).images, free)
    np.testing.assert_array_equal(draw(pairs, 1, 2, conditions=(math.nan,)).images, free)
    assert np.abs(draw(pairs, 1, 2, conditions=(1.5,)).images - free).max() > 1e-3


def test_classes_differ_and_guidance_exaggerates_continuously(generator):
    made = generator("classes")
    first, second = (draw(made, 4, label=label).images for label in (0, 1))
    assert np.abs(first - second).max() > 1e-3
    nearly = draw(made, 4, label=1, guidance=1.0001).images  # by way of both halves
    np.testing.assert_allclose(nearly, second, atol=1e-3)
    assert np.abs(draw(made, 4, label=1, guidance=4).images - second).max() > 1e-3


class Told(nn.Module):
    """Sees the image 0.2 if it is told nothing, 0.6 of class 0; counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def __deepcopy__(self, memo: dict[int, object]) -> Told:
        return self

    def forward(self, x, time, label=None, condition=None):
        self.batches.append(len(x))
        if label is None:
            return torch.full_like(x, 0.2)
        return torch.where(label == 0, 0.6, 0.2)[:, None, None, None].expand_as(x)


@pytest.mark.parametrize(
    ("guidance", "expected", "passes"), [(0, 0.2, 2), (1, 0.6, 2), (1.5, 0.8, 4), (9, 1.0, 4)]
)
def test_guidance_extrapolates_from_none_to_the_class(make_generator, guidance, expected, passes):
    inference = make_generator("classes", prediction_type="sample").card.inference
    network = Told()
    result = draw(Generator(network, inference), 1, 2, label=0, guidance=guidance)
    np.testing.assert_allclose(result.images, (expected + 1) / 2, atol=1e-5)
    assert set(network.batches) == {passes}  # one pass where one is enough


class Gaussian(nn.Module):
    """The best denoiser of pixels that are normal, of a mean and a spread."""

    def __init__(self, inference, mean: float, spread: float) -> None:
        super().__init__()
        steps, prediction = inference.training_steps, inference.prediction_type
        self.schedule = NoiseSchedule(inference.schedule, steps, prediction)
        self.mean, self.variance = mean, spread**2

    def forward(self, x, time, label=None, condition=None):
        signal, sigma = self.schedule.mixture(x, time)
        gain = signal * self.variance / (signal**2 * self.variance + sigma**2)
        clean = self.mean + gain * (x - signal * self.mean)
        return self.schedule.target(clean, (x - signal * clean) / sigma, time)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("sampler", ["ddpm", "dpm++", "unipc"])
@pytest.mark.parametrize("size", [(16, 16), (40, 24)])
def test_images_have_the_statistics_of_the_data(make_generator, prediction, sampler, size):
    options = {"prediction_type": prediction, "training_steps": 100}
    inference = make_generator("diffusion", **options).card.inference
    made = Generator(Gaussian(inference, -0.3, 0.2), inference)
    steps = 100 if sampler == "ddpm" else 20
    images = draw(made, *range(24), size=size, sampler=sampler, steps=steps).images
    assert images.mean() == pytest.approx(0.35, abs=0.005)
    # DDPM's noise is that of small steps, of which 100 are few (400: 1 %).
    assert images.std() == pytest.approx(0.1, rel=0.09 if sampler == "ddpm" else 0.02)
    assert images.std(axis=(0, 1)).std() < 0.03  # alike all over the field, windows or not


# -- sizes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["diffusion", "latent"])
def test_sizes_beyond_and_below_those_of_training(generator, kind):
    made = generator(kind)
    assert draw(made, 1, size=(37, 21)).images.shape == (1, 1, 37, 21)
    small = draw(made, 1, size=(5, 7)).images
    np.testing.assert_array_equal(small, draw(made, 1).images[..., :5, :7])


def test_larger_images_depend_on_their_seed_alone_too(generator):
    made = generator("latent")
    alone = draw(made, 9, size=(24, 40)).images[0]
    among = draw(made, 7, 8, 9, size=(24, 40), batch_size=2).images[2]
    np.testing.assert_allclose(among, alone, atol=1e-5)


def test_decoders_only_make_their_own_size(generator):
    made = generator("vae")
    assert draw(made, 1, size=(16, 16)).images.shape == (1, 1, 16, 16)
    with pytest.raises(InputError, match="16 × 16 pixels"):
        draw(made, 1, size=(32, 32))


# -- steps in between ----------------------------------------------------------------------


@pytest.mark.parametrize("sampler", OF_NOISE)
@pytest.mark.parametrize(
    ("kind", "steps"),
    [("diffusion", 1), ("diffusion", 2), ("diffusion", 7), ("diffusion", 20), ("latent", 3)],
)
def test_any_number_of_steps(generator, sampler, kind, steps):
    progress: list[int] = []
    made = generator(kind, prediction_type="epsilon")
    calls = {"progress": lambda done, total, message: progress.append(done)}
    result = run(made, calls, count=2, seed=1, sampler=sampler, steps=steps)
    assert result.images.std() > 0.001
    assert progress[0] == 0
    assert progress[-1] == 2 * steps
    assert progress == sorted(progress)


def test_the_trajectory_goes_from_noise_to_the_image(make_generator):
    model = make_generator("diffusion", training_steps=100)
    made = Generator(model.network, model.card.inference)
    few = draw(made, 1, 2, 3, steps=6, keep_trajectory=True, batch_size=2)
    assert few.trajectory.shape == (7, 3, 1, 16, 16)
    np.testing.assert_allclose(few.trajectory[-1], few.images, atol=1e-3)
    noise = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(2))
    first = ((noise + 1) / 2).clamp(0, 1).numpy()
    np.testing.assert_allclose(few.trajectory[0, 1], first, atol=1e-3)
    many = draw(made, 1, steps=100, keep_trajectory=True)
    assert many.trajectory.shape == (50, 1, 1, 16, 16)


def test_models_of_one_step_say_that_there_is_no_trajectory(generator):
    result = draw(generator("gan"), 1, keep_trajectory=True)
    assert result.trajectory is None
    assert "no trajectory" in result.messages[0]


@pytest.mark.parametrize("kind", ["pairs", "latent"])
def test_the_preview_shows_the_images_emerge_and_ends_with_them(generator, kind):
    seen = []
    finished = {}
    made = generator(kind)
    calls = {
        "on_preview": lambda *preview: seen.append(preview),
        "on_image": finished.__setitem__,
    }
    result = run(made, calls, count=3, seed=1, steps=5, batch_size=2)
    assert [(step, total) for step, total, *_ in seen] == [(step, 5) for step in range(1, 6)] * 2
    assert [numbers for *_, numbers in seen] == [[0, 1]] * 5 + [[2]] * 5
    np.testing.assert_allclose(seen[4][2], result.images[:2], atol=1e-5)
    np.testing.assert_allclose(seen[-1][2], result.images[2:], atol=1e-5)
    for number, image in finished.items():
        np.testing.assert_array_equal(image, result.images[number])
    assert list(finished) == [0, 1, 2]


# -- stopping, and what goes wrong ---------------------------------------------------------


def test_enough_keeps_the_images_that_are_finished(generator):
    made = generator()
    finished = []
    calls = {
        "on_image": lambda number, image: finished.append(number),
        "enough": lambda: len(finished) >= 4,
    }
    result = run(made, calls, count=6, batch_size=2, keep_trajectory=True)
    assert result.images.shape == (4, 1, 16, 16)
    assert result.trajectory.shape == (5, 4, 1, 16, 16)
    assert result.seeds == (0, 1, 2, 3)
    np.testing.assert_allclose(result.images, draw(made, 0, 1, 2, 3).images, atol=1e-5)


@pytest.mark.parametrize("kind", ["diffusion", "vae"])
def test_enough_at_once_is_no_image(generator, kind):
    result = run(generator(kind), {"enough": lambda: True}, count=2)
    assert result.images.shape == (0, 1, 16, 16)
    assert result.seeds == ()


@pytest.mark.parametrize("size", [None, (40, 40)])
def test_cancelling_stops_between_steps_and_between_windows(generator, size):
    calls = []

    def stop(done: int, total: int, message: str) -> None:
        calls.append(done)
        if len(calls) == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(generator(), {"progress": stop}, count=2, size=size, steps=20)
    assert calls[-1] == (6 if size is None else 0)


def short_of_memory(generator: Generator, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a generator run out of memory with more than `most` images at a time."""
    draw_all = generator._family.draw

    def draw_few(request, run, numbers):
        if len(numbers) > most:
            raise torch.OutOfMemoryError("out of memory")
        return draw_all(request, run, numbers)

    monkeypatch.setattr(generator._family, "draw", draw_few)


def test_out_of_memory_goes_on_with_fewer_images_at_a_time(generator, monkeypatch):
    made = generator("latent")
    expected = draw(made, 1, 2, 3, 4, 5, 6).images
    short_of_memory(made, 2, monkeypatch)
    result = draw(made, 1, 2, 3, 4, 5, 6)
    np.testing.assert_allclose(result.images, expected, atol=1e-5)
    assert len(result.messages) == 1
    assert "fewer images at a time" in result.messages[0]


def test_out_of_memory_for_a_single_image_says_what_to_do(generator, monkeypatch):
    made = generator()
    short_of_memory(made, 0, monkeypatch)
    with pytest.raises(OutOfMemoryError, match="smaller size"):
        draw(made, 1, 2)


@pytest.mark.parametrize("kind", ["diffusion", "vae"])
def test_damaged_weights_are_an_error_and_no_image(make_generator, kind):
    model = make_generator(kind)
    for weights in model.network.parameters():
        weights.fill_(math.nan)
    with pytest.raises(ModelError, match="no numbers"):
        draw(Generator(model.network, model.card.inference), 1)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("diffusion", {"label": 0}, "knows no classes"),
        ("vae", {"label": 0}, "knows no classes"),
        ("vae", {"conditions": (0.0,)}, "classes or properties"),
        ("classes", {"label": 2}, "no class “2”"),
        ("pairs", {"conditions": (0.0, 1.0)}, "1 properties"),
        ("diffusion", {"sampler": "heun"}, "no sampler “heun”"),
        ("diffusion", {"steps": 21}, "between 1 and 20"),
        ("diffusion", {"steps": 0}, "between 1 and 20"),
        ("diffusion", {"guidance": -1.0}, "guidance"),
        ("diffusion", {"guidance": math.nan}, "guidance"),
        ("diffusion", {"size": (0, 16)}, "at least 1 pixel"),
        ("diffusion", {"batch_size": 0}, "at least 1 image"),
    ],
)
def test_impossible_options_are_refused_in_words(generator, kind, options, words):
    with pytest.raises(InputError, match=words):
        draw(generator(kind), 1, **options)


def test_impossible_seeds_and_counts_are_refused(generator):
    made = generator()
    for count, seeds in ((0, ()), (2, (1,)), (1, (-1,)), (1, (2**63,))):
        with pytest.raises(InputError, match="seed"):
            run(made, count=count, seed=seeds)


def test_a_segmenter_is_no_generator(tiny_model):
    with pytest.raises(ModelError, match="does not generate"):
        Generator(tiny_model.network, tiny_model.card.inference)


def test_the_network_is_left_as_it_was(make_generator):
    model = make_generator("latent")
    model.network.train()
    draw(Generator(model.network, model.card.inference), 1)
    assert model.network.training


def test_bfloat16_is_nearly_the_same_image_and_precisions_are_checked(make_generator, monkeypatch):
    model = make_generator("diffusion")
    rough = Generator(model.network, model.card.inference, precision="bfloat16")
    fine = Generator(model.network, model.card.inference, precision="float32")
    np.testing.assert_allclose(draw(rough, 1).images, draw(fine, 1).images, atol=0.1)
    assert (rough.precision, fine.precision) == ("bfloat16", "float32")
    monkeypatch.setenv("CYTOSYNTH_PRECISION", "")
    assert Generator(model.network, model.card.inference).precision == "float32"
    with pytest.raises(InputError, match="float16"):
        Generator(model.network, model.card.inference, precision="float16")


# -- walks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["diffusion", "latent", "vae", "gan"])
def test_a_walk_leads_from_the_one_seeds_image_to_the_others(generator, kind):
    made = generator(kind)
    walk = run(made, seed=3, walk_to=8, count=9, batch_size=4)
    ends = draw(made, 3, 8, sampler="ddim").images
    np.testing.assert_allclose(walk.images[[0, -1]], ends, atol=1e-5)
    assert walk.seeds == (3, 8)
    assert walk.positions == tuple(number / 8 for number in range(9))
    steps = np.abs(np.diff(walk.images, axis=0)).mean(axis=(1, 2, 3))
    assert (steps > 0).all()
    assert steps.max() < 0.9 * np.abs(ends[1] - ends[0]).mean()  # no jump all at once


def test_a_walk_stops_and_is_refused_like_a_run(generator):
    made = generator()
    finished: list[int] = []
    calls = {
        "on_image": lambda number, image: finished.append(number),
        "enough": lambda: bool(finished),
    }
    walk = run(made, calls, seed=1, walk_to=2, count=5, batch_size=2)
    assert len(walk.images) == 2
    assert walk.positions == (0.0, 0.25)
    with pytest.raises(InputError, match="at least 2"):
        run(made, seed=1, walk_to=2, count=1)
