"""Images with their stains, on one grid: read from arrays, or from layers where these lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import layer_geometry, physical_pixel_size, read_source
from napari_cytosynth.tasks.common.resample import at_magnification, check_scale, model_shape
from napari_cytosynth.tasks.stain.overlap import onto_grid
from napari_cytosynth.training.data.wording import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.tasks.common.layers import Source
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["LEAST_SIDE", "StainedPlane", "read_stained"]

LEAST_SIDE = 32
"""Least side, in px, of a plane that can be learned from, or held out."""
_WRONG = (
    "The argument “pairs” should be a list of (image, stains), where stains are a dictionary of "
    "the name and the image of each stain."
)


@dataclass(frozen=True, eq=False)
class StainedPlane:
    """One plane of an image with its stains, pixel by pixel.

    Attributes
    ----------
    source
        Name of the image.
    image
        (K, Y, X), a copy.
    stains
        (C, Y, X) float32.
    names
        Names of the stains, in the order of the model.
    notes
        How they came onto one grid, in words. Default: as they were.
    step
        Rows and columns of the image in one pixel of the plane. Default: 1.
    """

    source: str
    image: NDArray[Any]
    stains: NDArray[np.float32]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    step: tuple[float, float] = (1.0, 1.0)


def read_stained(pairs: Sequence[Any], card: ModelCard) -> list[StainedPlane]:
    """Copy the planes of images and stains to one grid.

    Parameters
    ----------
    pairs
        (image, stains). An image is (…, Y, X), of a model of K channels or focal planes
        (…, K, Y, X), or a list of K of them. Stains are a dictionary: name, as of the model, ->
        image (…, Y, X); for a model of a single stain, the image alone. Layers are taken where
        they lie in the world, arrays pixel by pixel.
    card
        Card of the model that is to learn them.

    Raises
    ------
    InputError
        If an image or a stain cannot be used.
    """
    try:
        found = [tuple(pair) for pair in pairs if not hasattr(pair, "dtype")]
    except TypeError as error:
        raise InputError(_WRONG) from error
    if not found or any(len(pair) != 2 for pair in found) or len(found) != len(pairs):
        raise InputError(_WRONG)
    planes = [
        plane
        for number, (image, stains) in enumerate(found, 1)
        for plane in _planes_of(image, stains, card, f"image {number}")
    ]
    if not planes:
        raise InputError("No plane has all of its stains: they should overlap and hold numbers.")
    if len({plane.names for plane in planes}) > 1:
        raise InputError("Give the same stains for every image: what is missing is not learned.")
    for index, stain in enumerate(planes[0].names):
        if all(np.ptp(plane.stains[index]) == 0 for plane in planes):
            raise InputError(f"The stain “{stain}” has the same value everywhere.")
    return planes


def _planes_of(image: Any, stains: Any, card: ModelCard, name: str) -> Iterator[StainedPlane]:
    channels = _channels(image, len(card.inference.input_channels), name)
    name = channels[0].name or name
    sources = _named(stains, card)
    shape = channels[0].shape
    notes: list[str] = []
    stained = [_on_image(source, key, channels[0], name, notes) for key, source in sources.items()]
    for place in np.ndindex(shape[:-2]):
        planes = np.stack([np.asarray(channel.data[place]) for channel in channels])
        found = np.stack([stain[place] for stain in stained])
        if not np.isfinite(found).all(0).any():
            continue  # a plane of a stack that was not stained
        yield _plane(planes, found, tuple(sources), channels[0], card, name, tuple(notes))


def _channels(image: Any, count: int, name: str) -> list[Source]:
    """Return the channels of an image, each (…, Y, X)."""
    if isinstance(image, list | tuple):
        found = [read_source(each, name) for each in image]
    elif count == 1:
        found = [read_source(image, name)]
    else:
        found = _split(read_source(image, name), count)
    wrong = [s for s in found if s.rgb or len(s.shape) < 2 or s.data.dtype.kind not in "buif"]
    if len(found) != count or wrong or len({source.shape for source in found}) > 1:
        each = "grey images (…, Y, X)" if count == 1 else f"{count} channels (…, {count}, Y, X)"
        raise InputError(f"“{found[0].name or name}” is not what the model takes: {each}.")
    return found


def _split(source: Source, count: int) -> list[Source]:
    if len(source.shape) < 3 or source.shape[-3] != count:
        return [source]
    ndim = len(source.shape)
    geometry = layer_geometry(source.geometry, [*range(ndim - 3), ndim - 2, ndim - 1])
    return [
        type(source)(source.data[..., k, :, :], source.name, geometry=geometry)
        for k in range(count)
    ]


def _named(stains: Any, card: ModelCard) -> dict[str, Source]:
    """Return the stains that were given, by name and in the model's order."""
    names = card.inference.output_channels
    if not isinstance(stains, Mapping):
        if len(names) > 1:
            raise InputError(
                f"Name the stains, for “{card.name}” makes several: a dictionary of "
                f"{named(names)}, or some of them."
            )
        stains = {names[0]: stains}
    given = {str(name): stain for name, stain in stains.items() if stain is not None}
    if unknown := [name for name in given if name not in names]:
        raise InputError(
            f"“{unknown[0]}” is no stain of “{card.name}”, which makes {named(names)}: a new one "
            "needs a training from a recipe."
        )
    if not given:
        raise InputError(f"Give at least one stain of “{card.name}”: {named(names)}.")
    return {name: read_source(given[name], name) for name in names if name in given}


def _on_image(
    stain: Source, name: str, image: Source, image_name: str, notes: list[str]
) -> NDArray[np.float32]:
    """Return a stain on the grid of its image, NaN where it does not lie."""
    if stain.data.dtype.kind not in "buif":
        raise InputError(f"The stain “{name}” holds {stain.data.dtype} values, not intensities.")
    try:
        found = onto_grid(stain, image.shape, image.geometry)
    except InputError as error:
        text = str(error).replace("the virtual stain", f"“{image_name}”")
        raise InputError(text.replace("The real image", f"The stain “{name}”")) from error
    if found.note:
        note = found.note.replace("the virtual stain", f"“{image_name}”").replace(
            "the real image", f"“{name}”"
        )
        notes.append(f"{name}: {note[:1].lower()}{note[1:]}")
    return found.pixels.astype(np.float32)


def _plane(
    image: NDArray[Any],
    stains: NDArray[np.float32],
    names: tuple[str, ...],
    source: Source,
    card: ModelCard,
    name: str,
    notes: tuple[str, ...],
) -> StainedPlane:
    """Return a plane cut to where everything lies, at a scale that the model knows."""
    box = _common(np.logical_and.reduce(np.isfinite(stains)))
    image, stains = np.array(image[:, *box]), stains[:, *box]
    if min(image.shape[1:]) < LEAST_SIDE:
        raise InputError(
            f"“{name}” and its stains have too little in common: they should overlap on "
            f"{LEAST_SIDE} px at least, and hold numbers there."
        )
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise InputError(
            f"“{name}” has pixels without a number (NaN or infinite): replace them, for example by "
            "numpy.nan_to_num."
        )
    shape, step = _known_scale(image.shape[1:], source, card), (1.0, 1.0)
    if shape is not None:
        notes = (*notes, f"resampled to {card.inference.pixel_size_um:.3g} µm per pixel")
        step = image.shape[1] / shape[0], image.shape[2] / shape[1]
        image, stains = at_magnification(image, shape), at_magnification(stains, shape)
    if image.dtype == bool:
        image = image.astype(np.uint8)
    return StainedPlane(name, image, stains, names, notes, step)


def _known_scale(shape: tuple[int, ...], source: Source, card: ModelCard) -> tuple[int, int] | None:
    axes = [len(source.shape) - 2, len(source.shape) - 1]
    size = physical_pixel_size(source.geometry, axes) if source.geometry else None
    wanted = card.inference.pixel_size_um
    if size is not None and wanted is not None:
        check_scale(size, wanted, card.name)
    return model_shape((shape[0], shape[1]), size, wanted)


def _common(finite: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return rows and columns of a window in which everything is finite, cut from outside."""
    top, bottom, left, right = 0, finite.shape[0], 0, finite.shape[1]
    while top < bottom and left < right:
        part = finite[top:bottom, left:right]
        if part.all():
            break
        holes = ~part
        sides = [holes[0].mean(), holes[-1].mean(), holes[:, 0].mean(), holes[:, -1].mean()]
        worst = int(np.argmax(sides))
        if not sides[worst]:  # a hole in the middle
            return slice(0, 0), slice(0, 0)
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    return slice(top, bottom), slice(left, right)
