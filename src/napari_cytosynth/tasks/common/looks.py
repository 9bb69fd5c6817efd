"""Looks of an image: a few numbers on its brightness and its structures, which need no model."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from napari_cytosynth.zoo.card import ModelCard, Normalisation

__all__ = [
    "LARGEST",
    "PERCENTILES",
    "PERCENTILE_LOOKS",
    "Kind",
    "guess_kind",
    "look_limits",
    "looks",
    "middle",
    "not_raw_light",
    "trained_on",
]

Kind = Literal["fluorescence", "phase contrast"]

PERCENTILES = (5.0, 25.0, 50.0, 75.0, 95.0)
"""Of the intensities between the darkest (0) and the brightest (1) of the image."""
PERCENTILE_LOOKS = tuple(map("p{:g}".format, PERCENTILES))
"""Their names among the looks."""
LARGEST = (1536, 1536)
"""Rows and columns: of a larger plane its middle is looked at."""

_BELOW_ZERO = 0.01  # a larger fraction of pixels below 0 is no noise of a camera's dark
_LOWEST, _HIGHEST = 1.0, 99.8  # percentiles that count as its darkest and its brightest
_SCALES = (1.0, 2.0, 4.0, 8.0)  # sigma in px of the bands that structures are sorted into
_FINE = (0.7, 1.4)  # sigma in px of the finest band above the noise
# of the looks, but size; of the others 0 to 1
_RANGES = {"asymmetry": (-1, 1), "fine_asymmetry": (-10, 10)}
_USUAL = (1.0, 99.0)  # percentiles of a number over the training images
_SLACK, _FEW = 0.1, 5.0  # beyond these, of their range: the more the fewer images there are
# least distance of limits: sections of one stack are all alike, and the next ones a little other;
# of size in octaves, since 30 % more or less is no other kind
_NARROWEST = {"size": 0.75, "asymmetry": 0.08, "fine_asymmetry": 0.3} | dict.fromkeys(
    PERCENTILE_LOOKS, 0.08
)
_LEAST = 0.01  # beyond them in any case: images that are all alike are no narrow kind


def looks(plane: Any) -> dict[str, float]:
    """Measure how brightness and structures are distributed in a plane.

    Parameters
    ----------
    plane
        (Y, X) real numbers. Offset and factor of the intensities do not matter.

    Returns
    -------
    dict
        ``p5``, ``p25`` … ``p95``: percentiles between the darkest and the brightest, in [0, 1].
        ``size``: of the structures in px, 1 to 8: the mean scale of the bands of differences of
        Gaussians, in octaves, weighted by their variance. ``asymmetry``: of the details, in
        [-1, 1]: positive where bright details stand out, negative where dark ones do.
        ``fine_asymmetry``: the cube root of the skewness of the finest details; in brightfield it
        changes its sign from one side of focus to the other.
        ``roughness``: the median gradient against the steepest per cent, 0 for objects on a smooth
        ground. ``noise``: the share of the contrast that is finer than a pixel or two. Empty if
        no two pixels differ.
    """
    seen = middle(np.asarray(plane))
    pixels = _scaled(seen)
    if pixels is None:
        return {}
    found = dict(zip(PERCENTILE_LOOKS, np.percentile(pixels, PERCENTILES), strict=True))
    blurred = [ndimage.gaussian_filter(pixels, sigma) for sigma in _SCALES]
    bands = [float((fine - coarse).var()) for fine, coarse in pairwise(blurred)]
    # the widest blur would take a third of all the time; of every fourth pixel it is the same
    last = blurred[-1][::4, ::4]
    wider = ndimage.gaussian_filter(last, np.sqrt(3) * _SCALES[-1] / 4)  # twice as wide in all
    energy = np.array([*bands, float((last - wider).var())])
    found["size"] = 2 ** (energy @ np.log2(_SCALES) / max(energy.sum(), 1e-12))
    dark, bright = np.percentile(blurred[0] - blurred[-1], [1.0, 99.0])
    found["asymmetry"] = (bright + dark) / max(bright - dark, 1e-12)
    found["fine_asymmetry"] = _fine_asymmetry(seen)
    slopes = np.hypot(*np.gradient(blurred[0])) if min(pixels.shape) > 1 else np.zeros(1)
    found["roughness"] = np.median(slopes) / max(np.percentile(slopes, 99), 1e-12)
    found["noise"] = (pixels - blurred[0]).std() / max(pixels.std(), 1e-12)
    return {name: float(value) for name, value in found.items()}


def _fine_asymmetry(plane: npt.NDArray[Any]) -> float:
    """Return the cube root of the skewness of the finest details; 0 without any.

    The extreme pixels, which are cut off elsewhere, are what tells.
    """
    values = np.where(np.isfinite(plane), plane, 0).astype(np.float64)
    sharp, less = (ndimage.gaussian_filter(values, sigma) for sigma in _FINE)
    details = sharp - less
    details -= details.mean()
    spread = float(details.std())
    least = 1e-9 * max(float(np.abs(values).max()), 1e-300)
    return float(np.cbrt((details * details * details).mean())) / spread if spread > least else 0.0


def middle(plane: npt.NDArray[Any], sides: tuple[int, int] = LARGEST) -> npt.NDArray[Any]:
    """Return the middle of a plane (…, Y, X), of at most so many rows and columns."""
    rows, columns = sides
    top, left = (max(0, own - side) // 2 for own, side in zip(plane.shape[-2:], sides, strict=True))
    return plane[..., top : top + rows, left : left + columns]


def _scaled(plane: npt.NDArray[Any]) -> npt.NDArray[np.float32] | None:
    """Return the pixels between 0 and 1; None without contrast. What is no number becomes 0."""
    known = np.isfinite(plane)
    values = plane[known].astype(np.float64)
    if not values.size:
        return None
    low, high = np.percentile(values, [_LOWEST, _HIGHEST])
    if not low < high:
        low, high = values.min(), values.max()
    if not low < high:
        return None
    scaled = np.zeros(plane.shape, np.float64)
    scaled[known] = (values - low) / (high - low)
    return np.clip(scaled, 0.0, 1.0).astype(np.float32)


def look_limits(images: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Return the limits that the looks of an image of the same kind rarely leave.

    Parameters
    ----------
    images
        Looks of the training images; those without any are passed over.

    Returns
    -------
    dict
        Name -> lowest and highest: the percentiles 1 and 99 over the images, and a tenth of
        their distance beyond, more where there are few images; of the size at least 0.75 octaves
        in all, of percentiles and asymmetry 0.08. Empty without images.
    """
    given = [image for image in images if image]
    if not given:
        return {}
    limits = {}
    slack = _SLACK + _FEW / len(given)
    for name in given[0]:
        values = np.array([image[name] for image in given])
        sizes = name == "size"  # in octaves
        low, high = np.percentile(np.log2(values) if sizes else values, _USUAL)
        beyond = max(slack * (high - low), _LEAST)
        beyond = max(beyond, (_NARROWEST.get(name, 0.0) - (high - low)) / 2)
        ends = (low - beyond, high + beyond)
        low, high = (2**end for end in ends) if sizes else np.clip(ends, *_RANGES.get(name, (0, 1)))
        limits[name] = (round(float(low), 4), round(float(high), 4))
    return limits


def guess_kind(plane: Any) -> Kind | None:
    """Guess the kind of microscopy of a plane (Y, X); None where it may be any, or a picture.

    Fluorescence: bright objects on a dark ground. Phase contrast: a smooth grey ground, and
    details both darker and brighter than it, the bright ones (halos) prevailing a little.
    """
    found = looks(plane)
    if not found:
        return None
    if found["p25"] <= 0.1 and found["p50"] <= 0.2:
        return "fluorescence"
    grey = 0.2 <= found["p50"] <= 0.5 and found["p75"] - found["p25"] <= 0.15
    halos = found["asymmetry"] >= 0.03 and found["p5"] >= 0.1
    return "phase contrast" if grey and halos and found["roughness"] <= 0.07 else None


def trained_on(card: ModelCard) -> Kind | None:
    """Return the kind of microscopy that a card names, by its modality or its tags."""
    words = " ".join([card.inference.modality, *card.tags]).lower().replace("-", " ")
    return next((kind for kind in get_args(Kind) if kind in words), None)


def not_raw_light(plane: npt.NDArray[Any], normalisation: Normalisation) -> str:
    """Return that a plane is no raw transmitted light, where a model needs that; else "".

    The contrast against the surroundings is a ratio to their light: where a background was
    subtracted these are near 0, and the ratio is anything.

    Parameters
    ----------
    plane
        (C, Y, X) real numbers, before scaling.
    normalisation
        Of the model's card.
    """
    if normalisation.kind != "local" or plane.dtype.kind not in "if":
        return ""
    if np.mean(plane < 0) <= _BELOW_ZERO:
        return ""
    return (
        "The image has intensities below 0, as after a background was subtracted. The model takes "
        "the contrast of raw light against its surroundings: give it the raw image."
    )
