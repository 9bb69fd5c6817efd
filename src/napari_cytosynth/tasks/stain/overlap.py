"""Real image on the pixel grid of a virtual stain: where both lie, by their world coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import micrometres, world_matrix

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.tasks.common.layers import Source

__all__ = ["GridImage", "onto_grid"]

_NEAR = 0.1  # px that grids may be apart and count as the same


@dataclass(frozen=True, eq=False)
class GridImage:
    """An image on another one's grid.

    Attributes
    ----------
    pixels
        Of the grid's shape; NaN (labels: 0) where the image does not lie.
    covered
        Fraction of the grid that the image covers, in (0, 1].
    note
        How it came onto the grid, for the user; empty where it was on it.
    """

    pixels: npt.NDArray[Any]
    covered: float = 1.0
    note: str = ""


def onto_grid(
    real: Source,
    shape: tuple[int, ...],
    geometry: dict[str, Any],
    position: tuple[int, ...] | None = None,
    *,
    labels: bool = False,
) -> GridImage:
    """Return an image on the grid of a virtual stain.

    What lies elsewhere is cut to the overlap, and what has other pixels is resampled: linearly,
    smoothed first where its pixels are smaller; labels by the nearest pixel. An array, or a
    layer whose pixel size is not known beside one in µm, is taken pixel by pixel.

    Parameters
    ----------
    real
        The image, with the geometry of its layer if it is one.
    shape
        Shape of a layer of the virtual stain.
    geometry
        Its geometry, as in :class:`~napari_cytosynth.tasks.common.layers.Source`.
    position
        Index of the plane in its stack, for a virtual stain of a single one: that plane of a
        stack without a place is taken. Default: None.
    labels
        Whether the values are numbers of objects, not intensities. Default: False.

    Raises
    ------
    InputError
        If the two do not overlap, or the image cannot be brought onto the grid.
    """
    note = _unknown_size(real.geometry, geometry)
    if real.rgb:
        raise InputError("The real image is a colour picture (RGB): compare a layer of one stain.")
    if note is not None or (_without_place(real.geometry) and _without_place(geometry)):
        return GridImage(_same_shape(real, shape, position), note=note or "")
    there = _between(real, len(shape), geometry)
    steps = there[:-1, :-1]
    if np.any(np.abs(steps[:-2, -2:]) * max(shape[-2:]) > 0.5):
        raise InputError("The real image is turned out of the plane of the virtual stain.")
    return _resampled(real, shape, there, labels)


def _unknown_size(real: dict[str, Any], virtual: dict[str, Any]) -> str | None:
    """Return a note where the place of one of the two is unknown; None where both are known."""
    if not real or not virtual:
        return ""
    if _has_unit(real) == _has_unit(virtual):
        return None
    for geometry, name in ((real, "the real image"), (virtual, "the virtual stain")):
        if not _has_unit(geometry) and _without_place(geometry):
            return f"The pixel size of {name} is not known: compared pixel by pixel."
    return None


def _without_place(geometry: dict[str, Any]) -> bool:
    """Return whether a layer lies as napari puts an array: nothing is known of its place."""
    if not geometry:
        return True
    matrix = world_matrix(geometry)[-3:, -3:]
    return not _has_unit(geometry) and bool(np.allclose(matrix, np.eye(3)))


def _has_unit(geometry: dict[str, Any]) -> bool:
    """Return whether rows and columns are measured in a unit of length."""
    units = tuple(geometry.get("units", ()))[-2:]
    return bool(units) and all(micrometres(unit) is not None for unit in units)


def _same_shape(
    real: Source, shape: tuple[int, ...], position: tuple[int, ...] | None
) -> npt.NDArray[Any]:
    data, wanted = real.data, [n for n in shape if n > 1]
    if position and [n for n in data.shape[len(position) :] if n > 1] == wanted:
        if len(data.shape) == len(position) + 2 and [n for n in data.shape if n > 1] != wanted:
            inside = all(i < n for i, n in zip(position, data.shape, strict=False))
            data = data[tuple(position)] if inside else data
    if [n for n in data.shape if n > 1] != wanted:
        raise InputError(
            f"The real image has the shape {real.shape}, but the virtual stain has {shape}: "
            "choose an image of the same field and size, or give both layers their pixel size "
            "and position."
        )
    return np.asarray(data).reshape(shape)


def _between(real: Source, ndim: int, geometry: dict[str, Any]) -> npt.NDArray[np.float64]:
    """Return the matrix from pixels of the virtual stain to those of the real image.

    As in napari, axes are lined up from the last one. Both are padded to the same number.
    """
    count = max(ndim, len(real.shape))
    if any(n > 1 for n in real.shape[: count - ndim]):
        raise InputError(
            f"The real image has the shape {real.shape}, an axis more than the virtual stain: "
            "choose a layer of one stain and the same planes."
        )
    virtual, other = (_padded(world_matrix(g), count) for g in (geometry, real.geometry))
    factors = np.ones(count + 1)
    if _has_unit(geometry) and _has_unit(real.geometry):
        pairs = zip(geometry["units"][::-1], real.geometry["units"][::-1], strict=False)
        for axis, (own, wanted) in enumerate(pairs):
            sizes = micrometres(own), micrometres(wanted)
            if sizes[0] is not None and sizes[1] is not None:
                factors[count - 1 - axis] = sizes[0] / sizes[1]
    try:
        between = np.linalg.solve(other, np.diag(factors) @ virtual)
    except np.linalg.LinAlgError:
        raise InputError("The real image has a scale of 0 and thus no place.") from None
    return between.astype(np.float64)


def _padded(matrix: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    padded = np.eye(count + 1)
    first = count + 1 - len(matrix)
    padded[first:, first:] = matrix
    return padded


def _resampled(
    real: Source, shape: tuple[int, ...], there: npt.NDArray[np.float64], labels: bool
) -> GridImage:
    count = len(there) - 1
    grid, sizes = ((1,) * (count - len(s)) + tuple(s) for s in (shape, real.shape))
    data = real.data
    pixels = np.full(grid, 0 if labels else np.nan, data.dtype if labels else np.float32)
    lead, plane = slice(0, count - 2), slice(count - 2, count)
    covered, moved = 0, not _same_steps(there[plane, plane], grid[-2:])
    for index in np.ndindex(grid[:-2]):
        place = there[lead, lead] @ index + there[lead, -1]
        number = np.round(place).astype(int)
        if np.any(np.abs(place - number) > 0.5) or np.any(number < 0):
            continue
        if np.any(number >= sizes[:-2]):
            continue
        own = tuple(number[count - len(real.shape) :])
        offset = there[plane, lead] @ index + there[plane, -1]
        source = np.asarray(data[own])
        inside = _inside(source.shape, there[plane, plane], offset, grid[-2:])
        found, shifted = _plane(source, there[plane, plane], offset, grid[-2:], labels)
        moved |= shifted
        pixels[index][inside] = found[inside]
        covered += int(inside.sum())
    if not covered:
        raise InputError(
            "The real image lies elsewhere: it does not overlap the virtual stain. Check pixel "
            "size and position of both layers (scale and translate)."
        )
    fraction = covered / pixels.size
    return GridImage(pixels.reshape(shape), fraction, _note(fraction, moved))


def _note(fraction: float, moved: bool) -> str:
    notes = ["resampled to the grid of the virtual stain"] if moved else []
    if fraction < 0.995:
        notes.insert(0, f"on the {100 * fraction:.2g} % of the field where both lie")
    return f"Compared {', '.join(notes)}." if notes else ""


def _same_steps(steps: npt.NDArray[np.float64], sides: tuple[int, ...]) -> bool:
    return bool(np.all(np.abs(steps - np.eye(2)) * max(sides) < _NEAR))


def _inside(
    size: tuple[int, ...],
    steps: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    sides: tuple[int, ...],
) -> npt.NDArray[np.bool_]:
    """Return which pixels (Y, X) of the grid have their centre within the image."""
    rows, columns = np.ogrid[: sides[0], : sides[1]]
    within = np.ones(sides, bool)
    for axis in (0, 1):
        place = steps[axis, 0] * rows + steps[axis, 1] * columns + offset[axis]
        within &= (place > -0.5 - _NEAR) & (place < size[axis] - 0.5 + _NEAR)
    return within


def _plane(
    source: npt.NDArray[Any],
    steps: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    sides: tuple[int, ...],
    labels: bool,
) -> tuple[npt.NDArray[Any], bool]:
    """Return a plane on the grid, and whether it had to be interpolated."""
    whole = np.round(offset)
    if _same_steps(steps, sides) and np.all(np.abs(offset - whole) < _NEAR):
        picked = (np.arange(side) + int(start) for side, start in zip(sides, whole, strict=True))
        rows, columns = (
            np.clip(p, 0, size - 1) for p, size in zip(picked, source.shape, strict=True)
        )
        return source[np.ix_(rows, columns)], False
    options = {"offset": offset, "output_shape": sides, "mode": "nearest"}
    if labels:
        return ndimage.affine_transform(source, steps, order=0, **options), True
    # smaller pixels are averaged over a larger one, or their noise would be compared
    sigma = np.maximum(np.linalg.norm(steps, axis=1) - 1, 0) / 2
    smooth = ndimage.gaussian_filter(source.astype(np.float32), sigma)
    return ndimage.affine_transform(smooth, steps, order=1, **options), True
