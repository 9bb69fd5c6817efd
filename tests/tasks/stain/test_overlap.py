"""A real image is compared where it lies, whatever its pixels are."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import read_source
from napari_cytosynth.tasks.stain.comparison import compare, real_on_grid
from napari_cytosynth.tasks.stain.result import Staining

UM = {"units": ("um", "um")}


@pytest.fixture
def field():
    """A smooth field, (80, 100)."""
    noise = np.random.default_rng(0).normal(size=(80, 100))
    return (1000 * ndimage.gaussian_filter(noise, 4)).astype(np.float32)


@pytest.fixture
def staining(field):
    source = read_source(Image(field, scale=(0.5, 0.5), translate=(10, 20), **UM))
    return Staining(field[None], None, ("DNA",), "CYX", source=source)


def test_the_same_place_needs_no_words(staining, field):
    found = compare(staining, "DNA", Image(field, scale=(0.5, 0.5), translate=(10, 20), **UM))
    assert (found.covered, found.note) == (1, "")
    assert found.pcc == pytest.approx(1)


def test_a_part_of_the_field_is_compared_where_it_lies(staining, field):
    part = Image(field[30:70, 50:], scale=(0.5, 0.5), translate=(25, 45), **UM)
    found = compare(staining, "DNA", part)
    assert found.pcc == pytest.approx(1)
    assert found.ssim == pytest.approx(1)
    np.testing.assert_allclose(found.difference[30:70, 50:], 0, atol=1e-4)
    assert np.isnan(found.difference).sum() == 80 * 100 - 40 * 50
    assert found.covered == pytest.approx(0.25)
    assert found.note == "Compared on the 25 % of the field where both lie."


def test_a_shift_counts(staining, field):
    moved = Image(field, scale=(0.5, 0.5), translate=(15, 20), **UM)
    assert compare(staining, "DNA", moved).pcc < 0.7


def test_smaller_pixels_are_averaged(staining, field):
    fine = ndimage.zoom(field, 2, order=1, grid_mode=True, mode="nearest")
    fine += 300 * np.random.default_rng(1).normal(size=fine.shape)
    real = Image(fine, scale=(0.25, 0.25), translate=(9.875, 19.875), **UM)
    found = compare(staining, "DNA", real)
    picked = np.corrcoef(fine[::2, ::2].ravel(), field.ravel())[0, 1]
    assert found.pcc > picked + 0.02
    assert found.note == "Compared resampled to the grid of the virtual stain."


def test_larger_pixels_and_other_units(staining, field):
    coarse = field.reshape(40, 2, 50, 2).mean((1, 3))
    real = Image(coarse, scale=(1000, 1000), translate=(10250, 20250), units=("nm", "nm"))
    found = compare(staining, "DNA", real)
    assert found.pcc > 0.99
    assert found.covered == 1


def test_a_layer_without_pixel_size_is_taken_pixel_by_pixel(staining, field):
    found = compare(staining, "DNA", Image(field))
    assert found.pcc == pytest.approx(1)
    assert found.note == "The pixel size of the real image is not known: compared pixel by pixel."
    with pytest.raises(InputError, match="give both layers their pixel size"):
        compare(staining, "DNA", Image(field[1:]))


def test_where_the_stain_was_moved_to_counts(staining, field):
    geometry = staining.placement.geometry | {"translate": np.array([25.0, 45.0])}
    real = Image(field, scale=(0.5, 0.5), translate=(25, 45), **UM)
    assert compare(staining, "DNA", real, geometry=geometry).pcc == pytest.approx(1)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"translate": (900, 20)}, "does not overlap"),
        ({"scale": (1, 1), "translate": (-500, 0)}, "does not overlap"),
    ],
)
def test_what_lies_elsewhere_is_said(staining, field, place, words):
    with pytest.raises(InputError, match=words):
        compare(staining, "DNA", Image(field, **({"scale": (0.5, 0.5)} | place), **UM))


def test_a_colour_picture_is_no_stain(staining, field):
    rgb = Image(np.zeros((80, 100, 3), np.uint8), rgb=True, scale=(0.5, 0.5), **UM)
    with pytest.raises(InputError, match="colour picture"):
        compare(staining, "DNA", rgb)


def test_the_plane_of_a_stack_is_found_by_its_place(field):
    stack = np.stack([field, field[::-1], field[:, ::-1]])
    place = {"scale": (2, 0.5, 0.5), "units": ("um", "um", "um")}
    source = read_source(Image(stack, **place))
    one = Staining(stack[1:2], None, ("DNA",), "CYX", source=source, source_axes="ZYX",
                   position=(1,))  # fmt: skip
    assert compare(one, "DNA", Image(stack, **place)).pcc == pytest.approx(1)
    assert compare(one, "DNA", Image(stack[::-1], **place)).pcc == pytest.approx(1)
    whole = Staining(stack[None], None, ("DNA",), "CZYX", source=source, source_axes="ZYX")
    upper = Image(stack[1:], **(place | {"translate": (2, 0, 0)}))
    found = compare(whole, "DNA", upper)
    assert found.pcc == pytest.approx(1)
    assert np.isnan(found.difference[0]).all()


def test_labels_come_by_the_nearest_pixel(staining):
    labels = np.zeros((40, 50), np.int32)
    labels[10:20, 10:20] = 7
    layer = Labels(labels, scale=(1, 1), translate=(10.25, 20.25), **UM)
    found = real_on_grid(staining, layer, labels=True)
    assert set(np.unique(found.pixels)) == {0, 7}
    assert (found.pixels == 7).sum() == 400


def test_a_turned_layer_is_compared_where_it_lies(staining, field):
    turned = Image(np.rot90(field).copy(), scale=(0.5, 0.5), rotate=-90, **UM)
    first = turned.data_to_world((len(turned.data) - 1, 0))  # the field's corner
    turned.translate = np.array((10, 20)) - first
    assert abs(compare(staining, "DNA", turned).pcc) > 0.99
