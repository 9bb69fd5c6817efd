from __future__ import annotations

import numpy as np
import pytest
import yaml

from napari_cytosynth.errors import InputError
from napari_cytosynth.training.generate.data import GenerateData
from napari_cytosynth.training.generate.evaluate.training_crops import training_crops


def test_the_crops_of_the_embeddings_are_cut_again(
    make_generate_recipe, generator_folder, tmp_path
):
    recipe = make_generate_recipe()
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    expected = GenerateData(recipe, generator_folder).crops("train", 5)
    for cut in (training_crops(generator_folder, file), training_crops(generator_folder)):
        found = cut(str(file), 5)
        np.testing.assert_array_equal(found.images, expected.images)
        np.testing.assert_array_equal(found.index, expected.index)


def test_a_recipe_that_makes_no_generator_is_refused(tmp_path):
    for name in ("", "fluo-nuclei-unet"):
        with pytest.raises(InputError, match="is not a recipe of a generator"):
            training_crops(tmp_path)(name, 5)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no folder .*nowhere"):
        training_crops(tmp_path / "nowhere")
