"""Images to measure in: their channels, and where they lie under the labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import shown
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.axes import PlaneReader, axes_from_labels
from napari_cytosynth.tasks.common.layers import Source, layer_geometry, read_source
from napari_cytosynth.tasks.common.provenance import KEY

from .alignment import Alignment, find_alignment

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["MeasuredImage", "channel_images", "labels_over", "layer_channel", "single_image"]

_COLOURS = ("red", "green", "blue", "alpha")


@dataclass(frozen=True, eq=False)
class MeasuredImage:
    """An image that is read on the grid of the labels.

    Attributes
    ----------
    names
        Of its channels; that of an only one may be empty.
    reader
        Of its own planes.
    alignment
        Where the labels' pixels lie in it. None (default): pixel on pixel.
    skipped
        Number of the labels' first axes that it has not; they have a length of 1. Default: 0.
    """

    names: tuple[str, ...]
    reader: PlaneReader
    alignment: Alignment | None = None
    skipped: int = 0

    def read(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return the plane (C, Y, X) that lies under a plane of the labels.

        Parameters
        ----------
        index
            Into the leading axes of the labels. Where the image does not reach, it is NaN.
        """
        index = index[self.skipped :]
        if self.alignment is None:
            return self.reader.read(index)
        return self.alignment.read(self.reader, index)


def channel_images(given: Any, labels: Source, axes: str) -> list[MeasuredImage]:
    """Return images of which all channels are measured.

    Parameters
    ----------
    given
        An image or a layer, perhaps with an axis of channels more than the labels have; a list of
        layers; or a dict of images or layers by their names. None: there are none.
    labels, axes
        The labels, and the letters of their axes.

    Raises
    ------
    InputError
        If one of them does not fit the labels, or two channels have the same name.
    """
    if given is None:
        return []
    named = _named(given)
    images = [_image(image, name, labels, axes) for name, image in named]
    names = [name for image in images for name in image.names]
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise InputError(
            f"Two channels to measure in are called “{shown(twice[0])}”: rename one of them."
        )
    return images


def single_image(given: Any, name: str, labels: Source, axes: str) -> MeasuredImage:
    """Return an image of one channel, called `name`, which must be there."""
    source = read_source(given, name)
    labels, axes, skipped = _with_as_many_axes(source, labels, axes)
    found = _place(source, PlaneReader(source.data, axes), (name,), labels, axes, name)
    return replace(found, skipped=skipped)


def labels_over(given: Any, name: str, labels: Source, axes: str) -> MeasuredImage:
    """Return other labels, which are looked up at the nearest pixel and never mixed."""
    source = read_source(given, name)
    if np.dtype(source.data.dtype).kind not in "iub":
        raise InputError(f"The {name} must be labels: whole numbers, 0 for the background.")
    found = single_image(source, name, labels, axes)
    if found.alignment is None:
        return found
    return replace(found, alignment=replace(found.alignment, nearest=True))


def _named(given: Any) -> list[tuple[str, Any]]:
    if isinstance(given, dict):
        return [(_tidy(str(name)), image) for name, image in given.items()]
    if isinstance(given, list | tuple) and given and all(hasattr(one, "scale") for one in given):
        if len(given) == 1:
            return [("", given[0])]
        return [(layer_channel(layer), layer) for layer in given]
    return [("", given)]


def layer_channel(layer: Any) -> str:
    """Return what the channel of a layer is called in the names of columns."""
    record = getattr(layer, "metadata", {}).get(KEY, {})
    if record.get("role") == "mean" and record.get("stain"):
        return _tidy(f"{record['stain']} virtual")
    return _tidy(str(layer.name))


def _tidy(name: str) -> str:
    return re.sub(r"\s+", "_", name.strip())


def _image(given: Any, name: str, labels: Source, axes: str) -> MeasuredImage:
    source = read_source(given, "intensity")
    labels, axes, skipped = _with_as_many_axes(source, labels, axes)
    found = _channels(source, name, labels, axes)
    return replace(found, skipped=skipped)


def _with_as_many_axes(source: Source, labels: Source, axes: str) -> tuple[Source, str, int]:
    """Return labels without first axes of length 1 that a layer has not, and how many these are.

    napari lines the axes of layers up from the last one.
    """
    spare = len(axes) - len(source.shape) + source.rgb
    if spare <= 0 or not source.geometry or set(labels.shape[:spare]) != {1} or len(axes) < 3:
        return labels, axes, 0
    keep = range(spare, len(axes))
    data = np.broadcast_to(np.int8(0), labels.shape[spare:])  # only its shape matters
    return Source(data, geometry=layer_geometry(labels.geometry, keep)), axes[spare:], spare


def _channels(source: Source, name: str, labels: Source, axes: str) -> MeasuredImage:
    own = _axes_with_channels(source, labels.shape, axes)
    if own is None:
        return _place(source, PlaneReader(source.data, axes), (name,), labels, axes, "intensity")
    count = source.data.shape[own.index("C")]
    kinds = _COLOURS if source.rgb else tuple(str(number) for number in range(1, count + 1))
    names = tuple(f"{name}_{kind}" if name else kind for kind in kinds[:count])
    names = names if count > 1 else (name,)
    reader = PlaneReader(source.data, own)
    return _place(source, reader, names, labels, axes, "intensity")


def _axes_with_channels(source: Source, shape: tuple[int, ...], axes: str) -> str | None:
    """Return the axes of an image that has channels; None if it has the labels' axes."""
    plain = axes.replace("C", "")
    own = tuple(source.data.shape)
    if source.rgb:
        return plain + "C" if len(own) == len(plain) + 1 else None
    if len(own) != len(plain) + 1:
        return None
    if "C" in axes:  # of length 1 in the labels
        return axes
    named = axes_from_labels(source.axis_labels)
    if named is not None and named.replace("C", "") == plain:
        return named
    fitting = [n for n in range(len(own)) if own[:n] + own[n + 1 :] == tuple(shape)]
    if len(fitting) != 1:
        return None
    return plain[: fitting[0]] + "C" + plain[fitting[0] :]


def _place(
    source: Source,
    reader: PlaneReader,
    names: tuple[str, ...],
    labels: Source,
    axes: str,
    kind: str,
) -> MeasuredImage:
    if np.dtype(source.data.dtype).kind not in "buif":
        raise InputError(
            f"The {kind} image holds {source.data.dtype} values; real numbers can be measured."
        )
    name = f"“{shown(source.name)}”" if source.name else f"The {kind} image"
    fits = len(reader.axes) == source.data.ndim
    alignment = find_alignment(labels, axes, source, reader.axes, name) if fits else None
    own = reader.spatial_shape if fits else tuple(source.data.shape)
    whole = tuple(n for n, axis in zip(labels.shape, axes, strict=True) if axis != "C")
    if alignment is None and own != whole:
        raise InputError(
            f"The {kind} image has the shape {tuple(source.data.shape)}, but the labels have "
            f"{tuple(labels.shape)}: choose an image of the same size."
        )
    return MeasuredImage(names, reader, alignment)
