from __future__ import annotations

import json

import numpy as np
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled, InputError, ModelError
from napari_cytosynth.inference.generation.request import resolve
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.generate.task import Generation, SamplingOptions


@pytest.fixture(scope="module")
def model(make_generator):
    return make_generator()


# -- what is made -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "channels"),
    [
        ("diffusion", ("DNA",)),
        ("latent", ("EM",)),
        ("vae", ("DNA",)),
        ("gan", ("DNA",)),
        ("classes", ("red", "green", "blue")),
        ("five", ("DNA", "RNA", "ER", "AGP", "Mito")),
    ],
)
def test_every_family_makes_images_with_names_seeds_and_a_size(make_generator, kind, channels):
    result = cytosynth.generate(make_generator(kind), count=3, seed=4)
    assert isinstance(result, Generation)
    assert result.images.shape == (3, len(channels), 16, 16)
    assert result.images.dtype == np.float32
    assert 0 <= result.images.min() < result.images.max() <= 1
    assert (result.channels, result.seeds) == (channels, (4, 5, 6))
    assert (result.model, result.pixel_size_um, result.masks) == (f"tiny-{kind}", 0.5, None)
    assert result.trajectory is None
    assert result.walk is None


def test_a_seed_gives_the_same_image_alone_and_among_others(model):
    many = cytosynth.generate(model, count=4, seed=5)
    one = cytosynth.generate(model, count=1, seed=7)
    small = cytosynth.generate(model, count=4, seed=5, batch_size=1)
    np.testing.assert_allclose(one.images[0], many.images[2], atol=1e-5)
    np.testing.assert_allclose(small.images, many.images, atol=1e-5)
    assert np.abs(many.images[0] - many.images[1]).max() > 0.05


def test_masks_come_apart_from_the_images(make_generator):
    pairs, seen, done = make_generator("pairs"), [], []
    result = cytosynth.generate(
        pairs,
        count=2,
        conditions={"foreground fraction": 0.3},
        keep_trajectory=True,
        on_preview=lambda *arguments: seen.append(arguments),
        on_image=lambda number, image: done.append((number, image.shape)),
    )
    assert (result.channels, result.objects) == (("EM",), "mitochondria")
    assert result.masks.dtype == bool
    assert result.masks.shape == result.labels.shape == (2, 16, 16)
    assert result.masks.any()
    assert not result.masks.all()
    assert result.trajectory.shape[:1] + result.trajectory.shape[2:] == (2, 1, 16, 16)
    np.testing.assert_allclose(result.trajectory[:, -1], result.images, atol=1e-3)
    assert done == [(0, (1, 16, 16)), (1, (1, 16, 16))]
    step, steps, images, numbers = seen[-1]
    assert (step, images.shape, list(numbers)) == (steps, (2, 1, 16, 16), [0, 1])
    np.testing.assert_allclose(images, result.images, atol=1e-3)
    assert result.conditions == {"foreground fraction": 0.3}
    assert result.messages == []


def test_classes_have_names_and_numbers(make_generator):
    model = make_generator("classes")
    named = cytosynth.generate(model, count=1, label="Cancerous")
    numbered = cytosynth.generate(model, count=1, label=1)
    other = cytosynth.generate(model, count=1, label=0)
    anyone = cytosynth.generate(model, count=1)
    assert named.label == numbered.label == "cancerous"
    np.testing.assert_array_equal(named.images, numbered.images)
    assert np.abs(named.images - other.images).max() > 1e-4
    assert anyone.label is None
    assert any("No class was chosen" in text for text in anyone.messages)


def test_conditions_are_told_in_units_of_the_card(make_generator):
    pairs = make_generator("pairs")
    options = SamplingOptions(conditions={"foreground fraction": 0.4})
    assert resolve(options, pairs.card.inference).condition == pytest.approx((2.0,))
    few, many, any_ = (
        cytosynth.generate(pairs, count=1, conditions=conditions).images
        for conditions in ({"foreground fraction": 0.1}, {"foreground fraction": 0.4}, None)
    )
    assert np.abs(few - many).max() > 1e-4
    assert np.abs(few - any_).max() > 1e-4
    strange = cytosynth.generate(pairs, count=1, conditions={"foreground fraction": 0.9})
    assert any("with 0.9 the model may fail" in text for text in strange.messages)


@pytest.mark.parametrize("size", [24, (24, 40)])
def test_other_sizes(model, size):
    result = cytosynth.generate(model, count=1, size=size, steps=2)
    assert result.images.shape[2:] == (24, size if isinstance(size, int) else 40)


# -- a walk -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vae", "gan", "diffusion"])
def test_a_walk_leads_from_one_seed_to_the_other(make_generator, kind):
    model = make_generator(kind)
    walk = cytosynth.vary(model, 3, 8, 5)
    options = {} if kind != "diffusion" else {"sampler": "ddim"}
    first, last = (cytosynth.generate(model, count=1, seed=seed, **options) for seed in (3, 8))
    np.testing.assert_allclose(walk.images[0], first.images[0], atol=1e-4)
    np.testing.assert_allclose(walk.images[-1], last.images[0], atol=1e-4)
    assert (walk.walk, walk.ends) == ((0, 0.25, 0.5, 0.75, 1), (3, 8))
    assert walk.seeds == (3, 3, 3, 8, 8)
    steps = np.abs(np.diff(walk.images, axis=0)).mean(axis=(1, 2, 3))
    assert steps.max() < np.abs(walk.images[-1] - walk.images[0]).mean() + steps.min()


# -- what cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("diffusion", {"count": 0}, "number of images must be a whole number of at least 1"),
        ("diffusion", {"seed": -1}, "seed must be a whole number of at least 0"),
        ("diffusion", {"seed": 1.5}, "whole number"),
        ("diffusion", {"seed": np.nan}, "seed must be a whole number"),
        ("diffusion", {"count": "many"}, "whole number of at least 1, not many"),
        ("diffusion", {"count": None}, "whole number"),
        ("diffusion", {"size": "64"}, "size must be a whole number"),
        ("diffusion", {"steps": 2.5}, "number of steps must be a whole number"),
        ("diffusion", {"guidance": "strong"}, "guidance must be a number, not strong"),
        ("diffusion", {"size": (1, 2, 3)}, "one number of pixels, or two"),
        ("diffusion", {"size": 0}, "at least 1"),
        ("diffusion", {"label": "cancerous"}, "knows no classes"),
        ("classes", {"label": "benign"}, "no class “benign”: this model knows non-cancerous, ca"),
        ("classes", {"label": 2}, "no class “2”"),
        ("classes", {"label": 0.5}, "no class “0.5”"),
        ("diffusion", {"conditions": {"area": 1}}, "has no property “area”"),
        ("pairs", {"conditions": {"area": 1}}, "it knows foreground fraction"),
        ("pairs", {"conditions": {"foreground fraction": np.nan}}, "must be a number"),
        ("pairs", {"conditions": {"foreground fraction": "a lot"}}, "a number, not a lot"),
        ("diffusion", {"sampler": "heun"}, "no sampler “heun”"),
        ("diffusion", {"steps": 99}, "between 1 and 20"),
        ("diffusion", {"guidance": -1.0}, "from 0 on"),
        ("vae", {"size": 64}, "only makes images of 16 × 16"),
    ],
)
def test_impossible_options_are_explained(make_generator, kind, arguments, words):
    with pytest.raises(InputError, match=words):
        cytosynth.generate(make_generator(kind), **{"count": 1} | arguments)


def test_model_for_another_task_is_refused(tiny_model):
    with pytest.raises(InputError, match="does not generate: it is made to segment"):
        cytosynth.generate(tiny_model)
    with pytest.raises(InputError, match="does not generate"):
        cytosynth.vary(tiny_model, 1, 2)


def test_options_without_effect_are_named(make_generator, model):
    messages = cytosynth.generate(make_generator("gan"), count=1, steps=5).messages
    assert any("one pass" in text for text in messages)
    messages = cytosynth.generate(model, count=1, guidance=3.0).messages
    assert any("guidance changes nothing" in text for text in messages)


# -- stopping ---------------------------------------------------------------------------------


def test_what_is_finished_is_kept(model):
    done = []
    result = cytosynth.generate(
        model,
        count=6,
        seed=2,
        batch_size=2,
        on_image=lambda number, _: done.append(number),
        enough=lambda: len(done) >= 4,
    )
    assert (len(result), result.seeds) == (4, (2, 3, 4, 5))
    assert "count=4" in as_python(result.provenance)
    assert result.provenance["seeds"] == [2, 3, 4, 5]


def test_stopped_before_the_first_image_is_cancelled(model):
    with pytest.raises(Cancelled):
        cytosynth.generate(model, count=2, enough=lambda: True)

    def progress(done, total, message):
        if done:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        cytosynth.generate(model, count=2, progress=progress)


# -- the record -------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["generate", "vary"])
def test_script_makes_the_result_again(make_generator, verb):
    model = make_generator("pairs")
    options = {"conditions": {"foreground fraction": 0.1}, "steps": 3, "guidance": 2.0}
    if verb == "generate":
        result = cytosynth.generate(model, count=2, seed=9, sampler="unipc", **options)
    else:
        result = cytosynth.vary(model, 1, 2, 3, size=24, **options)
    json.dumps(result.provenance)
    assert result.provenance["synthetic"] is True
    used = result.provenance["engine"]
    assert (used["steps"], used["guidance"]) == (3, 2.0)
    assert used["sampler"] == ("unipc" if verb == "generate" else "ddim")
    script = as_python(result.provenance)
    assert f"cytosynth.{verb}(" in script
    assert "image" not in script
    assert "keep_trajectory" not in script
    calls = []
    fake = type("cytosynth", (), {verb: lambda **given: calls.append(given) or result})
    body = script.replace("import napari_cytosynth as cytosynth", "")
    exec(body.replace('result.save("result")', ""), {"cytosynth": fake})
    given = calls[0] | {"model": model}
    again = getattr(cytosynth, verb)(**given)
    np.testing.assert_array_equal(again.images, result.images)


@pytest.mark.parametrize("count", [10**8, 10**9, 10**30])
def test_more_images_than_the_memory_can_hold_are_refused(make_generator, count):
    with pytest.raises(InputError, match=r"images of 16 × 16 pixels would need .* are free"):
        cytosynth.generate(make_generator("vae"), count=count)


def test_a_generator_that_gives_no_numbers_is_named(make_generator):
    for kind in ("vae", "diffusion"):
        model = make_generator(kind)
        for parameter in model.network.parameters():  # without gradients
            parameter.fill_(float("nan"))
        with pytest.raises(ModelError, match=f"“tiny-{kind}” gave values that are no numbers"):
            cytosynth.generate(model, count=1)


def test_other_impossible_arguments_are_named(make_generator):
    model = make_generator()
    for arguments, words in (
        ({"conditions": 5}, "“conditions” must be numbers by name"),
        ({"batch_size": "x"}, "batch_size must be a whole number"),
        ({"keep_trajectory": "no"}, "“keep_trajectory” must be True or False"),
        ({"sampler": 0}, "“sampler” must be one of"),
        ({"device": None}, "“device” must be"),
        ({"on_image": "x"}, "“on_image” must be a function"),
        ({"guidance": "2"}, "guidance must be a number"),
    ):
        with pytest.raises(InputError, match=words):
            cytosynth.generate(model, **{"count": 1} | arguments)
    with pytest.raises(InputError, match=r"second seed \(seed_b\) must be a whole number"):
        cytosynth.vary(model, 1, None)
