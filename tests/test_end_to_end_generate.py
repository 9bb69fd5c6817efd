"""End-to-end tests of the bundled generators, by the calls of the documentation."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.metrics import frechet_distance, gaussian_matched
from napari_cytosynth.tasks.generate.features import load_features
from napari_cytosynth.tasks.generate.nearest import nearest_training

SHIPPED = {
    "nuclei-vae": (64, 1),
    "nuclei-wgan": (64, 1),
    "nuclei-ddpm": (64, 1),
    "cellpainting-ddpm": (64, 5),
    "histology-ddpm": (64, 3),
    "em-pairs-ddpm": (128, 1),
    "em-ldm": (256, 1),
}


def test_every_bundled_generator_is_tried_here():
    assert {info.name for info in cytosynth.list_models("generate")} >= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_bundled_generator_lies_nearer_to_real_images_than_to_noise(name):
    """The scores are those of its own card, from unseen images."""
    figures = {metric.name: metric.value for metric in cytosynth.load_model(name).card.metrics}
    for distance in ("Fréchet distance", "kernel distance"):
        (found,) = (value for key, value in figures.items() if key.startswith(f"{distance} ("))
        real = figures[f"{distance} of real training images"]
        noise = figures[f"{distance} of matched noise"]
        assert abs(found - real) < abs(noise - found)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_bundled_model_generates_without_a_network(name):
    size, channels = SHIPPED[name]
    found = cytosynth.generate(name, count=2, seed=5, steps=4)
    assert found.images.shape == (2, channels, size, size)
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    assert found.images.std(axis=(2, 3)).mean() > 0.02  # not an even grey
    assert not np.allclose(found.images[0], found.images[1])
    again = cytosynth.generate(name, count=1, seed=6, steps=4)
    np.testing.assert_allclose(again.images[0], found.images[1], atol=1e-5)


NEAREST = {  # of two images of waves: extractor, distances, rows of the embeddings
    "nuclei-vae": ("nuclei-encoder", [1.7951, 1.4710], [107, 788]),
    "nuclei-wgan": ("nuclei-encoder", [1.7951, 1.4710], [107, 788]),
    "nuclei-ddpm": ("nuclei-encoder", [1.7951, 1.4710], [107, 788]),
    "cellpainting-ddpm": ("nuclei-encoder", [5.1280, 4.7240], [624, 1210]),
    "histology-ddpm": ("nuclei-encoder", [4.7538, 4.6467], [1330, 1424]),
    "em-pairs-ddpm": ("em-encoder", [2.2871, 3.0260], [990, 990]),
    "em-ldm": ("em-encoder", [2.9444, 3.5479], [828, 457]),
}


@pytest.mark.parametrize("name", NEAREST)
def test_the_embeddings_of_a_bundled_model_keep_their_encoder(name):
    """The distances are those of the encoder that made the embeddings, whatever came since."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    waves = [(1 + np.sin(y / (5 + c)) * np.cos(x / (9 - c))) / 2 for c in range(SHIPPED[name][1])]
    found = nearest_training(np.stack([waves, np.square(waves)]), name, device="cpu")
    extractor, distance, index = NEAREST[name]
    assert found.extractor == extractor
    np.testing.assert_allclose(found.distance, distance, rtol=2e-3)
    assert found.index.tolist() == index


def test_the_classes_of_tissue_differ_in_colour():
    healthy, cancerous = (
        cytosynth.generate("histology-ddpm", count=6, seed=0, steps=15, label=label).images
        for label in ("non_cancerous", "cancerous")
    )
    # LC25000's adenocarcinoma is bluer: less red than its benign tissue
    assert healthy[:, 0].mean() > cancerous[:, 0].mean() + 0.03


def test_the_result_is_saved_as_synthetic(tmp_path):
    found = cytosynth.generate("cellpainting-ddpm", count=2, seed=1, steps=4)
    found.save(tmp_path / "out")
    with tifffile.TiffFile(tmp_path / "out" / "images.tif") as file:
        assert "SYNTHETIC" in file.pages[0].description
        assert file.series[0].shape == (2, 5, 64, 64)
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert "cellpainting-ddpm" in json.dumps(record)


def test_generated_nuclei_lie_nearer_to_real_ones_than_noise_does(shared_data):
    from napari_cytosynth.training.generate.data import GenerateData
    from napari_cytosynth.training.tasks import load_recipe

    data = GenerateData(load_recipe("nuclei-ddpm"), shared_data / "nuclei-dsb2018")
    real = (data.crops("test", 64, seed=0).images + 1) / 2
    made = cytosynth.generate("nuclei-ddpm", count=64, seed=0, steps=15).images
    features = load_features("nuclei-encoder", "cpu")
    wanted = features.embed(real)
    noise = features.embed(gaussian_matched(real, seed=0).clip(0, 1))
    assert frechet_distance(features.embed(made), wanted) < 0.6 * frechet_distance(noise, wanted)
