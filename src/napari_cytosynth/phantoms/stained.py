"""Simulated pairs of the same cells, unstained under phase contrast and stained.

They are what a virtual stainer can be trained on by anyone in minutes. What the stains
show is mostly there in phase, too (outlines, nuclei, nucleoli, cells in division); how
much stain a cell took up is not, as in a real pair of images.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cytosynth.arguments import LARGEST_SEED, check_number, check_whole

from .drawing import (
    Float,
    Labels,
    Outline,
    Place,
    body_outline,
    chromatin,
    draw,
    edge_distance,
    ellipse,
    noise,
    nucleolus_map,
    nucleus_outline,
    phase_map,
    place,
)
from .optics import (
    PHASE_CONTRAST,
    Optics,
    camera,
    check_optics,
    fluoresce,
    transmit,
    vignette,
)
from .scene import MOST_OBJECTS, check_shape, inside, numbering, plain_arguments, with_margin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["StainedCells", "stained_cells", "stained_field"]

_DIVIDING = 0.08  # fraction of cells that have rounded up
_DENSE = (0.1, 0.5)  # radians by which a clump delays light


@dataclass(frozen=True, eq=False)
class StainedCells:
    """Simulated images of the same cells without and with stain, and their truth.

    Attributes
    ----------
    phase
        (Y, X) uint16 camera counts under phase contrast.
    fluorescence
        (2, Y, X) uint16 camera counts of the stains that `channels` names.
    nuclei, cells
        (Y, X) int32, 0 for background; cells are numbered from 1 without gaps, and a
        nucleus has the number of its cell.
    pixel_size_um
        Edge of a pixel in micrometres.
    channels
        Names of the stains.
    hidden
        (N,) labels of the cells whose body does not show in phase.
    clumps
        (Y, X) int32, numbered from 1: clumps of matter that show in phase and are no cells.
    """

    phase: NDArray[np.uint16]
    fluorescence: NDArray[np.uint16]
    nuclei: Labels
    cells: Labels
    pixel_size_um: float
    channels: tuple[str, ...] = ("nuclei", "membrane")
    hidden: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    clumps: Labels = field(default_factory=lambda: np.zeros((0, 0), np.int32))


@dataclass(frozen=True, eq=False)
class _Cells:
    """Cells as drawn, with the margin; `dividing` and `hidden` are by label, background first."""

    bodies: Labels
    nuclei: Labels
    nucleoli: Float
    dividing: NDArray[np.bool_]
    per_um: float
    hidden: NDArray[np.bool_]
    clumps: Labels


def stained_cells(
    shape: tuple[int, int] = (512, 512),
    count: int = 45,
    seed: int | Sequence[int] = 0,
    pixel_size_um: float = 0.5,
    *,
    touching: float = 0.5,
    optics: Optics = PHASE_CONTRAST,
    hidden: float = 0.0,
    clumps: int = 0,
) -> StainedCells:
    """Simulate adherent cells under phase contrast and with their DNA and membrane stained.

    Cells differ in size, shape, thickness and stain; some touch, and some have rounded up
    to divide, with condensed chromosomes in place of a nucleus.

    Parameters
    ----------
    shape
        (Y, X) of the images in pixels. Default: (512, 512).
    count
        About how many cells have their centre in the field; crowded fields get fewer. Default: 45.
    seed
        Seed of everything that is random; several numbers are one seed, too. Default: 0.
    pixel_size_um
        Edge of a pixel in micrometres. Default: 0.5.
    touching
        Fraction of cells, 0 to 1, that are put beside another one. Default: 0.5.
    optics
        Microscope of the phase image. Default: phase contrast in focus.
    hidden
        Fraction of cells, 0 to 1, whose body has the refractive index of the medium: their
        nucleus shows in phase, their outline does not. The stains are as ever. Default: 0.
    clumps
        About how many clumps of matter to plant between the cells: as large as a nucleus,
        refracting as one, but no cell, and without stain. Default: 0.

    Returns
    -------
    StainedCells
        Images and labels of `shape`. The cells and stains of a seed are the same whatever the
        optics, `hidden` and `clumps`.

    Raises
    ------
    InputError
        If the shape, count or pixel size is not positive.
    """
    count, seed, pixel_size_um = plain_arguments(count, seed, pixel_size_um)
    rng = np.random.default_rng(seed)
    scene_shape, margin = with_margin(shape, count, pixel_size_um)
    touching = check_number(touching, "touching", 0, 1)
    hidden = check_number(hidden, "hidden", 0, 1)
    clumps = check_whole(clumps, "The number of clumps", 0, MOST_OBJECTS)
    per_um = 1.0 / pixel_size_um
    layout = place(rng, scene_shape, margin, count, 12.0 * per_um, 0.28, touching)
    cells = _draw_cells(rng, scene_shape, layout, per_um)
    before = deepcopy(rng)
    phase = _phase_contrast(rng, cells, PHASE_CONTRAST)
    if hidden or clumps or check_optics(optics) != PHASE_CONTRAST:
        # drawn again, so that the stains do not depend on what the phase image shows
        own = np.random.default_rng([*np.atleast_1d(seed), 2])
        hides = (own.random(len(layout) + 1) < hidden) & ~cells.dividing
        strewn = _draw_clumps(own, cells.bodies, per_um, margin, clumps)
        cells = replace(cells, hidden=hides, clumps=strewn)
        phase = _phase_contrast(before, cells, optics)
    stains = _nuclear_stain(rng, cells), _membrane_stain(rng, cells)
    fluorescence = np.stack([_photograph(rng, stain, pixel_size_um) for stain in stains])
    bodies, nuclei = inside(cells.bodies, margin), inside(cells.nuclei, margin)
    table = numbering(bodies)
    seen = numbering(nuclei)[nuclei] > 0
    unseen = table[np.flatnonzero(cells.hidden[: table.size])]
    strewn = inside(cells.clumps, margin)
    return StainedCells(
        inside(phase, margin),
        inside(fluorescence, margin),
        np.where(seen, table[nuclei], 0).astype(np.int32),
        table[bodies],
        pixel_size_um,
        hidden=unseen[unseen > 0],
        clumps=numbering(strewn)[strewn],
    )


def stained_field(
    index: int,
    shape: tuple[int, int] = (512, 512),
    seed: int = 0,
    pixel_size_um: float = 0.5,
    *,
    optics: Optics = PHASE_CONTRAST,
    hidden: float = 0.0,
    clumps: int = 0,
) -> StainedCells:
    """Simulate one of the many fields of an experiment, from sparse to nearly confluent.

    Parameters
    ----------
    index
        Which field, counted from 0; each is independent of the others.
    shape, pixel_size_um, optics, hidden, clumps
        As for :func:`stained_cells`.
    seed
        Seed of the experiment. Default: 0.

    Returns
    -------
    StainedCells
        Images and labels of `shape`.

    Raises
    ------
    InputError
        If the shape, index, seed or pixel size is negative or 0 where it may not be.
    """
    index = check_whole(index, "The number (index) of a phantom", 0, LARGEST_SEED)
    seed = check_whole(seed, "The seed of a phantom", 0, LARGEST_SEED)
    _, _, pixel_size_um = plain_arguments(0, 0, pixel_size_um)
    shape = check_shape(shape)
    rng = np.random.default_rng([seed, index, 1])  # not the stream that draws the cells
    density = rng.uniform(15.0, 100.0) / 256.0**2  # cells per µm²
    count = min(round(density * shape[0] * shape[1] * pixel_size_um**2), MOST_OBJECTS)
    touching = rng.uniform(0.2, 0.8)
    return stained_cells(
        shape,
        count,
        (seed, index),
        pixel_size_um,
        touching=touching,
        optics=optics,
        hidden=hidden,
        clumps=clumps,
    )


def _draw_cells(
    rng: np.random.Generator, shape: tuple[int, int], layout: list[Place], per_um: float
) -> _Cells:
    dividing = rng.random(len(layout)) < _DIVIDING
    places, outlines, inner, inner_outlines = [], [], [], []
    for (y, x, r), round_ in zip(layout, dividing, strict=True):
        size = (0.62 if round_ else 1.0) * r
        places.append((y, x, size))
        outlines.append(_round_outline(rng) if round_ else body_outline(rng))
        nuclear = 4.9 * per_um * (r / (12.0 * per_um)) ** 0.6 * rng.uniform(0.85, 1.15)
        inner.append((y, x, 0.72 * nuclear if round_ else nuclear))
        inner_outlines.append(_plate_outline(rng) if round_ else nucleus_outline(rng))
    bodies = draw(shape, places, outlines)
    core = np.where(edge_distance(bodies) > per_um, bodies, 0)
    drawn = draw(shape, inner, inner_outlines)
    nuclei = np.where(drawn == core, drawn, 0).astype(np.int32)
    flags = np.concatenate([[False], dividing])
    nucleoli = nucleolus_map(rng, shape, per_um) * ~flags[nuclei]
    none = np.zeros_like(flags), np.zeros_like(bodies)
    return _Cells(bodies, nuclei, nucleoli.astype(np.float32), flags, per_um, *none)


def _draw_clumps(
    rng: np.random.Generator, bodies: Labels, per_um: float, margin: int, count: int
) -> Labels:
    """Draw clumps of the sizes and outlines of nuclei where there is no cell; return labels."""
    room = ndimage.distance_transform_edt(bodies == 0) > 9.0 * per_um
    sides = [n - 2 * margin for n in bodies.shape]
    layout: list[Place] = []
    for _ in range(200 * count):
        if len(layout) == count:
            break
        y, x = (margin + rng.uniform(0.0, side) for side in sides)
        apart = all(np.hypot(y - a, x - b) > 16.0 * per_um for a, b, _ in layout)
        if apart and room[int(y), int(x)]:
            layout.append((y, x, 4.9 * per_um * rng.uniform(0.75, 1.15)))
    return draw(bodies.shape, layout, [nucleus_outline(rng) for _ in layout])


def _round_outline(rng: np.random.Generator) -> Outline:
    return ellipse(rng.uniform(1.0, 1.15), rng.uniform(-np.pi, np.pi))


def _plate_outline(rng: np.random.Generator) -> Outline:
    """Return the outline of a metaphase plate, seen from the side or nearly so."""
    return ellipse(rng.uniform(1.6, 3.2), rng.uniform(-np.pi, np.pi))


def _phase_contrast(rng: np.random.Generator, cells: _Cells, optics: Optics) -> NDArray[np.uint16]:
    """Image the cells' phase; a dividing cell is a ball among flat ones."""
    per_um, shape = cells.per_um, cells.bodies.shape
    phase = 2.2 * phase_map(rng, cells.bodies, cells.nuclei, per_um, 1.5 * cells.nucleoli)
    if cells.hidden.any():
        index_matched = cells.hidden[cells.bodies] & (cells.nuclei == 0)
        phase *= ndimage.gaussian_filter(1.0 - index_matched.astype(np.float32), 0.5 * per_um)
    if cells.clumps.any():
        phase += _clump_phase(cells)
    nuclear = np.clip(edge_distance(cells.nuclei) / (2.0 * per_um), 0.0, 1.0)
    phase += 0.12 * np.sqrt(nuclear)
    depth = edge_distance(cells.bodies) / per_um * cells.dividing[cells.bodies]
    widest = ndimage.maximum(depth, cells.bodies, np.arange(cells.dividing.size))
    radius = np.asarray(widest, np.float32)[cells.bodies]
    ball = np.sqrt(np.clip(2.0 * radius * depth - depth**2, 0.0, None))
    phase += ndimage.gaussian_filter(0.42 * ball + 0.5 * nuclear * (ball > 0), 0.4 * per_um)
    uneven = 1.0 + 0.012 * noise(rng, shape, 40.0 * per_um)
    exposure = 5000.0 * np.exp(rng.normal(0.0, 0.15))
    light = exposure * transmit(phase, optics, 1.0 / per_um) * uneven
    return camera(rng, np.asarray(light * vignette(shape, 0.06), np.float32), 3.0, 200.0, 4.0)


def _clump_phase(cells: _Cells) -> Float:
    """Delay light in clumps as a nucleus and the flat cell above it do, each by its own factor."""
    own = np.random.default_rng(int(cells.clumps.sum()))
    dense = own.uniform(*_DENSE, int(cells.clumps.max()) + 1)[cells.clumps]
    spots = nucleolus_map(own, cells.clumps.shape, cells.per_um)
    dome = np.clip(edge_distance(cells.clumps) / (2.0 * cells.per_um), 0.0, 1.0)
    clump = dense * np.sqrt(dome) * (1.0 + 2.0 * spots)
    return np.asarray(ndimage.gaussian_filter(clump, 0.3 * cells.per_um), np.float32)


def _nuclear_stain(rng: np.random.Generator, cells: _Cells) -> Float:
    """Stain DNA: absent from nucleoli, and packed twice as densely in chromosomes."""
    stain = chromatin(rng, cells.nuclei, cells.per_um, std=0.2) * (1.0 - 0.6 * cells.nucleoli)
    return np.asarray(stain * np.where(cells.dividing[cells.nuclei], 2.0, 1.0), np.float32)


def _membrane_stain(rng: np.random.Generator, cells: _Cells) -> Float:
    """Stain the outline, a band of a few hundred nanometres, and the cytoplasm weakly."""
    per_um, shape = cells.per_um, cells.bodies.shape
    distance = edge_distance(cells.bodies)
    depth = (distance - 0.5) / per_um  # from the middle of the pixel, in µm
    outline = np.exp(-((depth / 0.5) ** 2)) * (1.0 + 0.3 * noise(rng, shape, 1.2 * per_um))
    cytoplasm = 0.14 * np.clip(depth / 3.0, 0.0, 1.0) * (1.0 + 0.3 * noise(rng, shape, per_um))
    cytoplasm *= np.where(cells.nuclei > 0, 0.5, 1.0)
    uptake = np.exp(rng.normal(0.0, 0.25, cells.dividing.size))
    uptake *= np.where(cells.dividing, 1.6, 1.0)  # a ball's side wall is seen edge-on
    stain = (np.clip(outline, 0.0, None) + cytoplasm) * (distance > 0) * uptake[cells.bodies]
    return np.asarray(stain, np.float32)


def _photograph(rng: np.random.Generator, stain: Float, pixel_size_um: float) -> NDArray[np.uint16]:
    blurred = fluoresce(stain, pixel_size_um, 0.75)
    light = 6.0 + 180.0 * blurred * vignette(stain.shape, 0.1)
    return camera(rng, light, gain=20.0, offset=400.0, read_noise=2.0)
