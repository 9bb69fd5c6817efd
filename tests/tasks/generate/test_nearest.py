from __future__ import annotations

import dataclasses
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError, ModelError
from napari_cytosynth.inference.features import Reference, encoder_features
from napari_cytosynth.tasks.generate.nearest import nearest_training
from napari_cytosynth.tasks.generate.result import Generation
from napari_cytosynth.zoo.model_files import save_model, write_reference


@pytest.fixture(scope="module")
def training():
    """Training images, in [0, 1]."""
    smooth = np.random.default_rng(0).random((12, 1, 4, 4), np.float32)
    return smooth.repeat(8, axis=2).repeat(8, axis=3)


@pytest.fixture
def encoder(make_model, tmp_path):
    """A tiny segmentation model on disk, whose encoder extracts features."""
    model = make_model()
    return save_model(tmp_path / "encoder", model.network, model.card), model


@pytest.fixture
def folder(make_generator, encoder, training, tmp_path):
    """A generator that carries embeddings of the training images."""
    path, segmenter = encoder
    model = make_generator()
    card = model.card.inference.generation.model_copy(
        update={"encoder": str(path), "real_distances": (1e-4, 2e-4, 3e-4, 4e-4, 5e-4)}
    )
    inference = model.card.inference.model_copy(update={"generation": card})
    saved = save_model(
        tmp_path / "generator",
        model.network,
        model.card.model_copy(update={"inference": inference}),
    )
    known = encoder_features(segmenter.network, segmenter.card.inference.normalisation, "e")
    index = np.arange(48, dtype=np.int32).reshape(12, 4)
    write_reference(saved, Reference.from_features(known.embed(training), index).tensors())
    return saved


@pytest.fixture
def look_up(encoder):
    """`nearest_training` with the encoder that the user of these tests knows."""
    return partial(nearest_training, encoder=encoder[0])


def test_a_planted_copy_is_found(folder, training, look_up):
    fresh = 1 - training[2:4] ** 3
    images = np.concatenate([training[7:8] + 0.001, fresh])
    result = Generation(images, ("DNA",), (1, 2, 3), "tiny")
    found = look_up(result, folder)
    assert result.nearest is found
    assert found.distance.shape == found.index.shape == (3,)
    assert found.index[0] == 7
    assert list(found.place[0]) == [28, 29, 30, 31]
    assert list(found.suspicious) == [True, False, False]
    assert found.usual == (1e-4, 2e-4, 3e-4, 4e-4, 5e-4)
    assert found.extractor == "tiny"
    assert found.images is None
    assert "as one real image in twenty is: look at both." in found.describe(0)
    assert "real images that were not trained on lie 0.0001 to 0.0005 away." in found.describe(1)
    assert list(result.table["nearest_index"][:1]) == [7]


def test_arrays_are_looked_up_in_the_order_they_come(folder, training, look_up):
    found = look_up(training[::-1], folder)
    assert list(found.index) == list(range(12))[::-1]
    nothing = look_up(training[:0], folder)
    assert nothing.distance.shape == (0,)


def test_the_neighbour_itself_comes_from_the_training_data(folder, training, look_up):
    pixels = training * 2 - 1
    index = np.arange(48, dtype=np.int32).reshape(12, 4)
    asked = []

    def crops(recipe, count):
        asked.append((recipe, count))
        return SimpleNamespace(images=pixels[:count], index=index)

    found = look_up(training[3:5], folder, crops)
    np.testing.assert_allclose(found.images, training[3:5], atol=1e-6)
    recipe = cytosynth.load_model(folder).card.training.recipe or ""
    assert asked == [(recipe, 12)]
    index = index[::-1]
    with pytest.raises(InputError, match="are not those that the embeddings"):
        look_up(training[3:5], folder, crops)


def test_what_cannot_be_looked_up_is_explained(
    folder, tiny_model, make_generator, training, look_up
):
    with pytest.raises(InputError, match="does not generate"):
        nearest_training(training, tiny_model)
    with pytest.raises(ModelError, match="carries no embeddings"):
        nearest_training(training, make_generator())
    with pytest.raises(InputError, match="differ in their channels"):
        look_up(training.repeat(2, axis=1), folder)
    loaded = cytosynth.load_model(folder)
    inference = loaded.card.inference
    nameless = inference.generation.model_copy(update={"encoder": ""})
    card = loaded.card.model_copy(
        update={"inference": inference.model_copy(update={"generation": nameless})}
    )
    with pytest.raises(ModelError, match="does not say which encoder"):
        nearest_training(training, dataclasses.replace(loaded, card=card))


@pytest.mark.parametrize("name", ["{folder}", "{folder}/encoder.pt", "organisation/encoder"])
def test_a_card_has_no_model_loaded_that_is_not_bundled(folder, training, name, monkeypatch):
    loaded = cytosynth.load_model(folder)
    inference = loaded.card.inference
    named = inference.generation.model_copy(update={"encoder": name.format(folder=folder)})
    card = loaded.card.model_copy(
        update={"inference": inference.model_copy(update={"generation": named})}
    )
    forbidden = pytest.fail
    monkeypatch.setattr("napari_cytosynth.inference.features.script_features", forbidden)
    monkeypatch.setattr("napari_cytosynth.zoo.hub.fetch", forbidden)
    with pytest.raises(ModelError, match=r"does not come with this package.*encoder=…"):
        nearest_training(training, dataclasses.replace(loaded, card=card))
