"""Shipped models: silent on images of their own kind; others are noticed, before and after."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data
from skimage.color import rgb2gray
from skimage.io import imread
from skimage.transform import rescale

from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.common.input_check import check_image
from napari_cytosynth.tasks.segment.task import segment
from napari_cytosynth.training.data.splits import hash_split
from napari_cytosynth.zoo.loading import load_model

NUCLEI, CELLS = "fluo-nuclei-unet", "phase-cells-unet"
PHOTOGRAPHS = ("camera", "coins", "astronaut", "moon", "brick", "grass", "page", "text")


@pytest.fixture(scope="module")
def nuclei():
    return load_model(NUCLEI)


@pytest.fixture(scope="module")
def cells():
    model = load_model(CELLS)
    if not model.card.inference.input_looks:
        pytest.skip(f"the card of {CELLS} does not say what its training images look like")
    return model


def middle(image, side=192):
    starts = [max(0, (own - side) // 2) for own in image.shape]
    return image[tuple(slice(start, start + side) for start in starts)]


def photograph(name):
    image = np.asarray(getattr(data, name)())
    return rgb2gray(image) if image.ndim == 3 else image


def altered(image):
    """Return the image inverted, and a part of it at 4 times its magnification."""
    image = image.astype(float)
    return [image.max() - image, rescale(middle(image, 96), 4, order=3)]


def found(image, model):
    return segment(image, model, progress=silent, precision="float32")


@pytest.fixture(scope="module")
def fields():
    return [fluorescent_nuclei((192, 192), count=14, seed=seed).image for seed in range(2)]


def test_photographs_are_noticed_before_the_run(nuclei):
    unnoticed = [name for name in PHOTOGRAPHS if not check_image(photograph(name), nuclei.card)]
    assert unnoticed == []


def test_objects_in_a_photograph_are_doubted_however_sure_the_model_is(nuclei):
    result = found(middle(data.camera()), nuclei)
    assert "unlike what the model was trained on (fluorescence)" in result.messages[0]
    assert "unlike those of the training: this model was trained on fluorescence" in result.doubt


def test_nothing_is_said_of_simulated_nuclei_and_they_are_noticed_if_altered(nuclei, fields):
    for image in fields:
        assert check_image(image, nuclei.card) == []
        assert found(image, nuclei).doubt == ""
        inverted, larger = (check_image(other, nuclei.card) for other in altered(image))
        assert "inverted" in inverted[0]
        assert larger


# -- real images -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_nuclei(shared_data):
    """Images that the model has not seen, of both microscopes."""
    paths = sorted((shared_data / "nuclei-dsb2018" / "image").glob("*"))
    paths = [path for path in paths if hash_split(path.stem) == "test"][::9]
    return [imread(path) for path in (*paths, *sorted(_folder(shared_data, "bbbc039"))[:2])]


def _folder(shared_data, name):
    return (shared_data / f"nuclei-{name}" / "image").glob("*")


@pytest.fixture(scope="module")
def real_cells(shared_data):
    paths = sorted((shared_data / "phase-usiigaci" / "test" / "image").glob("*"))
    return [imread(path) for path in paths]


@pytest.mark.timeout(600)
def test_real_nuclei_pass_and_other_kinds_do_not(nuclei, real_nuclei, real_cells):
    said = [check_image(image, nuclei.card) for image in real_nuclei]
    assert sum(map(bool, said)) <= 1, said
    assert all(check_image(image, nuclei.card) for image in real_cells)
    assert all("inverted" in check_image(altered(x)[0], nuclei.card)[0] for x in real_nuclei[-2:])
    assert found(middle(real_nuclei[-1]), nuclei).doubt == ""
    assert "this model was trained on fluorescence" in found(middle(real_cells[0]), nuclei).doubt


@pytest.mark.timeout(600)
def test_real_cells_pass_and_other_kinds_do_not(cells, real_nuclei, real_cells):
    assert not any(check_image(image, cells.card) for image in real_cells)
    assert found(real_cells[0], cells).doubt == ""
    inverted, larger = altered(real_cells[0])
    assert check_image(inverted, cells.card)
    assert check_image(larger, cells.card)
    assert all(check_image(image, cells.card) for image in real_nuclei)
    assert all(check_image(photograph(name), cells.card) for name in PHOTOGRAPHS)
    assert "phase contrast" in found(middle(real_nuclei[-1]), cells).doubt
