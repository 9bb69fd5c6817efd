"""End-to-end tests of the bundled stainers, on phantoms and on an unseen real field.

The floors lie a little under the figures of the cards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.metrics import coverage, pcc, sparsification
from napari_cytosynth.zoo.catalogue import list_models

if TYPE_CHECKING:
    from pathlib import Path

STAINERS = [info.name for info in list_models("stain") if info.path is not None]
PHANTOMS = [name for name in STAINERS if name.startswith("phantom")]


def test_each_set_of_images_has_a_generator_and_its_rival():
    planes = {name for name in STAINERS if "-stack-" in name}  # by regression alone
    single = set(STAINERS) - planes
    kinds = {name.rpartition("-")[0] for name in single}
    assert {f"{kind}-{model}" for kind in kinds for model in ("pix2pixhd", "unet")} == single
    assert PHANTOMS


@pytest.mark.parametrize("name", STAINERS)
def test_every_bundled_stainer_says_what_a_user_must_know(name):
    card = cytosynth.load_model(name).card
    inference = card.inference
    assert card.title
    assert card.licence
    assert card.training.datasets
    assert card.training.remarks
    assert inference.receptive_radius <= 130
    assert inference.dropout > 0
    assert inference.sigma_scale is not None or inference.uncertainty is not None
    assert inference.modality
    assert len(inference.output_scaling) == len(inference.output_channels)
    assert inference.input_quantiles
    figures = {metric.name for metric in card.metrics}
    assert any("PCC" in name for name in figures)
    assert any("coverage" in name for name in figures)


@pytest.mark.parametrize("name", STAINERS)
def test_mean_and_uncertainty_are_the_same_in_tiles_and_whole(name):
    image = phantoms.stained_cells((203, 190), count=6, seed=1).phase
    planes = len(cytosynth.load_model(name).card.inference.input_channels)
    axes = "YX"
    if planes > 1:
        image, axes = np.stack([image, image[::-1], image[:, ::-1]])[:planes], "CYX"

    def run(tile_size: int) -> cytosynth.Staining:
        return cytosynth.stain(
            image, name, axes=axes, samples=3, precision="float32", tile_size=tile_size
        )

    whole, tiled = run(1024), run(64)
    for one, other in ((whole.mean, tiled.mean), (whole.std, tiled.std)):
        assert np.abs(one - other).max() <= 1e-4 * np.ptp(one)


@pytest.mark.parametrize("name", PHANTOMS)
def test_new_phantoms_are_stained_and_the_uncertainty_covers_the_errors(name):
    cells = phantoms.stained_cells((384, 384), seed=101)
    result = cytosynth.stain(cells.phase, name, samples=16, pixel_size=cells.pixel_size_um)
    assert result.channels == ("nuclei", "membrane")
    assert result.calibrated
    floors = {"nuclei": 0.75, "membrane": 0.55}
    for number, stain in enumerate(result.channels):
        error = result.mean[number] - cells.fluorescence[number].astype(np.float32)
        assert pcc(result.mean[number], cells.fluorescence[number]) >= floors[stain]
        assert coverage(error, result.std[number]) == pytest.approx(0.68, abs=0.1)
        order = [sparsification(error, score[number]).ause for score in (result.std, result.mean)]
        # sigma follows the brightness, and may rank the errors no worse than it does
        assert order[0] < 1.1 * order[1]


@pytest.mark.skipif("u2os-brightfield-unet" not in STAINERS, reason="weights are not bundled")
@pytest.mark.parametrize(
    ("name", "floors"),
    [
        ("u2os-brightfield-unet", {"DNA": 0.8, "AGP": 0.78}),
        ("u2os-brightfield-pix2pixhd", {"DNA": 0.7, "AGP": 0.7}),
    ],
)
def test_a_real_field_is_stained_as_the_card_says(name, floors, shared_data: Path):
    folder = shared_data / "stain-jump" / "test"
    (path,) = (folder / "brightfield").glob("*.tif")
    real = tifffile.imread(folder / "fluorescence" / path.name)
    result = cytosynth.stain(tifffile.imread(path), name, samples=0)
    for stain, floor in floors.items():
        number = result.channels.index(stain)
        assert pcc(result.mean[number], real[number]) >= floor
