"""Simulated z-stacks of nuclei: ellipsoids in the volume, seen by a confocal microscope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import ndimage

from napari_cytosynth.arguments import check_number, check_wholes, shown
from napari_cytosynth.errors import InputError
from napari_cytosynth.memory import require_memory

from .drawing import noise
from .optics import camera
from .scene import numbering, plain_arguments
from .simulate import MOST_PHOTONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .drawing import Float, Labels

__all__ = ["StackPhantom", "nuclei_stack"]

Triple: TypeAlias = tuple[float, float, float]

_MARGIN_UM: Triple = (4.0, 8.0, 8.0)  # along z, y, x: drawn around the volume and cropped
_RADII_UM: Triple = (3.6, 4.8, 4.8)  # of an average nucleus
_GAP_UM = 2.0  # least distance of two nuclei, about: in tissue cytoplasm lies between them
_BLUR_UM: Triple = (0.7, 0.2, 0.2)  # standard deviations of the confocal point spread
_TRIES = 40  # of placing each nucleus
_BYTES_PER_VOXEL = 60


@dataclass(frozen=True, eq=False)
class StackPhantom:
    """A simulated z-stack and its truth.

    Attributes
    ----------
    image
        (Z, Y, X) uint16 camera counts.
    labels
        (Z, Y, X) int32, 0 for background, one number for each object of the stack, consecutive
        from 1.
    voxel_size_um
        Distance of the planes, and edges of a pixel along Y and X, in micrometres.
    kind
        "fluorescence".
    """

    image: NDArray[np.uint16]
    labels: Labels
    voxel_size_um: Triple
    kind: str = "fluorescence"


@dataclass(frozen=True)
class _Nucleus:
    """Centre and half axes in µm; the first half axis lies along Z, the second at `angle`."""

    centre: Triple
    radii: Triple
    angle: float

    def near(self, other: _Nucleus) -> bool:
        """Return whether another one is so near that the two might overlap."""
        step = np.subtract(self.centre, other.centre)
        reach = np.add(self.radii, other.radii) + _GAP_UM
        across = (reach[1] + reach[2]) / 2  # each may lie at any angle
        return bool(np.hypot(step[0] / reach[0], np.hypot(step[1], step[2]) / across) < 1)

    def depth(self, z: Any, y: Any, x: Any) -> Any:
        """Return the distance from the centre, 0 there and 1 at the surface."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        dz, dy, dx = z - self.centre[0], y - self.centre[1], x - self.centre[2]
        along, across = dy * sin + dx * cos, dy * cos - dx * sin
        a, b, c = self.radii
        return np.sqrt((dz / a) ** 2 + (along / b) ** 2 + (across / c) ** 2)


def nuclei_stack(
    shape: tuple[int, int, int] = (20, 192, 192),
    count: int = 45,
    seed: int = 0,
    voxel_size_um: Triple = (1.0, 0.4, 0.4),
    *,
    photons: float = 300.0,
) -> StackPhantom:
    """Simulate a z-stack of stained nuclei under a confocal microscope.

    The nuclei are ellipsoids with texture that lie beside and above each other and do not touch.
    The microscope blurs by a Gaussian, more along Z, and its camera adds noise.

    Parameters
    ----------
    shape
        (Z, Y, X) of the stack in voxels. Default: (20, 192, 192).
    count
        About how many nuclei have their centre in the stack; crowded ones get fewer. Default: 45.
    seed
        Seed of everything that is random. Default: 0.
    voxel_size_um
        Distance of the planes, and edges of a pixel along Y and X, in micrometres, each above 0
        and at most 10. Default: (1.0, 0.4, 0.4).
    photons
        Photons that reach a voxel from an average nucleus. Default: 300.0.

    Returns
    -------
    StackPhantom
        uint16 image and int32 labels, both of `shape`.

    Raises
    ------
    InputError
        If the shape, count or voxel size is not positive, or the stack is larger than the memory.
    """
    size = _checked_size(voxel_size_um)
    count, seed, _ = plain_arguments(count, seed, size[-1])
    photons = check_number(photons, "photons", 0, MOST_PHOTONS)
    drawn, margin = _with_margin(shape, size)
    rng = np.random.default_rng(seed)
    labels, stain = _draw(rng, _place(rng, drawn, margin, size, count), drawn, size)
    blurred = ndimage.gaussian_filter(stain, np.divide(_BLUR_UM, size))
    image = camera(rng, 6.0 + photons * blurred, gain=20.0, offset=400.0, read_noise=2.0)
    inside = tuple(slice(m, n - m) for m, n in zip(margin, drawn, strict=True))
    seen = labels[inside]
    return StackPhantom(np.ascontiguousarray(image[inside]), numbering(seen)[seen], size)


def _checked_size(voxel_size_um: Any) -> Triple:
    if not isinstance(voxel_size_um, tuple | list | np.ndarray) or len(voxel_size_um) != 3:
        raise InputError(
            "The voxel size (voxel_size_um) of a phantom is three numbers, along z, y and x in "
            f"µm, not {shown(voxel_size_um)}."
        )
    z, y, x = (plain_arguments(0, 0, edge)[2] for edge in voxel_size_um)
    return z, y, x


def _with_margin(shape: Any, size: Triple) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Validate the shape; return the shape to draw, and its margin."""
    planes = check_wholes(shape, "The shape of a phantom (planes, height, width)", "(20, 192, 192)")
    if len(planes) != 3 or min(planes) < 1:
        raise InputError(
            "A stack needs a shape (planes, height, width) of at least 1 voxel, "
            f"not {shown(shape)}."
        )
    margin = tuple(int(np.ceil(m / s)) for m, s in zip(_MARGIN_UM, size, strict=True))
    drawn = tuple(n + 2 * m for n, m in zip(planes, margin, strict=True))
    require_memory(
        drawn[0] * drawn[1] * drawn[2] * _BYTES_PER_VOXEL,
        f"A phantom of {' × '.join(map(str, planes))} voxels",
        "Ask for a smaller shape or larger voxels.",
    )
    return drawn, margin


def _place(
    rng: np.random.Generator,
    drawn: tuple[int, ...],
    margin: tuple[int, ...],
    size: Triple,
    count: int,
) -> list[_Nucleus]:
    """Place nuclei at random in the volume, so that about `count` have their centre inside."""
    extent = np.multiply(drawn, size)
    inner = np.multiply(np.subtract(drawn, np.multiply(2, margin)), size)
    sphere = 4 / 3 * np.pi * np.prod(_RADII_UM)
    volume = np.prod(extent)
    wanted = min(round(count * volume / np.prod(inner)), int(0.5 * volume / sphere) + 1)
    placed: list[_Nucleus] = []
    for _ in range(_TRIES * wanted):
        if len(placed) == wanted:
            break
        z, y, x = rng.uniform(0.0, extent)
        a, b, c = np.multiply(_RADII_UM, np.exp(rng.normal(0.0, 0.12)))
        stretch = np.sqrt(rng.uniform(1.0, 1.4))
        new = _Nucleus((z, y, x), (a, b * stretch, c / stretch), rng.uniform(0.0, np.pi))
        if not any(new.near(other) for other in placed):
            placed.append(new)
    return placed


def _draw(
    rng: np.random.Generator, nuclei: list[_Nucleus], shape: tuple[int, ...], size: Triple
) -> tuple[Labels, Float]:
    """Fill the ellipsoids; return their labels and the density of their stain."""
    labels = np.zeros(shape, np.int32)
    nearest = np.ones(shape, np.float32)
    for number, nucleus in enumerate(nuclei, start=1):
        reach = (nucleus.radii[0], max(nucleus.radii[1:]), max(nucleus.radii[1:]))
        window = tuple(
            slice(max(0, int((c - r) / s)), min(n, int((c + r) / s) + 2))
            for c, r, s, n in zip(nucleus.centre, reach, size, shape, strict=True)
        )
        axes = [np.arange(w.start, w.stop) * s for w, s in zip(window, size, strict=True)]
        depth = nucleus.depth(*np.ix_(*axes)).astype(np.float32)
        wins = depth < nearest[window]
        labels[window][wins], nearest[window][wins] = number, depth[wins]
    return labels, _stain(rng, labels, len(nuclei), size)


def _stain(rng: np.random.Generator, labels: Labels, count: int, size: Triple) -> Float:
    """Draw the nuclear stain: textured, with dark nucleoli, some nuclei dimmer than others."""
    fine, coarse = (tuple(um / s for s in size) for um in (0.9, 1.3))
    texture = 1.0 + 0.15 * noise(rng, labels.shape, fine)
    nucleoli = 1.0 - 0.4 / (1.0 + np.exp(-8.0 * (noise(rng, labels.shape, coarse) - 1.5)))
    brightness = np.exp(rng.normal(0.0, 0.25, count + 1))
    stain = (labels > 0) * texture * nucleoli * brightness[labels]
    return np.asarray(np.clip(stain, 0.0, None), np.float32)
