"""A tiny model of masks, one of flows, and a window that somebody has painted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_cytosynth.phantoms.simulate import fluorescent_nuclei
from napari_cytosynth.training.run.fit import train

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def mask_model(make_model):
    """A model of masks with another channel, which nothing will be known of."""
    return make_model(
        output_channels=["foreground", "membrane"],
        channel_roles=["foreground", "other"],
        splitting=None,
        min_size=3,
        example_size=(32, 32),
    )


@pytest.fixture(scope="session")
def beginner(make_recipe, nuclei_folder, tmp_path_factory) -> Path:
    """The folder of a model of masks that has learned for a moment only."""
    recipe = make_recipe(max_epochs=2)
    return train(recipe, nuclei_folder, tmp_path_factory.mktemp("beginner") / "run")


@pytest.fixture
def painted() -> tuple[NDArray, NDArray]:
    """An image, and sparse labels: a stroke in each of its nuclei, and rows of background."""
    phantom = fluorescent_nuclei((96, 112), count=14, seed=1)
    strokes = np.zeros((96, 112), np.int32)
    strokes[::8] = np.where(phantom.labels[::8] > 0, phantom.labels[::8] + 1, 1)
    # short lines of background, no nucleus among them
    strokes[:, ::7][strokes[:, ::7] == 1] = 0
    return phantom.image, strokes
