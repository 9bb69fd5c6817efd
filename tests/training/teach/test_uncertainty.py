"""The window that is proposed to be painted next."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.training.teach.uncertainty import uncertain_window


@pytest.fixture
def doubtful():
    """A probability that is certain but for two places, the second of which is less doubtful."""
    probability = np.zeros((60, 80))
    probability[:, 40:] = 1
    probability[10:20, 10:20] = 0.5
    probability[40:50, 60:70] = 0.1
    return probability


def test_windows_come_by_their_doubt(doubtful):
    painted = np.zeros(doubtful.shape, bool)
    first, most = uncertain_window(doubtful, painted, 10)
    assert first == (slice(10, 20), slice(10, 20))
    assert most == pytest.approx(1)
    second, less = uncertain_window(doubtful, painted, 10, [first])
    assert second == (slice(40, 50), slice(60, 70))
    assert less == pytest.approx(0.469, abs=1e-3)
    assert uncertain_window(doubtful, painted, 10, [first, second]) is None


def test_what_is_painted_is_certain_and_a_window_fits_in_the_image(doubtful):
    painted = doubtful == 0.5
    assert uncertain_window(doubtful, painted, 10)[0] == (slice(40, 50), slice(60, 70))
    assert uncertain_window(doubtful, painted, 256)[0] == (slice(0, 60), slice(0, 80))
