"""Simulated imaging of the phantoms by microscope and camera.

Transmitted light uses the weak-object transfer function of a partially coherent
microscope: for a specimen ``1 + i*phase - absorption`` the intensity is linear in both,
with filters that follow from the condenser's aperture and the objective's pupil (Streibl
1985). The phase plate is a ring of that pupil, and its finite width is what makes the halo
and the shade-off of Zernike's phase contrast; defocus makes brightfield contrast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft

from napari_cytosynth.arguments import check_number, unsuitable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .drawing import Float

__all__ = [
    "BRIGHTFIELD",
    "PHASE_CONTRAST",
    "Optics",
    "camera",
    "check_optics",
    "fluoresce",
    "frequency_radius",
    "transfer_function",
    "transmit",
    "vignette",
]


@dataclass(frozen=True)
class Optics:
    """A transmitted-light microscope.

    Attributes
    ----------
    aperture
        Numerical aperture of the objective.
    wavelength_um
        Wavelength of the light in micrometres.
    source
        Inner and outer numerical aperture of the condenser's opening; ``(0, a)`` is a disc.
    ring_transmission
        Share of the direct light that the phase ring lets through.
    ring_phase
        Phase in radians that the ring adds to the direct light; 0 means that there is no ring.
        Negative makes dense things dark, as positive phase contrast does.
    defocus_um
        Distance of the specimen from the focal plane in micrometres.
    """

    aperture: float = 0.4
    wavelength_um: float = 0.55
    source: tuple[float, float] = (0.17, 0.195)
    ring_transmission: float = 0.25
    ring_phase: float = -np.pi / 2
    defocus_um: float = 0.0


def check_optics(optics: Any) -> Optics:
    """Validate a microscope; return it."""
    if not isinstance(optics, Optics):
        raise unsuitable("optics", optics, "a microscope (napari_cytosynth.phantoms.Optics)")
    check_number(optics.aperture, "aperture", 0.01, 10)
    check_number(optics.wavelength_um, "wavelength_um", 0.01, 1000)
    source = optics.source
    if not isinstance(source, tuple) or len(source) != 2:
        raise unsuitable("source", source, "two numerical apertures (inner, outer)")
    inner = check_number(source[0], "source (inner)", 0, optics.aperture)
    check_number(source[1], "source (outer)", inner, 10)
    check_number(optics.ring_transmission, "ring_transmission", 0, 1)
    check_number(optics.ring_phase, "ring_phase")
    check_number(optics.defocus_um, "defocus_um", -1e6, 1e6)
    return optics


PHASE_CONTRAST = Optics()
BRIGHTFIELD = Optics(source=(0.0, 0.12), ring_transmission=1.0, ring_phase=0.0, defocus_um=6.0)


def transfer_function(optics: Optics) -> tuple[Float, Float, Float]:
    """Return the contrast transfer functions of phase and absorption.

    Parameters
    ----------
    optics
        The microscope.

    Returns
    -------
    tuple of (N,) float32 arrays
        Frequencies in cycles per micrometre from 0 to ``2 * aperture / wavelength``, and
        the relative intensity for one unit of phase (radians) and of absorption.
    """
    return _transfer_function(check_optics(optics))


@lru_cache(maxsize=16)
def _transfer_function(optics: Optics) -> tuple[Float, Float, Float]:
    size, limit = 512, 2.0 * optics.aperture / optics.wavelength_um
    f = fft.fftfreq(size, d=1.0 / (2.0 * limit)).astype(np.float64)
    radius = np.hypot(f[:, None], f[None, :])
    sine = radius * optics.wavelength_um
    inner, outer = optics.source
    source = (sine >= inner) & (sine <= outer)
    pupil = _pupil(sine, optics)
    overlap = fft.ifft2(np.conj(fft.fft2(source * pupil)) * fft.fft2(pupil))
    row = overlap[0, : size // 2] / overlap[0, 0].real
    phase, absorption = -2.0 * row.imag, -2.0 * row.real
    frequencies = np.abs(f[: size // 2])
    phase, absorption = phase.astype(np.float32), absorption.astype(np.float32)
    return frequencies.astype(np.float32), phase, absorption


def _pupil(sine: NDArray[Any], optics: Optics) -> NDArray[Any]:
    """Return the complex transmission of the objective at the sine of each angle to its axis."""
    axial = np.sqrt(np.clip(1.0 - sine**2, 0.0, None)) - 1.0
    wave = 2.0 * np.pi / optics.wavelength_um * optics.defocus_um * axial
    pupil = (sine <= optics.aperture) * np.exp(1j * wave)
    inner, outer = optics.source
    # the ring is a little wider than the source's image, as in a real objective
    ring = (sine >= inner - 0.01) & (sine <= outer + 0.01) & (optics.ring_phase != 0.0)
    plate = np.sqrt(optics.ring_transmission) * np.exp(1j * optics.ring_phase)
    return np.asarray(np.where(ring, pupil * plate, pupil))


def transmit(phase: Float, optics: Optics, pixel_size_um: float, points: int = 16) -> Float:
    """Image a specimen of any thickness in phase: a sum over points of the source (Abbe).

    The weak-object approximation makes everything that is dense dark. A cell that has
    rounded up delays light by more than pi and is bright; that takes the whole sum.

    Returns
    -------
    (Y, X) float32
        Intensity, 1 where there is nothing.
    """
    spectrum = fft.fft2(np.exp(1j * phase))
    fy, fx = (fft.fftfreq(n, pixel_size_um).astype(np.float32) for n in phase.shape)
    tilt = 0.5 * sum(optics.source) / optics.wavelength_um
    image = np.zeros(phase.shape, np.float32)
    for angle in 2.0 * np.pi * (np.arange(points) + 0.5) / points:
        y, x = fy + tilt * np.sin(angle), fx + tilt * np.cos(angle)
        sine = np.hypot(y[:, None], x[None, :]) * np.float32(optics.wavelength_um)
        wave = fft.ifft2(spectrum * _pupil(sine, optics))
        image += wave.real**2 + wave.imag**2
    direct = np.abs(_pupil(np.array([0.5 * sum(optics.source)]), optics)[0]) ** 2
    return np.asarray(image / (points * direct), np.float32)


def fluoresce(stain: Float, pixel_size_um: float, aperture: float) -> Float:
    """Blur by the incoherent transfer function of a round pupil, and add haze."""
    radius = frequency_radius(stain.shape, pixel_size_um)
    nu = np.clip(radius * 0.46 / (2.0 * aperture), 0.0, 1.0)
    focus = 2.0 / np.pi * (np.arccos(nu) - nu * np.sqrt(1.0 - nu**2))
    haze = np.exp(-2.0 * (np.pi * 4.0 * radius) ** 2)  # light from 4 µm above and below
    spectrum = fft.rfft2(stain) * (0.85 * focus + 0.15 * haze)
    blurred: Float = np.clip(fft.irfft2(spectrum, s=stain.shape), 0.0, None).astype(np.float32)
    return blurred


def camera(
    rng: np.random.Generator, light: Float, gain: float, offset: float, read_noise: float
) -> NDArray[np.uint16]:
    """Convert expected photons to counts with photon noise and read noise."""
    electrons = rng.poisson(light) + rng.normal(0.0, read_noise, light.shape)
    return np.clip(np.rint(gain * electrons + offset), 0, 65535).astype(np.uint16)


def vignette(shape: tuple[int, ...], depth: float) -> Float:
    """Return an illumination that falls off by `depth` towards the corners."""
    y, x = (np.linspace(-1.0, 1.0, n, dtype=np.float32) for n in shape)
    return (1.0 - depth * 0.5 * (y[:, None] ** 2 + x[None, :] ** 2)).astype(np.float32)


def frequency_radius(shape: tuple[int, ...], pixel_size_um: float) -> Float:
    """Return the radial frequency in cycles per µm of each element of ``rfft2``."""
    fy, fx = fft.fftfreq(shape[0], pixel_size_um), fft.rfftfreq(shape[1], pixel_size_um)
    return np.asarray(np.hypot(fy[:, None], fx[None, :]), np.float32)
