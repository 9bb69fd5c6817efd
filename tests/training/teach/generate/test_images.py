"""Generators learn images, of classes where they know some."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError, ModelError, RecipeError
from napari_cytosynth.training.teach.generate.images import read_images
from napari_cytosynth.training.teach.recipe import folder_plan, tuning_recipe
from napari_cytosynth.training.teach.task import prepare


def images(count, shape=(24, 24)):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, shape, np.uint8) for _ in range(count)]


def test_a_generator_learns_and_what_is_held_out_is_scored(make_generator, tmp_path):
    start = make_generator("diffusion")
    stack = np.stack(images(6))
    made = cytosynth.fine_tune(start, [stack], tmp_path / "mine", steps=30, progress=lambda *_: 0)
    record = json.loads((made.parent / "validation.json").read_text())
    assert record["best_scores"]["loss"] < record["start_scores"]["loss"]
    model = cytosynth.load_model(made)
    assert model.card.metrics == []
    assert "Taught 6 images. One in five" in model.card.training.remarks
    assert "How good its images are was not measured" in model.card.training.remarks
    before, now = start.card.inference, model.card.inference
    assert (now.schedule, now.prediction_type, now.training_steps) == (
        before.schedule, before.prediction_type, before.training_steps,
    )  # fmt: skip
    assert now.generation.steps == before.generation.steps
    assert len(list((made.parent / "data" / "held-out").glob("*.tif"))) == 1
    assert cytosynth.generate(made, count=1, steps=2, progress=lambda *_: 0).images.shape[0] == 1


def test_classes_are_told_by_name(make_generator, tmp_path):
    model = make_generator("classes")
    pictures = images(10, (3, 24, 24))
    names = model.card.inference.classes
    pairs = [(image, names[n % 2]) for n, image in enumerate(pictures)]
    ready = prepare(model, pairs, tmp_path / "run", steps=1)
    data = ready.recipe.data
    assert (data.kind, data.classes) == ("classes", names)
    assert "non-cancerous: 5, cancerous: 5" in ready.recipe.card.remarks
    for name in names:
        folder = ready.data_dir / "learned" / name
        saved = [tifffile.imread(file) for file in sorted(folder.iterdir())]
        given = [image for image, label in pairs if label == name]
        assert len(saved) == 4
        assert all(any(np.array_equal(one, other) for other in given) for one in saved)
    for wrong in (pictures, [(pictures[0], "other")]):
        with pytest.raises(InputError, match="makes the classes “non-cancerous”, “cancerous”"):
            read_images(wrong, model.card)
    with pytest.raises(InputError, match="no image of the class “cancerous”"):
        prepare(model, pairs[::2], tmp_path / "other", steps=1)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 24, 8)), "smaller than what the model makes"),
        (np.full((24, 24), np.inf), "without a number"),
        (np.zeros(24), "not as the images"),
    ],
)
def test_images_that_cannot_be_learned_are_refused(make_generator, image, message):
    with pytest.raises(InputError, match=message):
        read_images([image], make_generator("diffusion").card)


@pytest.mark.parametrize(
    ("kind", "message"), [("gan", "critic"), ("latent", "two stages"), ("pairs", "masks")]
)
def test_generators_that_cannot_be_taught_are_refused(make_generator, kind, message, tmp_path):
    with pytest.raises(ModelError, match=f"cannot be fine-tuned, for .*{message}"):
        prepare(make_generator(kind), images(5), tmp_path / "run")


@pytest.mark.parametrize("kind", ["vae", "classes"])
def test_a_folder_is_taken_as_it_lies(make_generator, tmp_path, kind):
    card = make_generator(kind).card
    for name in card.inference.classes or [""]:
        (tmp_path / name).mkdir(exist_ok=True)
        for number in range(5):
            tifffile.imwrite(tmp_path / name / f"{number}.tif", images(1)[0])
    recipe = tuning_recipe(card, folder_plan(card, "start", tmp_path))
    assert recipe.data.parts.validation_names == ["4"]
    assert recipe.train.validate_start
    (tmp_path / "cancerous").rename(tmp_path / "other") if kind == "classes" else None
    if kind == "classes":
        with pytest.raises(RecipeError, match="has no folder “cancerous”"):
            folder_plan(card, "start", tmp_path)
