"""Simulated stacks: nuclei of the volumes that were drawn, apart from each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth import phantoms
from napari_cytosynth.errors import InputError


@pytest.fixture(scope="module")
def stack():
    return phantoms.nuclei_stack((16, 96, 112), count=14, seed=3)


def test_the_same_seed_gives_the_same_stack():
    first, second, other = (phantoms.nuclei_stack((6, 48, 40), 6, s) for s in (3, 3, 4))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.labels, second.labels)
    assert not np.array_equal(first.image, other.image)


def test_image_and_labels_are_what_the_record_says(stack):
    assert stack.image.shape == stack.labels.shape == (16, 96, 112)
    assert stack.image.dtype == np.uint16
    assert stack.labels.dtype == np.int32
    assert stack.voxel_size_um == (1.0, 0.4, 0.4)
    assert np.array_equal(np.unique(stack.labels), np.arange(stack.labels.max() + 1))
    assert 8 <= stack.labels.max() <= 40  # the border adds some that are cut


def test_nuclei_are_bright_and_do_not_touch_also_along_z(stack):
    inside = stack.labels > 0
    assert np.median(stack.image[inside]) > 3 * np.median(stack.image[~inside])
    assert ndimage.label(inside, np.ones((3, 3, 3)))[1] == stack.labels.max()


@pytest.mark.parametrize("size", [(0.5, 0.5, 0.5), (1.0, 0.4, 0.4), (2.0, 0.8, 0.4)])
def test_whole_nuclei_have_the_volume_of_a_nucleus_whatever_the_voxels(size):
    shape = tuple(round(um / s) for um, s in zip((24, 60, 60), size, strict=True))
    labels = phantoms.nuclei_stack(shape, 20, 1, size).labels
    cut = np.unique(np.concatenate([np.unique(np.take(labels, (0, -1), a)) for a in range(3)]))
    volumes = np.delete(np.bincount(labels.ravel()), cut) * np.prod(size)
    assert len(volumes) > 3
    assert 200 < np.median(volumes) < 550  # µm³: half axes of 3.6, 4.8 and 4.8 µm have 347


def test_the_blur_is_longer_along_z():
    stack = phantoms.nuclei_stack((24, 60, 60), 3, 2, (0.4, 0.4, 0.4), photons=1e4)
    blurred = stack.image.astype(float) - stack.image.min()
    slopes = [np.abs(np.diff(blurred, axis=axis)).max() for axis in range(3)]
    assert slopes[0] < 0.8 * min(slopes[1:])


def test_a_stack_without_nuclei_has_the_cameras_noise():
    stack = phantoms.nuclei_stack((3, 20, 20), 0)
    assert not stack.labels.any()
    assert stack.image.std() > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (4, 4)},
        {"shape": (0, 4, 4)},
        {"shape": (10**5, 10**5, 10**5)},
        {"voxel_size_um": 0.5},
        {"voxel_size_um": (1.0, 0.5)},
        {"voxel_size_um": (1.0, 0.5, 0.0)},
        {"voxel_size_um": (1.0, float("nan"), 0.5)},
        {"count": -1},
        {"photons": -1.0},
    ],
)
def test_what_cannot_be_simulated_is_refused_in_a_sentence(wrong):
    with pytest.raises(InputError, match=r"."):
        phantoms.nuclei_stack(**wrong)
