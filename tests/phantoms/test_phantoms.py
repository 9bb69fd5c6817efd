"""The phantoms must look like what they claim to be, and their truth must be true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_cytosynth import phantoms
from napari_cytosynth.errors import InputError
from napari_cytosynth.phantoms import optics as microscope

KINDS = [
    phantoms.fluorescent_nuclei,
    phantoms.phase_contrast_cells,
    phantoms.brightfield_cells,
]


@pytest.mark.parametrize("make", KINDS)
def test_same_seed_same_image(make):
    first, second, other = (make((128, 160), count=8, seed=s) for s in (3, 3, 4))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.labels, second.labels)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("make", KINDS)
def test_image_and_labels_are_what_the_record_says(make):
    phantom = make((120, 90), count=6, seed=1, pixel_size_um=0.65)
    assert phantom.image.shape == phantom.labels.shape == (120, 90)
    assert phantom.image.dtype == np.uint16
    assert phantom.labels.dtype == np.int32
    assert phantom.pixel_size_um == 0.65
    numbers = np.unique(phantom.labels)
    assert np.array_equal(numbers, np.arange(numbers.size))


@pytest.mark.parametrize("shape", [(1, 1), (7, 300)])
@pytest.mark.parametrize("make", KINDS)
def test_any_shape(make, shape):
    assert make(shape, count=3).image.shape == shape


@pytest.mark.parametrize("shape", [(1, 1), (7, 300)])
def test_any_shape_of_stained_cells(shape):
    assert phantoms.stained_cells(shape, count=3).fluorescence.shape == (2, *shape)


def test_about_the_count_that_was_asked_for():
    phantom = phantoms.fluorescent_nuclei((512, 512), count=60, seed=2)
    assert 50 <= phantom.labels.max() <= 80  # the border adds some that are cut


def test_nothing_asked_for_gives_an_empty_field():
    phantom = phantoms.fluorescent_nuclei((64, 64), count=0)
    assert phantom.labels.max() == 0
    assert phantom.image.std() > 0  # the camera still has noise


def test_nuclei_are_brighter_than_the_background_and_of_a_nucleus_size():
    phantom = phantoms.fluorescent_nuclei((256, 256), count=16, seed=5)
    inside = phantom.labels > 0
    assert np.median(phantom.image[inside]) > 3 * np.median(phantom.image[~inside])
    areas = np.bincount(phantom.labels.ravel())[1:] * phantom.pixel_size_um**2
    assert 60 < np.median(areas) < 300  # µm²


def test_some_nuclei_touch():
    labels = phantoms.fluorescent_nuclei((256, 256), count=30, seed=0, touching=0.6).labels
    clumps = ndimage.label(labels > 0)[1]
    assert clumps < labels.max()


def test_phase_contrast_has_dark_cells_with_a_bright_halo():
    phantom = phantoms.phase_contrast_cells((384, 384), count=12, seed=1, touching=0.0)
    distance = ndimage.distance_transform_edt(phantom.labels == 0)
    cell = phantom.image[phantom.labels > 0].mean()
    halo = phantom.image[(distance > 2) & (distance < 6)].mean()
    far = phantom.image[distance > 30].mean()
    assert cell < far < halo


def test_brightfield_in_focus_hardly_shows_the_cells():
    contrast = {}
    for defocus in (0.0, 6.0):
        optics = phantoms.Optics(
            source=(0.0, 0.12), ring_transmission=1.0, ring_phase=0.0, defocus_um=defocus
        )
        phase = phantoms.transfer_function(optics)[1]
        contrast[defocus] = np.abs(phase).max()
    assert contrast[0.0] < 1e-6
    assert contrast[6.0] > 0.5


def test_transfer_functions_stop_at_the_band_limit():
    optics = phantoms.Optics()
    frequencies, phase, absorption = phantoms.transfer_function(optics)
    beyond = frequencies > (optics.aperture + optics.source[1]) / optics.wavelength_um + 0.02
    assert beyond.any()
    assert np.abs(phase[beyond]).max() < 1e-6
    assert np.abs(absorption[beyond]).max() < 1e-6
    # the phase ring's finite width: slow changes of phase do not show, hence the halo
    assert abs(phase[0]) < 1e-6 < 1.0 < np.abs(phase).max()


def test_a_nucleus_lies_inside_its_own_cell():
    scene = phantoms.cell_scene((200, 200), count=10, seed=3)
    inside = scene.nuclei > 0
    assert inside.any()
    assert np.array_equal(scene.nuclei[inside], scene.bodies[inside])


@pytest.mark.parametrize(
    "wrong",
    [{"shape": (0, 5)}, {"shape": (4, 4, 4)}, {"count": -1}, {"pixel_size_um": 0.0}],
)
@pytest.mark.parametrize("make", [*KINDS, phantoms.stained_cells])
def test_nonsense_is_refused_with_a_sentence(make, wrong):
    with pytest.raises(InputError, match=r"phantom|pixel size"):
        make(**wrong)


def test_stained_cells_are_two_views_of_the_same_cells():
    made = phantoms.stained_cells((192, 160), count=20, seed=4, pixel_size_um=0.65)
    assert made.phase.shape == made.nuclei.shape == made.cells.shape == (192, 160)
    assert made.fluorescence.shape == (len(made.channels), 192, 160)
    assert made.phase.dtype == made.fluorescence.dtype == np.uint16
    assert made.nuclei.dtype == made.cells.dtype == np.int32
    assert made.phase.max() < 65535  # not saturated
    assert np.array_equal(np.unique(made.cells), np.arange(made.cells.max() + 1))
    in_nucleus = made.nuclei > 0
    assert np.mean(made.nuclei[in_nucleus] == made.cells[in_nucleus]) == 1.0
    again, other = (phantoms.stained_cells((192, 160), 20, s, 0.65) for s in (4, 5))
    assert np.array_equal(made.phase, again.phase)
    assert np.array_equal(made.fluorescence, again.fluorescence)
    assert not np.array_equal(made.phase, other.phase)


def test_each_stain_shows_what_it_is_named_after():
    made = phantoms.stained_cells((256, 256), count=25, seed=2)
    dna, membrane = made.fluorescence.astype(float) - 400
    depth = ndimage.distance_transform_edt(made.cells > 0)
    background = made.cells == 0
    assert dna[made.nuclei > 0].mean() > 8 * dna[made.nuclei == 0].mean()
    assert membrane[depth == 1].mean() > 2 * membrane[depth > 4].mean()
    assert membrane[depth > 4].mean() > 1.3 * membrane[background].mean()  # cytoplasm


def test_nuclei_show_in_phase_contrast():
    made = phantoms.stained_cells((384, 384), count=40, seed=1)
    flat = ndimage.gaussian_filter(made.phase.astype(float), 1)
    differs = []
    for number in np.unique(made.nuclei)[1:]:
        nucleus = made.nuclei == number
        ring = ndimage.binary_dilation(nucleus, iterations=4) & (made.cells == number) & ~nucleus
        if ring.sum() > 30:
            differs.append(flat[nucleus].mean() < flat[ring].mean())
    assert np.mean(differs) > 0.8


def test_a_thin_specimen_images_as_the_weak_object_approximation_says():
    rng = np.random.default_rng(0)
    phase = 0.01 * ndimage.gaussian_filter(rng.standard_normal((128, 128)), 2, mode="wrap")
    optics = phantoms.Optics()
    frequencies, response, _ = phantoms.transfer_function(optics)
    radius = microscope.frequency_radius(phase.shape, 0.3)
    spectrum = np.fft.rfft2(phase) * np.interp(radius, frequencies, response, right=0.0)
    weak = np.fft.irfft2(spectrum)
    whole = microscope.transmit(phase.astype(np.float32), optics, 0.3) - 1
    assert np.corrcoef(weak.ravel(), whole.ravel())[0, 1] > 0.97
    assert whole.std() == pytest.approx(weak.std(), rel=0.1)


def test_a_cell_that_has_rounded_up_is_bright_and_its_chromosomes_too():
    made = phantoms.stained_cells((512, 512), count=45, seed=0)
    spread = made.phase / np.median(made.phase)
    bright = np.unique(made.cells[spread > 2.5])
    assert 1 < bright.size < 12  # some, not many; 0 is the halo around them


def test_fields_of_an_experiment_differ_in_density_and_are_independent():
    fields = [phantoms.stained_field(i, (128, 128), seed=3) for i in range(6)]
    assert len({int(field.cells.max()) for field in fields}) > 2
    assert np.array_equal(fields[2].phase, phantoms.stained_field(2, (128, 128), seed=3).phase)
    # field 1 of seed 0 is not field 0 of seed 1
    first, second = phantoms.stained_field(1, (64, 64), 0), phantoms.stained_field(0, (64, 64), 1)
    assert not np.array_equal(first.phase, second.phase)
    with pytest.raises(InputError, match="at least 0"):
        phantoms.stained_field(-1)
