"""Doubt and uncertainty of a bundled stainer, where it errs and where it does not.

Nothing here is made to measure for the network: it is fooled by images, and its calibration comes
from ordinary fields, without clumps and with every outline visible.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.metrics import auroc, best_iou
from napari_cytosynth.progress import silent

NAME, SHAPE = "phantom-phase-unet", (256, 256)


@pytest.fixture(scope="module")
def model():
    return cytosynth.load_model(NAME)


def stained(model, cells, **options):
    return cytosynth.stain(
        cells.phase, model, pixel_size=cells.pixel_size_um, progress=silent, **options
    )


def test_nuclei_painted_on_clumps_are_doubted_and_others_are_not(model):
    """Clumps refract as nuclei do, so that the network paints nuclei there, in every view.

    The ranking is what is claimed: the level was calibrated without clumps, and is too low.
    """
    doubts, absent, sizes, lights = [], [], [], []
    for seed in (41, 42):
        cells = phantoms.stained_cells(SHAPE, count=8, seed=seed, clumps=8)
        found = stained(model, cells, samples=0).objects("nuclei", progress=silent)
        iou = best_iou(cells.nuclei, found.labels)
        kept = (iou < 0.1) | (iou >= 0.5)  # wrong shapes are another question
        doubts.append(found.doubt[1:][kept])
        absent.append(iou[kept] < 0.1)
        sizes.append(found.features["log_area"][kept])
        lights.append(found.features["log_brightness"][kept])
    doubt, wrong, size, light = map(np.concatenate, (doubts, absent, sizes, lights))
    assert wrong.sum() >= 8, "the network was not fooled: nothing is tested"
    assert (~wrong).sum() >= 12
    assert auroc(doubt, wrong) >= 0.8
    assert auroc(doubt, wrong) > max(auroc(-size, wrong), auroc(-light, wrong))
    assert np.median(doubt[~wrong]) < 0.1


def test_a_membrane_that_does_not_show_is_guessed_in_other_ways_in_other_views(model):
    """Cells whose outline does not show: their painted membrane changes more from view to view.

    It tells cells, barely pixels; and sigma, which follows the brightness, tells neither. That
    is a limit of the product, shown in docs/trust.md: this test holds it to what it does reach.
    """
    scores, hidden = {"views": [], "brightness": []}, []
    for seed in range(31, 36):
        cells = phantoms.stained_cells(SHAPE, count=12, seed=seed, hidden=0.5)
        result = stained(model, cells, samples=0, views=8)
        mean, spread = result.mean[1], result.view_std[1]
        painted = mean > np.percentile(mean, 20) + 250
        # with a rim of 3 px: the outline is painted on either side of the true one
        around = ndimage.grey_dilation(cells.cells, 7) * (cells.cells == 0) + cells.cells
        for label in range(1, cells.cells.max() + 1):
            own = painted & (around == label)
            if own.sum() >= 15:
                hidden.append(label in cells.hidden)
                scores["views"].append(spread[own].mean())
                scores["brightness"].append(mean[own].mean())
    wrong = np.array(hidden)
    found = {name: auroc(np.array(values), wrong) for name, values in scores.items()}
    assert min(wrong.sum(), (~wrong).sum()) >= 20
    assert found["views"] >= 0.65
    assert found["views"] > found["brightness"] + 0.05
