"""Check of a layer against a model's card: values in, sentences out, no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .snapshot import finest

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cytosynth.zoo.card import ModelCard

    from .snapshot import LayerSnapshot

__all__ = ["check_layer", "read_plane"]

_ONE_COLOUR = "This is a colour (RGB) image; the model sees only one of its colours."


def read_plane(
    image: LayerSnapshot, axes: str, channels: tuple[int, ...] | None, plane: tuple[int, ...]
) -> Any:
    """Read one plane (C, Y, X) of a layer.

    Parameters
    ----------
    image, axes, channels, plane
        How the layer is read, and the index of the plane into the axes that count planes.
    """
    from napari_cytosynth.tasks.common.axes import PlaneReader

    return PlaneReader(finest(image), axes, channels).read(plane)


def check_layer(
    image: LayerSnapshot,
    card: ModelCard,
    axes: str,
    channels: tuple[int, ...] | None,
    plane: tuple[int, ...],
    pixel_size: tuple[float, ...] | None,
    resampled: bool,
    check_image: Callable[..., list[str]] | None,
    focal_planes: tuple[int, ...] | None = None,
) -> list[str]:
    """Return warnings where the plane in view is unlike the model's training images.

    Parameters
    ----------
    image, axes, channels, plane, pixel_size
        How the layer will be read, and the index of the plane to check.
    card
        Card of the model.
    resampled
        Whether the image will be resampled to the model's pixel size before the run.
    check_image
        Function that checks a plane. None:
        :func:`napari_cytosynth.tasks.common.input_check.check_image`.
    focal_planes
        Planes along Z that the model takes together as its channels. Default: None, the plane.
    """
    from napari_cytosynth.tasks.common.resample import model_shape, to_shape

    if not axes:
        return []
    if check_image is None:
        from napari_cytosynth.tasks.common import input_check as real

        check_image = real.check_image
    colour = image.rgb and len(card.inference.input_channels) == 1
    if colour and channels is None:
        return []  # until one is chosen there is nothing to look at, and Run says so
    pixels = _read_planes(image, axes, channels, plane, focal_planes)
    wanted = card.inference.pixel_size_um
    shape = model_shape(pixels.shape[1:], pixel_size, wanted) if resampled else None
    if shape is not None:
        assert wanted is not None
        pixels, pixel_size = to_shape(pixels, shape), (wanted, wanted)
    return [_ONE_COLOUR] * colour + check_image(pixels, card, pixel_size)


def _read_planes(
    image: LayerSnapshot,
    axes: str,
    channels: tuple[int, ...] | None,
    plane: tuple[int, ...],
    along_z: tuple[int, ...] | None,
) -> Any:
    """Read a plane, or those at some places along Z behind each other."""
    import numpy as np

    if along_z is None:
        return read_plane(image, axes, channels, plane)
    at = [axis for axis in axes if axis not in "CYX"].index("Z")
    places = [(*plane[:at], z, *plane[at + 1 :]) for z in along_z]
    return np.concatenate([read_plane(image, axes, channels, place) for place in places])
