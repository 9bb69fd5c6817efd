"""Models of version 1, of users and of older releases, give what they gave."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from scipy import ndimage

import napari_cytosynth as cytosynth
from napari_cytosynth.cli import main
from napari_cytosynth.inference.normalise import normalise
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.tasks.segment.instances import LabelOptions, label_plane
from napari_cytosynth.zoo.loading import load_model

KINDS = ("distance", "foreground")


@pytest.fixture(scope="module")
def image():
    noise = np.random.default_rng(1).normal(size=(96, 110))
    return (1000 + 200 * ndimage.gaussian_filter(noise, 3)).astype(np.uint16)


def run(image, model, **arguments):
    return cytosynth.segment(image, model, device="cpu", precision="float32", **arguments)


def expected(image, model, options):
    """Network, sigmoid, threshold and watershed, one after the other."""
    own = model.card.inference
    predictor = Predictor(model.network, 1, device="cpu", precision="float32")
    output = predictor.predict(normalise(image[None], own.normalisation), activation="sigmoid")
    seeds = output[1] if own.splitting else None
    return output[0], label_plane(output[0], seeds, options, own.splitting)


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_network_sigmoid_threshold_and_watershed(version_1, image, kind):
    model = load_model(version_1(kind), "cpu")
    own, splits = model.card.inference, kind == "distance"
    probability, labels = expected(image, model, LabelOptions(own.threshold, split_touching=splits))
    result = run(image, model)
    assert result.options == LabelOptions(own.threshold, split_touching=splits)
    np.testing.assert_array_equal(result.probability, probability)
    np.testing.assert_array_equal(result.labels, labels)
    assert labels.max() > 3
    assert "confidence" not in result.table
    assert not result.messages


def test_seeds_split_what_touches_and_can_be_left_out(version_1, image):
    model = load_model(version_1("distance"), "cpu")
    apart, together = run(image, model), run(image, model, split_touching=False)
    np.testing.assert_array_equal(apart.labels > 0, together.labels > 0)
    assert apart.labels.max() > together.labels.max()
    components, count = ndimage.label(together.probability >= together.threshold, np.ones((3, 3)))
    assert together.labels.max() == count
    np.testing.assert_array_equal(together.labels > 0, components > 0)


@pytest.mark.parametrize("kind", KINDS)
def test_another_threshold_and_smallest_size_are_obeyed(version_1, image, kind):
    model = load_model(version_1(kind), "cpu")
    splits = kind == "distance"
    wanted = expected(image, model, LabelOptions(0.45, 12, split_touching=splits))[1]
    np.testing.assert_array_equal(run(image, model, threshold=0.45, min_size=12).labels, wanted)
    moved = run(image, model).at_threshold(0.45, min_size=12)
    np.testing.assert_array_equal(moved.labels, wanted)
    assert np.bincount(wanted.ravel())[1:].min() >= 12


def test_the_command_uses_the_same_defaults(version_1, image, tmp_path):
    folder = version_1("distance")
    tifffile.imwrite(tmp_path / "image.tif", image)
    line = ["segment", str(tmp_path / "image.tif"), "--model", str(folder), "--device", "cpu"]
    assert main([*line, "--out", str(tmp_path / "out")]) == 0
    found = tifffile.imread(tmp_path / "out" / "labels.tif")
    np.testing.assert_array_equal(found, run(image, folder).labels)


@pytest.mark.parametrize(
    ("recorded", "options"),
    [
        # the first records left out what was a default then: nothing was split
        ({"threshold": 0.6}, LabelOptions(0.6)),
        (
            {"threshold": 0.5, "min_size": 9, "fill_holes": False, "split_touching": True},
            LabelOptions(0.5, 9, split_touching=True),
        ),
    ],
)
def test_a_script_of_an_older_record_gives_what_it_gave(
    version_1, image, tmp_path, recorded, options
):
    folder = version_1("distance")
    model = load_model(folder, "cpu")
    record = json.loads(json.dumps(run(image, folder).provenance))
    tifffile.imwrite(tmp_path / "image.tif", image)
    record["source"]["path"] = str(tmp_path / "image.tif")
    script = as_python(record | {"version": "0.1.0.dev0", "parameters": recorded})
    names: dict[str, object] = {}
    exec(script.split("result.save")[0], names)
    labels = names["result"].labels
    np.testing.assert_array_equal(labels, expected(image, model, options)[1])
