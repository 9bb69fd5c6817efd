"""End-to-end tests of the bundled weights, on unseen real images and on phantoms.

The floors lie a little under the figures of the cards: a change of the engine, of the
normalisation or of the labelling that costs accuracy must not pass unnoticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.inference.predictor import Predictor
from napari_cytosynth.metrics.instance import average_precision
from napari_cytosynth.metrics.pixel import iou
from napari_cytosynth.training.segment.evaluate.run import SegmentOptions, evaluate_segment

if TYPE_CHECKING:
    from pathlib import Path

MODELS = ("em-cells-unet", "em-mitochondria-unet", "fluo-nuclei-unet", "phase-cells-unet")


def _files(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(folder.glob(pattern))


@pytest.mark.parametrize("name", MODELS)
def test_every_bundled_model_says_what_a_user_must_know(name):
    card = cytosynth.load_model(name).card
    assert card.title
    assert card.licence
    assert card.training.datasets
    assert card.training.citations
    assert card.inference.threshold is not None
    assert card.inference.receptive_radius <= 130
    assert card.metrics, "no figure on the card"
    assert all(metric.command.startswith("cytosynth evaluate") for metric in card.metrics)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(1, 1), (37, 203), (300, 260)])
def test_bundled_models_give_the_same_result_in_tiles_and_whole(name, shape):
    model = cytosynth.load_model(name)
    image = np.random.default_rng(0).random((1, *shape), np.float32)
    stride = model.card.inference.total_stride

    def run(tile_size: int) -> np.ndarray:
        predictor = Predictor(model.network, 1, precision="float32", tile_size=tile_size)
        return predictor.predict(image, activation="linear")

    whole, tiled = run(1024), run(4 * stride)
    assert np.abs(whole - tiled).max() <= 1e-5 * np.ptp(whole) + 1e-6


@pytest.mark.parametrize(
    ("name", "make", "at_least"),
    [
        ("fluo-nuclei-unet", phantoms.fluorescent_nuclei, 0.85),
        ("phase-cells-unet", phantoms.phase_contrast_cells, 0.5),
    ],
)
def test_phantoms_are_segmented(name, make, at_least):
    phantom = make((256, 256), count=15, seed=3)
    result = cytosynth.segment(phantom.image, model=name)
    assert iou(result.labels > 0, phantom.labels > 0) > 0.6
    assert average_precision(phantom.labels, result.labels, (0.5,))[0] >= at_least
    assert len(result.table) == result.labels.max()


def test_a_model_trained_on_phantoms_by_anyone_measures_true_sizes():
    phantom = phantoms.fluorescent_nuclei((256, 256), count=12, seed=5, pixel_size_um=0.5)
    result = cytosynth.segment(phantom.image, model="fluo-nuclei-unet", pixel_size=0.5)
    found = result.table["area_um2"].sum()
    true = np.count_nonzero(phantom.labels) * 0.25
    assert found == pytest.approx(true, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "images", "truth", "kind", "figure", "floor"),
    [
        (
            "em-mitochondria-unet",
            "em-epfl/test/image",
            "em-epfl/test/mitochondria",
            "mask",
            "foreground IoU",
            0.82,
        ),
        (
            "em-cells-unet",
            "em-isbi2012/image",
            "em-isbi2012/cell-interior",
            "mask",
            "foreground IoU",
            0.81,
        ),
        (
            "phase-cells-unet",
            "phase-usiigaci/test/image",
            "phase-usiigaci/test/labels",
            "labels",
            "AP@0.5 (pooled)",
            0.67,
        ),
        (
            "fluo-nuclei-unet",
            "nuclei-bbbc039/image",
            "nuclei-bbbc039/labels",
            "labels",
            "AP@0.5 (pooled)",
            0.88,
        ),
    ],
)
def test_real_images_never_seen_in_training(shared_data, name, images, truth, kind, figure, floor):
    files = _files(shared_data / images)[:4]
    truths = [next((shared_data / truth).glob(f"{path.stem}.*")) for path in files]
    report = evaluate_segment(name, files, truths, SegmentOptions(kind=kind))
    assert report.metrics[figure] >= floor


def test_the_command_leaves_probability_labels_and_table(shared_data, tmp_path):
    from napari_cytosynth.cli import main

    image = shared_data / "em-epfl/test/image/0162.png"
    arguments = ["segment", str(image), "--model", "em-mitochondria-unet", "--out", str(tmp_path)]
    assert main(arguments) == 0
    probability = tifffile.imread(tmp_path / "probability.tif")
    labels = tifffile.imread(tmp_path / "labels.tif")
    assert probability.shape == labels.shape == (768, 1024)
    rows = (tmp_path / "table.csv").read_text().splitlines()
    assert len(rows) - 1 == labels.max() > 5
