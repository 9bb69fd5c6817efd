from __future__ import annotations

import numpy as np
import pytest
from skimage.transform import resize

from napari_cytosynth.tasks.common.resample import at_magnification, back_to, to_shape


def waves(size, period):
    """(1, Y, X) stripes along X of a period in px, as a camera of larger pixels sees them."""
    place = (np.arange(size) + 0.5) * 24 / size
    return np.broadcast_to(np.sin(2 * np.pi * place / period), (1, size, size)).astype(np.float32)


def contrast(stripes):
    return np.ptp(stripes[0, 8:-8, 8:-8])


def test_enlarging_keeps_the_contrast_of_fine_structures() -> None:
    small, fine = waves(24, 3), waves(72, 3)
    enlarged = to_shape(small, (72, 72))
    linear = resize(small[0], (72, 72), order=1, mode="edge")[None]
    error = np.abs(enlarged - fine)[0, 8:-8, 8:-8].mean()
    assert error < 0.5 * np.abs(linear - fine)[0, 8:-8, 8:-8].mean()
    assert enlarged.dtype == np.float32


@pytest.mark.parametrize("shape", [(72, 72), (24, 72), (25, 25)])
def test_no_value_leaves_the_range_of_the_plane(shape) -> None:
    plane = (np.random.default_rng(0).random((2, 24, 24)) > 0.5).astype(np.float32)
    enlarged = to_shape(plane, shape)
    assert enlarged.shape == (2, *shape)
    assert enlarged.min() >= 0
    assert enlarged.max() <= 1


def test_reducing_averages_what_a_coarser_camera_would() -> None:
    plane = np.random.default_rng(0).random((1, 72, 72)).astype(np.float32)
    reduced = to_shape(plane, (24, 24))
    means = plane.reshape(24, 3, 24, 3).mean((1, 3))
    assert np.corrcoef(reduced.ravel(), means.ravel())[0, 1] > 0.9
    linear = resize(plane[0], (24, 24), order=1, mode="edge", anti_aliasing=True)
    np.testing.assert_allclose(reduced[0], linear, atol=1e-6)
    np.testing.assert_array_equal(reduced, at_magnification(plane, (24, 24)))


def test_what_an_evaluation_enlarges_does_not_depend_on_how_a_run_does() -> None:
    plane = np.random.default_rng(0).random((1, 24, 24)).astype(np.float32)
    enlarged = at_magnification(plane, (72, 72))
    linear = resize(plane[0], (72, 72), order=1, mode="edge")
    np.testing.assert_allclose(enlarged[0], linear, atol=1e-6)
    assert np.abs(enlarged - to_shape(plane, (72, 72))).max() > 0.05


def test_the_own_shape_changes_nothing() -> None:
    plane = np.random.default_rng(0).random((1, 20, 30)).astype(np.float32)
    np.testing.assert_array_equal(to_shape(plane, (20, 30)), plane)


def test_results_come_back_linearly() -> None:
    """A spline would leave [0, 1], and put a halo of background around an object."""
    step = np.zeros((1, 12, 12), np.float32)
    step[:, :, 6:] = 1
    back = back_to(step, (36, 36))[0]
    assert (np.diff(back, axis=1) >= 0).all()
