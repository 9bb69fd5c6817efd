"""Simulated microscopy images of nuclei and cells with known truth.

Objects are drawn first (outlines, thickness, chromatin), then imaged: fluorescence through
the incoherent transfer function of a round pupil, phase contrast and brightfield through
the weak-object transfer function of a partially coherent microscope. A camera then adds
photon noise, read noise and its offset. Everything is deterministic: the same arguments and
seed give the same image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from napari_cytosynth.arguments import check_number

from .drawing import Labels, chromatin, draw, noise, nucleus_outline, place
from .optics import (
    BRIGHTFIELD,
    PHASE_CONTRAST,
    Optics,
    camera,
    check_optics,
    fluoresce,
    frequency_radius,
    transfer_function,
    vignette,
)
from .scene import CellScene, cell_scene, inside, numbering, plain_arguments, with_margin
from .stained import StainedCells, stained_cells, stained_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CellScene",
    "Optics",
    "Phantom",
    "StainedCells",
    "brightfield_cells",
    "cell_scene",
    "fluorescent_nuclei",
    "phase_contrast_cells",
    "stained_cells",
    "stained_field",
    "transfer_function",
]

MOST_PHOTONS = 1e9


@dataclass(frozen=True, eq=False)
class Phantom:
    """A simulated image and its truth.

    Attributes
    ----------
    image
        (Y, X) uint16 camera counts.
    labels
        (Y, X) int32, 0 for background, one number for each object, consecutive from 1.
    pixel_size_um
        Edge of a pixel in micrometres.
    kind
        "fluorescence", "phase contrast" or "brightfield".
    """

    image: NDArray[np.uint16]
    labels: Labels
    pixel_size_um: float
    kind: str


def fluorescent_nuclei(
    shape: tuple[int, int] = (512, 512),
    count: int = 60,
    seed: int = 0,
    pixel_size_um: float = 0.5,
    *,
    touching: float = 0.3,
    aperture: float = 0.75,
    photons: float = 180.0,
) -> Phantom:
    """Simulate a field of stained nuclei under a fluorescence microscope.

    Parameters
    ----------
    shape
        (Y, X) of the image in pixels. Default: (512, 512).
    count
        About how many nuclei have their centre in the field; crowded fields get fewer. Default: 60.
    seed
        Seed of everything that is random. Default: 0.
    pixel_size_um
        Edge of a pixel in micrometres. Default: 0.5.
    touching
        Fraction of nuclei, 0 to 1, that are put beside another one. Default: 0.3.
    aperture
        Numerical aperture of the objective. Default: 0.75.
    photons
        Photons that reach a pixel from an average nucleus. Default: 180.0.

    Returns
    -------
    Phantom
        uint16 image and int32 labels, both of `shape`.

    Raises
    ------
    InputError
        If the shape, count or pixel size is not positive.
    """
    count, seed, pixel_size_um = plain_arguments(count, seed, pixel_size_um)
    rng = np.random.default_rng(seed)
    scene_shape, margin = with_margin(shape, count, pixel_size_um)
    touching = check_number(touching, "touching", 0, 1)
    aperture = check_number(aperture, "aperture", 0.01, 10)
    photons = check_number(photons, "photons", 0, MOST_PHOTONS)
    layout = place(rng, scene_shape, margin, count, 7.0 / pixel_size_um, 0.18, touching)
    outlines = [nucleus_outline(rng) for _ in layout]
    labels = draw(scene_shape, layout, outlines)
    stain = chromatin(rng, labels, 1.0 / pixel_size_um)
    blurred = fluoresce(stain, pixel_size_um, aperture)
    light = 6.0 + photons * blurred * vignette(scene_shape, 0.15)
    image = camera(rng, light, gain=20.0, offset=400.0, read_noise=2.0)
    return _cropped(image, labels, margin, pixel_size_um, "fluorescence")


def phase_contrast_cells(
    shape: tuple[int, int] = (512, 512),
    count: int = 40,
    seed: int = 0,
    pixel_size_um: float = 0.5,
    *,
    touching: float = 0.4,
    optics: Optics = PHASE_CONTRAST,
) -> Phantom:
    """Simulate adherent cells under Zernike's phase contrast; the labels are whole cells.

    Parameters
    ----------
    shape
        (Y, X) of the image in pixels. Default: (512, 512).
    count
        About how many cells have their centre in the field; crowded fields get fewer. Default: 40.
    seed
        Seed of everything that is random. Default: 0.
    pixel_size_um
        Edge of a pixel in micrometres. Default: 0.5.
    touching
        Fraction of cells, 0 to 1, that are put beside another one. Default: 0.4.
    optics
        The microscope. Default: ``PHASE_CONTRAST``.

    Returns
    -------
    Phantom
        uint16 image and int32 labels, both of `shape`.

    Raises
    ------
    InputError
        If the shape, count or pixel size is not positive.
    """
    check_optics(optics)
    count, seed, pixel_size_um = plain_arguments(count, seed, pixel_size_um)
    scene = cell_scene(shape, count, seed, pixel_size_um, touching=touching)
    return _transmitted(scene, optics, seed, "phase contrast")


def brightfield_cells(
    shape: tuple[int, int] = (512, 512),
    count: int = 40,
    seed: int = 0,
    pixel_size_um: float = 0.5,
    *,
    touching: float = 0.4,
    optics: Optics = BRIGHTFIELD,
) -> Phantom:
    """Simulate the same cells as :func:`phase_contrast_cells`, slightly out of focus.

    Unstained cells hardly absorb, so a brightfield image shows them by defocus alone.

    Parameters
    ----------
    shape, count, seed, pixel_size_um, touching, optics
        As for :func:`phase_contrast_cells`.

    Returns
    -------
    Phantom
        uint16 image and int32 labels, both of `shape`.

    Raises
    ------
    InputError
        If the shape, count or pixel size is not positive.
    """
    check_optics(optics)
    count, seed, pixel_size_um = plain_arguments(count, seed, pixel_size_um)
    scene = cell_scene(shape, count, seed, pixel_size_um, touching=touching)
    return _transmitted(scene, optics, seed, "brightfield")


def _transmitted(scene: CellScene, optics: Optics, seed: int, kind: str) -> Phantom:
    """Image a scene in transmitted light."""
    frequencies, for_phase, for_absorption = transfer_function(optics)
    radius = frequency_radius(scene.phase.shape, scene.pixel_size_um)
    spectrum = np.zeros(radius.shape, np.complex64)
    for map_, response in ((scene.phase, for_phase), (scene.absorption, for_absorption)):
        spectrum += fft.rfft2(map_) * np.interp(radius, frequencies, response, right=0.0)
    contrast = fft.irfft2(spectrum, s=scene.phase.shape)
    rng = np.random.default_rng([*np.atleast_1d(seed), 1])  # the camera's own stream
    uneven = 1.0 + 0.012 * noise(rng, scene.phase.shape, 40.0 / scene.pixel_size_um)
    light = 5000.0 * np.clip(1.0 + contrast, 0.02, None) * uneven
    image = camera(rng, light * vignette(light.shape, 0.06), 3.0, 200.0, 4.0)
    return _cropped(image, scene.bodies, scene.margin, scene.pixel_size_um, kind)


def _cropped(
    image: NDArray[np.uint16], labels: Labels, margin: int, pixel_size_um: float, kind: str
) -> Phantom:
    """Cut off the margin and renumber the labels from 1."""
    seen = inside(labels, margin)
    return Phantom(inside(image, margin), numbering(seen)[seen], pixel_size_um, kind)
