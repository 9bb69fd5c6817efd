"""Augmentation of crops: random geometric and intensity changes, in plain torch.

Everything is drawn from one generator a crop, seeded by (seed, epoch, index), so that a
resumed run sees the very crops that an unbroken one would.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from .vectors import mirror_vectors, turn_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cytosynth.training.recipe.base import AugmentRecipe

__all__ = ["blur_halo", "cut", "jitter", "magnified", "warp_crop", "window_of"]

_SHARPENED = (0.7, 3.0)
"""Range of the sigma in px below which unsharp masking finds fine structure."""
_SHADING_KNOTS = 4


def cut(
    array: NDArray[np.float32],
    centre: tuple[int, int],
    size: int,
    vectors: int | None = None,
) -> NDArray[np.float32]:
    """Cut a (C, size, size) window around `centre`, reflected where it leaves the image.

    Of `vectors` and the next channel, components along Y and X, the reflection changes signs.
    """
    starts = [middle - size // 2 for middle in centre]
    if all(0 <= s <= n - size for s, n in zip(starts, array.shape[-2:], strict=True)):
        y, x = starts  # a plain copy is ten times as fast
        return array[:, y : y + size, x : x + size].copy()
    index = []
    for start, length in zip(starts, array.shape[-2:], strict=True):
        position = np.arange(start, start + size)
        period = max(2 * (length - 1), 1)
        folded = np.abs(position) % period
        index.append(np.minimum(folded, period - folded) if length > 1 else folded * 0)
    taken: NDArray[np.float32] = array.take(index[0], axis=1).take(index[1], axis=2)
    if vectors is not None:
        mirror_vectors(taken[vectors : vectors + 2], (starts[0], starts[1]), array.shape[1:])
    return taken


@lru_cache(8)
def _bicubic_weights(knots: int, size: int) -> torch.Tensor:
    """Return the (size, knots) weights of bicubic interpolation along one axis.

    Two products with them are five times as fast as interpolating the plane.
    """
    every = torch.eye(knots)[None, None]
    return functional.interpolate(every, (size, knots), mode="bicubic", align_corners=True)[0, 0]


def _grid(rng: np.random.Generator, size: int, recipe: AugmentRecipe) -> tuple[torch.Tensor, int]:
    """Draw a sampling grid of a crop; return it with the side of the window that it needs."""
    angle = rng.uniform(0, 2 * math.pi) if recipe.rotate else rng.integers(4) * math.pi / 2
    zoom = math.exp(rng.uniform(math.log(recipe.scale[0]), math.log(recipe.scale[1])))
    flip = 1 - 2 * int(rng.integers(2))
    cosine, sine = math.cos(angle), math.sin(angle)
    window = _window(size * (abs(cosine) + abs(sine)) / zoom, window_of(size, recipe), recipe)
    step = size / window / zoom
    cosine, sine = cosine * step, sine * step
    matrix = torch.tensor([[cosine * flip, -sine, 0.0], [sine * flip, cosine, 0.0]])
    grid = functional.affine_grid(matrix[None], [1, 1, size, size], align_corners=False)
    if recipe.elastic:
        coarse = torch.from_numpy(rng.uniform(-1, 1, (1, 2, 5, 5)).astype(np.float32))
        weights = _bicubic_weights(5, size)
        field = weights @ coarse @ weights.T
        grid = grid + field.permute(0, 2, 3, 1) * (2 * recipe.elastic * rng.uniform() / window)
    return grid, window


def _window(extent: float, most: int, recipe: AugmentRecipe) -> int:
    """Return the side of the window for a crop of this extent, of the parity of `most`.

    The parity decides where the middle of a window lies.
    """
    needed = math.ceil(extent + 3 * recipe.elastic) + 2  # bicubic curves overshoot
    return min(most, needed + (most - needed) % 2)


def warp_crop(
    array: NDArray[np.float32],
    centre: tuple[int, int],
    size: int,
    recipe: AugmentRecipe,
    rng: np.random.Generator,
    vectors: int | None = None,
) -> torch.Tensor:
    """Cut a rotated, mirrored, scaled and elastically deformed crop.

    Parameters
    ----------
    array
        (C, Y, X) image and target channels.
    centre
        Middle of the crop in px.
    size
        Side of the crop in px.
    recipe
        Ranges of the augmentation.
    rng
        Source of all draws.
    vectors
        First of two channels that are the components of vectors along Y and X, which turn with
        the image. Default: None.

    Returns
    -------
    Tensor
        (C, size, size) float32, bilinear.
    """
    grid, window = _grid(rng, size, recipe)
    source = torch.from_numpy(cut(array, centre, window, vectors))[None]
    crop = functional.grid_sample(
        source, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )[0]
    if vectors is not None:
        crop[vectors : vectors + 2] = turn_vectors(crop[vectors : vectors + 2], grid)
    return crop


def window_of(size: int, recipe: AugmentRecipe) -> int:
    """Return the side of the largest window that a crop of `size` px may need."""
    stretch = math.sqrt(2) if recipe.rotate else 1.0
    return math.ceil(size * stretch / recipe.scale[0] + 2 * recipe.elastic)


def magnified(augment: AugmentRecipe, by: float) -> AugmentRecipe:
    """Return an augmentation with its range of magnification multiplied by a factor."""
    low, high = augment.scale
    return augment if by == 1 else augment.model_copy(update={"scale": (low * by, high * by)})


def blur_halo(sigma: float) -> int:
    """Return the halo of a Gaussian blur in px, at least 1."""
    return max(1, math.ceil(3 * sigma))


def _blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    halo = blur_halo(sigma)
    taps = torch.exp(-0.5 * (torch.arange(-halo, halo + 1) / sigma) ** 2)
    taps = taps / taps.sum()
    image = functional.pad(image[:, None], (halo, halo, halo, halo), mode="reflect")
    image = functional.conv2d(image, taps[None, None, None, :])
    return functional.conv2d(image, taps[None, None, :, None])[:, 0]


def _curved(image: torch.Tensor, strength: float) -> torch.Tensor:
    """Bend greys between 0 and 1 on an S-shaped curve, which rises for strengths within ±1.

    Positive strengths give middle greys more contrast, negative ones less.
    """
    turn = 2 * math.pi
    return image - torch.sin(image.clamp(0, 1) * turn) * (strength / turn)


def _shaded(image: torch.Tensor, most: float, rng: np.random.Generator) -> torch.Tensor:
    """Multiply by a smooth field around 1, the same for all channels."""
    knots = rng.uniform(-1, 1, (_SHADING_KNOTS, _SHADING_KNOTS)).astype(np.float32)
    height, width = (_bicubic_weights(_SHADING_KNOTS, side) for side in image.shape[-2:])
    field = (height @ torch.from_numpy(knots) @ width.T).clamp(-1, 1)  # bicubic curves overshoot
    return image * (1 + field * (most * rng.uniform()))


def _coarsened(image: torch.Tensor, factor: float) -> torch.Tensor:
    """Average pixels, `factor` to a side, and enlarge the image to its size again."""
    size = image.shape[-2:]
    small = [max(1, round(side / factor)) for side in size]
    image = functional.interpolate(image[None], small, mode="bilinear", antialias=True)
    return functional.interpolate(image, size, mode="bilinear", align_corners=False)[0]


def _degraded(image: torch.Tensor, recipe: AugmentRecipe, rng: np.random.Generator) -> torch.Tensor:
    """Coarsen and sharpen as microscopes and their software do, the noise too."""
    if recipe.coarsen and rng.random() < 0.5:
        image = _coarsened(image, 1 + rng.uniform(0, recipe.coarsen))
    if recipe.sharpen and rng.random() < 0.5:
        fine = image - _blur(image, rng.uniform(*_SHARPENED))
        image = image + fine * rng.uniform(0, recipe.sharpen)
    return image


def jitter(image: torch.Tensor, recipe: AugmentRecipe, rng: np.random.Generator) -> torch.Tensor:
    """Change contrast, brightness, gamma, sharpness and noise of a normalised (C, Y, X) image.

    The target stays as it is: the objects are where they were. A change that is off draws
    nothing, so that a recipe gives the same crops when others become possible.
    """
    if recipe.invert and rng.random() < recipe.invert:
        image = 1 - image
    gamma = 2 ** rng.uniform(-2 * recipe.gamma, 2 * recipe.gamma)
    image = image.clamp(min=0) ** gamma + image.clamp(max=0)
    if recipe.curve:
        image = _curved(image, rng.uniform(-recipe.curve, recipe.curve))
    image = image * (1 + rng.uniform(-recipe.contrast, recipe.contrast))
    image = image + rng.uniform(-recipe.brightness, recipe.brightness)
    if recipe.shading:
        image = _shaded(image, recipe.shading, rng)
    sigma = rng.uniform(0, recipe.blur) if recipe.blur else 0.0
    if sigma > 0.3 and rng.random() < 0.5:
        image = _blur(image, sigma)
    if recipe.noise and rng.random() < 0.5:
        noise = rng.standard_normal(tuple(image.shape), dtype=np.float32)
        image = image + torch.from_numpy(noise) * rng.uniform(0, recipe.noise)
    return _degraded(image, recipe, rng)
