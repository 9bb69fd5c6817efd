"""The Segment scenes of the demo with tiny models: files, sentences, and nothing that is staged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.widgets.demo.doubt import DoubtScene
from napari_cytosynth.widgets.demo.segment import PlaneScene, found_sentence
from napari_cytosynth.widgets.demo.stack import StackScene
from napari_cytosynth.widgets.demo.touching import TouchingScene, kept_sentence
from napari_cytosynth.zoo.card.objects import Confidence, ConfidenceTerm, Expected

FLOWS = {
    "output_channels": ["foreground", "flow-y", "flow-x"],
    "channel_roles": ["foreground", "flow-y", "flow-x"],
    "splitting": None,
    "flows": {"scale": 5.0},
    "objects": "nuclei",
}
ALL_DOUBTFUL = Confidence(intercept=-3.0, probability=ConfidenceTerm(weight=0.1))
DARK_GROUND = {"p50": (0.0, 0.1), "p75": (0.0, 0.2)}


@pytest.fixture
def save(make_model, tmp_path):
    """Return the function that saves a tiny model and returns its folder."""
    from napari_cytosynth.zoo.model_files import save_model

    def make(**inference):
        model = make_model(**inference)
        return str(save_model(tmp_path / "models" / "tiny", model.network, model.card))

    return make


def files(written, folder):
    """The names of files that are there and not empty."""
    assert all(path.stat().st_size for path in written)
    return {str(path.relative_to(folder)) for path in written}


@pytest.mark.parametrize("inference", [{}, FLOWS])
def test_a_plane_leaves_two_pictures_images_and_a_table(viewer, save, tmp_path, inference):
    scene = PlaneScene(viewer, "some", save(**inference), lambda: fluorescent_nuclei((64, 64), 3))
    names = files(scene.record(tmp_path), tmp_path)
    assert {"some.png", "some-low-threshold.png", "some-table.csv"} <= names
    assert {f"some-{kind}.ome.tif" for kind in ("image", "truth", "probability", "labels")} <= names
    assert scene.widget.threshold.value == 0.05
    with tifffile.TiffFile(tmp_path / "some-labels.ome.tif") as file:
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata


@pytest.mark.parametrize("inference", [{}, FLOWS])
def test_touching_cells_leave_the_same_cells_at_two_thresholds(viewer, save, tmp_path, inference):
    scene = TouchingScene(viewer, save(**inference), side=96)
    names = files(scene.record(tmp_path), tmp_path)
    assert {"touching.png", "touching-high-threshold.png", "touching-table.csv"} <= names
    before = next(layer for layer in viewer.layers if layer.name.startswith("the same at 0.5"))
    assert scene.widget.threshold.value == 0.9
    assert np.count_nonzero(scene.labels.data) < np.count_nonzero(before.data)
    layers = viewer.layers
    assert layers.index(before) < layers.index(scene.labels)  # the live ones are on top
    if inference:
        assert "none joined, none split" in kept_sentence(before.data, scene.labels.data)


def test_a_stack_has_both_counts_volumes_and_planes_again_at_the_end(viewer, save, tmp_path):
    scene = StackScene(viewer, save(**FLOWS), shape=(5, 64, 64))
    names = files(scene.record(tmp_path), tmp_path)
    assert {"stack.png", "stack-section.png", "stack-volume.png", "stack-table.csv"} <= names
    assert "in this plane · " in scene.widget.readout.value
    assert " in the stack" in scene.widget.readout.value
    assert "µm³" in scene.widget.readout.value
    table = pd.read_csv(tmp_path / "stack-table.csv")
    voxels = np.bincount(scene.labels.data.ravel())[1:]
    np.testing.assert_allclose(table["volume_um3"], voxels[voxels > 0] * 1.0 * 0.4 * 0.4)
    with tifffile.TiffFile(tmp_path / "stack-labels.ome.tif") as file:
        assert file.series[0].axes == "ZYX"
        assert 'PhysicalSizeZ="1.0"' in file.ome_metadata
    assert viewer.dims.ndisplay == 2


def test_a_doubted_image_and_result_are_both_said_and_doubtful_objects_go(viewer, save, tmp_path):
    folder = save(
        **FLOWS,
        modality="fluorescence",
        input_looks=DARK_GROUND,
        confidence=ALL_DOUBTFUL,
        expected=Expected(confidence=(0.9, 0.95, 0.97)),
    )
    scene = DoubtScene(viewer, folder, side=96)
    scene.choose()
    assert "unlike what the model was trained on (fluorescence)" in scene.doubt
    names = files(scene.record(tmp_path), tmp_path)
    assert {"doubt-before.png", "doubt.png", "doubt-hidden.png", "doubt-table.csv"} <= names
    assert "most of them doubtful: this model was trained on fluorescence" in (
        scene.widget.status.value
    )
    assert scene.widget.readout.value.startswith("0 objects")
    assert "doubtful hidden" in scene.widget.readout.value


def test_a_model_that_knows_no_doubt_hides_nothing(viewer, save, tmp_path):
    scene = DoubtScene(viewer, save(), side=96)
    names = files(scene.record(tmp_path), tmp_path)
    assert "doubt.png" in names
    assert "doubt-hidden.png" not in names
    assert scene.doubt == ""
    assert "doubtful" not in scene.widget.status.value


def test_the_caption_counts_what_was_found_missed_and_invented():
    truth = np.zeros((8, 30), np.int32)
    truth[1:7, 1:7], truth[1:7, 11:17], truth[1:7, 21:27] = 1, 2, 3
    labels = np.where(truth == 1, 5, 0)
    labels[1:7, 8:10] = 2  # where nothing is
    sentence = found_sentence(truth, labels, "cells")
    assert sentence == "1 of 3 simulated cells found (IoU ≥ 0.5), 1 of 2 objects wrong"
    assert found_sentence(truth, 0 * truth, "cells").startswith("0 of 3")


def test_the_caption_says_what_joined_and_split():
    before = np.array([1, 1, 0, 2, 2, 0, 3, 3, 3, 0, 4])
    assert kept_sentence(before, np.array([7, 0, 0, 8, 8, 0, 9, 0, 0, 0, 0])) == (
        "3 of 4 left, none joined, none split"
    )
    assert kept_sentence(before, np.array([7, 7, 7, 7, 7, 0, 8, 0, 9, 0, 0])) == (
        "3 of 4 left, 1 joined, 1 split"
    )
    assert kept_sentence(0 * before, 0 * before) == "0 of 0 left, none joined, none split"
