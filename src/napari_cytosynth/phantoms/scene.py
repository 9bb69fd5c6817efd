"""Scenes of cells: maps of phase, absorption and chromatin before imaging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.arguments import (
    LARGEST_SEED,
    check_number,
    check_whole,
    check_wholes,
    shown,
)
from napari_cytosynth.errors import InputError
from napari_cytosynth.memory import require_memory

from .drawing import (
    Float,
    Labels,
    body_outline,
    chromatin,
    draw,
    edge_distance,
    nucleus_outline,
    phase_map,
    place,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CellScene", "cell_scene", "inside", "numbering", "plain_arguments", "with_margin"]

_MARGIN_UM = 24.0  # drawn around the field and cropped, so that nothing wraps around
_SLIVER_PX = 12  # what the field's border leaves of an object is no object below this


@dataclass(frozen=True, eq=False)
class CellScene:
    """Maps of simulated cells before imaging; all are (Y, X) with a margin.

    Attributes
    ----------
    phase
        Phase delay in radians, float32.
    absorption
        Amplitude absorption (0 for clear), float32.
    chromatin
        Density of the nuclear stain in arbitrary units, float32.
    bodies, nuclei
        int32 labels; a cell and its nucleus have the same number.
    pixel_size_um
        Edge of a pixel in micrometres.
    margin
        Width in pixels of the border that an image leaves out.
    """

    phase: Float
    absorption: Float
    chromatin: Float
    bodies: Labels
    nuclei: Labels
    pixel_size_um: float
    margin: int


MOST_OBJECTS = 10_000
LARGEST_PIXEL_UM = 10.0  # cells are no larger
BYTES_PER_PIXEL = 100  # maps of phase, stain and light, and their spectra


def cell_scene(
    shape: tuple[int, int] = (512, 512),
    count: int = 40,
    seed: int = 0,
    pixel_size_um: float = 0.5,
    *,
    touching: float = 0.4,
) -> CellScene:
    """Draw adherent cells with nuclei as maps of phase, absorption and chromatin.

    The phase is a tenth to a third of a radian, less than in a real cell, so that the
    weak-object approximation that images it stays honest.

    Parameters
    ----------
    shape, count, seed, pixel_size_um, touching
        As for :func:`~napari_cytosynth.phantoms.phase_contrast_cells`; `shape` is without
        the margin.

    Returns
    -------
    CellScene
        Maps that are `margin` pixels wider than `shape` on every side.

    Raises
    ------
    InputError
        If the shape, count or pixel size is not positive.
    """
    count, seed, pixel_size_um = plain_arguments(count, seed, pixel_size_um)
    rng = np.random.default_rng(seed)
    scene_shape, margin = with_margin(shape, count, pixel_size_um)
    per_um = 1.0 / pixel_size_um
    touching = check_number(touching, "touching", 0, 1)
    layout = place(rng, scene_shape, margin, count, 13.0 * per_um, 0.2, touching)
    outlines = [body_outline(rng) for _ in layout]
    bodies = draw(scene_shape, layout, outlines)
    inner = [(y, x, 5.0 * per_um * rng.uniform(0.85, 1.15)) for y, x, _ in layout]
    # a nucleus lies inside its own cell, also where a neighbour presses on it
    core = np.where(edge_distance(bodies) > per_um, bodies, 0)
    drawn = draw(scene_shape, inner, [nucleus_outline(rng) for _ in layout])
    nuclei = np.where(drawn == core, drawn, 0).astype(np.int32)
    phase = phase_map(rng, bodies, nuclei, per_um)
    absorption = 0.02 * ndimage.gaussian_filter((nuclei > 0).astype(np.float32), 1.0)
    stain = chromatin(rng, nuclei, per_um)
    return CellScene(phase, absorption, stain, bodies, nuclei, pixel_size_um, margin)


def with_margin(
    shape: tuple[int, int], count: int, pixel_size_um: float
) -> tuple[tuple[int, int], int]:
    """Validate the shape; return the shape to draw, and its margin."""
    rows, columns = check_shape(shape)
    margin = int(np.ceil(_MARGIN_UM / pixel_size_um))
    drawn = rows + 2 * margin, columns + 2 * margin
    require_memory(
        drawn[0] * drawn[1] * BYTES_PER_PIXEL,
        f"A phantom of {rows} × {columns} pixels of {pixel_size_um:.3g} µm",
        "Ask for a smaller shape or larger pixels.",
    )
    return drawn, margin


def check_shape(shape: Any) -> tuple[int, int]:
    """Validate the shape of a phantom; return it as (Y, X)."""
    sizes = check_wholes(shape, "The shape of a phantom (height, width)", "(512, 512)")
    if len(sizes) != 2 or min(sizes) < 1:
        raise InputError(
            f"A phantom needs a shape (height, width) of at least 1 pixel, not {shown(shape)}."
        )
    return sizes[0], sizes[1]


def plain_arguments(count: Any, seed: Any, pixel_size_um: Any) -> tuple[int, Any, float]:
    """Validate the arguments that all phantoms have; return them as plain values."""
    return (
        check_whole(count, "The count of objects in a phantom", 0, MOST_OBJECTS),
        check_seeds(seed),
        check_number(
            pixel_size_um, "The pixel size (pixel_size_um)", 0, LARGEST_PIXEL_UM, within=True
        ),
    )


def check_seeds(seed: Any) -> Any:
    """Validate the seed of a phantom: a whole number, or several that are one seed."""
    if isinstance(seed, tuple | list | np.ndarray):
        return check_wholes(seed, "The seed of a phantom", "(0, 1)")
    return check_whole(seed, "The seed of a phantom", 0, LARGEST_SEED)


def inside(map_: NDArray[Any], margin: int) -> NDArray[Any]:
    """Cut off the margin of the last two axes."""
    return np.ascontiguousarray(map_[..., margin:-margin, margin:-margin])


def numbering(labels: Labels) -> Labels:
    """Return new numbers, consecutive from 1, for old ones; 0 for slivers at the border."""
    sizes = np.bincount(labels.ravel())
    kept = np.flatnonzero(sizes >= _SLIVER_PX)
    table = np.zeros(sizes.size, np.int32)
    table[kept[kept > 0]] = np.arange(1, np.count_nonzero(kept) + 1, dtype=np.int32)
    return table
