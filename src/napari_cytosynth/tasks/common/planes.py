"""The planes of an input image, validated against a model's card, and a run over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_flag, check_wholes
from napari_cytosynth.errors import InputError, not_finite
from napari_cytosynth.memory import require_memory

from .axes import PlaneReader, axes_from_labels, doubt_about, guess_axes, parse_axes
from .focal_reader import FocalPlaneReader, takes_from_z
from .layers import Source, voxel_size
from .looks import not_raw_light
from .resample import check_scale, model_shape, pixel_size_hint, resampled_shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ModelCard, Normalisation
    from napari_cytosynth.zoo.loading import Model

__all__ = [
    "PlaneRun",
    "engine_record",
    "is_constant",
    "looks_like_colour",
    "make_reader",
]


def make_reader(
    source: Source,
    card: ModelCard,
    axes: str | None,
    channels: Sequence[int] | None,
    *,
    from_z: bool = False,
) -> PlaneReader:
    """Return a reader of the planes and channels that a model takes from an image.

    Parameters
    ----------
    source
        The image.
    card
        Card of the model.
    axes, channels
        As in the public functions. None guesses the axes and takes all channels.
    from_z
        The focal planes of the model were chosen along Z. Default: False; they come from Z
        where a model of focal planes gets a stack, unless channels are given for all of them.

    Raises
    ------
    InputError
        If the image cannot be used; the message names a remedy.
    """
    data, wanted = source.data, card.inference.input_channels
    if np.dtype(data.dtype).kind not in "buif":
        raise InputError(
            f"The image holds {data.dtype} values; the model needs real numbers (an intensity "
            "for each pixel)."
        )
    if data.ndim < 2:
        raise InputError("An image needs at least two axes: rows (Y) and columns (X).")
    if 0 in data.shape:
        shape = " × ".join(map(str, data.shape))
        raise InputError(f"The image is empty ({shape} pixels): there is nothing to work on.")
    if channels is None and len(wanted) == 1 and _is_colour(source, axes):
        raise InputError(
            "This is a colour (RGB) image, and the model sees only one of its colours. Choose it: "
            "“channel” in the widget, channels=(0,) and axes='YXC' in Python, --channels 0 on the "
            "command line (0 is red, 1 green, 2 blue). Or convert the image to grey."
        )
    doubt = ""
    if axes is None:
        axes, doubt = _guessed(source, len(wanted))
    axes, messages = parse_axes(axes, data.ndim), (doubt,) if doubt else ()
    if from_z or takes_from_z(card, axes, data.shape, channels):
        return _focal_reader(source, card, axes, channels, messages)
    picked = _channels(data.shape, axes, card, wanted, channels)
    return PlaneReader(data, axes, picked, messages)


def _focal_reader(
    source: Source,
    card: ModelCard,
    axes: str,
    channels: Sequence[int] | None,
    messages: tuple[str, ...],
) -> FocalPlaneReader:
    inference, data = card.inference, source.data
    if inference.focal_planes is None:
        raise InputError(
            f"The model “{card.name}” takes one focal plane at a time, and stains each plane of a "
            "stack: leave focal_planes out, or choose a plane with planes."
        )
    count = len(inference.focal_planes.contrast)
    depth = data.shape[axes.index("Z")] if "Z" in axes else 0
    if depth < count:
        raise InputError(
            f"The model takes {count} focal planes ({', '.join(inference.focal_plane_names)}), "
            f"but the image with the axes {axes} has {depth or 'no'} planes along Z."
        )
    wanted = inference.input_channels[: inference.channels_of_a_plane]
    picked = _channels(data.shape, axes, card, wanted, channels)
    return FocalPlaneReader(data, axes, picked, messages, count)


def _guessed(source: Source, channels: int) -> tuple[str, str]:
    """Return the likely axes of an image, and a sentence where they may be others."""
    shape, colour = source.data.shape, _is_colour(source)
    axes = guess_axes(len(shape), source.axis_labels, rgb=colour, channels=channels, shape=shape)
    named = len(source.axis_labels) == len(shape) and axes_from_labels(source.axis_labels)
    return axes, "" if named else doubt_about(axes, shape)


def _is_colour(source: Source, axes: str | None = None) -> bool:
    """Return whether it is an RGB layer, or an array of a colour picture's shape."""
    as_picture = axes is None or (isinstance(axes, str) and axes.upper() == "YXC")
    return source.rgb or (source.name is None and as_picture and looks_like_colour(source.data))


def looks_like_colour(array: Any) -> bool:
    """Return whether an array has the shape of a colour picture (Y, X, 3 or 4)."""
    shape = array.shape
    # planes of 3 px are no images either; napari draws the line at this size, too
    side = 5 if array.dtype == np.uint8 else 30
    return len(shape) == 3 and shape[-1] in (3, 4) and min(shape[:2]) >= side


def _channels(
    shape: tuple[int, ...],
    axes: str,
    card: ModelCard,
    wanted: list[str],
    chosen: Sequence[int] | None,
) -> tuple[int, ...] | None:
    there = shape[axes.index("C")] if "C" in axes else 1
    picked = None if chosen is None else check_wholes(chosen, "channels")
    if picked is not None and ("C" not in axes or any(not 0 <= c < there for c in picked)):
        raise InputError(
            f"There is no channel {list(picked)}: the image with the axes {axes} has {there} "
            f"channel{'s' * (there != 1)}, counted from 0."
        )
    count = there if picked is None else len(picked)
    if count != len(wanted):
        example = tuple(range(len(wanted)))
        hint = (
            f"Choose {len(wanted)} of them (in Python: channels={example}; on the command line: "
            f"--channels {' '.join(map(str, example))})."
            if count > len(wanted)
            else "Name the channel axis with C in the axes, for example axes='CYX'."
        )
        if card.inference.focal_planes is not None and "Z" not in axes:
            hint = "They are focal planes: give a stack whose axes have Z. " + hint
        raise InputError(
            f"The model needs {len(wanted)} channel{'s' * (len(wanted) != 1)} "
            f"({', '.join(wanted)}), but the image with the axes {axes} has {count}. {hint}"
        )
    return picked


@dataclass(eq=False)
class PlaneRun:
    """One run of a model over the planes of an image.

    Attributes
    ----------
    source, reader, model
        The image, the reader of its planes, and the model that runs on them.
    pixel_size
        Along Y and X in µm, or None if unknown.
    planes
        Index of the only plane to run on, or None for all.
    messages
        Warnings and notes for the user. Default: none.
    shape
        Rows and columns of a plane as the model sees it; None (default) without resampling.
    factors
        Factors along Y and X that the image is resampled by. Default: (1.0, 1.0).
    z_size
        Distance of planes along Z in µm; None (default) if unknown.
    axes
        Letters of the axes of one channel of the result.
    position
        `planes`, validated; () for all.
    indices
        Indices of the planes to run on, into the leading axes of the image.
    """

    source: Source
    reader: PlaneReader
    model: Model
    pixel_size: tuple[float, ...] | None
    planes: tuple[int, ...] | None
    messages: list[str] = field(default_factory=list)
    shape: tuple[int, int] | None = None
    factors: tuple[float, float] = (1.0, 1.0)
    z_size: float | None = None

    def __post_init__(self) -> None:
        self.add_messages(*self.reader.messages)
        self.position: tuple[int, ...] = ()
        if self.planes is None:
            self.axes = self.reader.spatial_axes
            self.indices = list(self.reader.indices())
        else:
            self.axes = "YX"
            self.position = self.checked_index(self.planes)
            self.indices = [self.position]

    def checked_index(self, planes: tuple[int, ...]) -> tuple[int, ...]:
        """Return a valid index into the axes that count planes, else raise InputError."""
        position = check_wholes(planes, "planes", "(0,) or (3, 1)")
        shape = self.reader.leading_shape
        if len(position) != len(shape) or any(
            not 0 <= index < size for index, size in zip(position, shape, strict=True)
        ):
            raise InputError(
                f"There is no plane {position}: the image has {shape} planes along its axes "
                f"“{self.reader.leading_axes}”."
            )
        return position

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """Shape of one channel of the result."""
        return self.reader.spatial_shape if self.planes is None else self.reader.plane_shape

    def place(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the index of a plane in the result: () if it is the only one."""
        return index if self.planes is None else ()

    def set_resampling(self, resample: bool, factor: float | None = None) -> None:
        """Warn of a pixel size that is not the model's; with `resample`, plan to resample.

        Parameters
        ----------
        resample
            Resample the image to the model's pixel size, where it differs.
        factor
            Resample by this factor instead, whatever the pixel size; None (default) does not.
        """
        resample = check_flag(resample, "resample")
        if factor is not None:
            self._resample_by((factor, factor))
            return
        wanted = self.model.card.inference.pixel_size_um
        shape = model_shape(self.reader.plane_shape, self.pixel_size, wanted)
        if shape is not None and self.pixel_size is not None and wanted is not None:
            self.messages.append(pixel_size_hint(self.pixel_size, wanted, resampled=resample))
            if resample:
                check_scale(self.pixel_size, wanted, self.model.card.name)
                self._resample_by((self.pixel_size[0] / wanted, self.pixel_size[1] / wanted))

    def _resample_by(self, factors: tuple[float, float]) -> None:
        shape = resampled_shape(self.reader.plane_shape, factors)
        if shape != self.reader.plane_shape:
            self.shape, self.factors = shape, factors

    def require_memory(self, arrays: float, channels: int) -> None:
        """Refuse a run that will need more memory than is free, before any work.

        Parameters
        ----------
        arrays
            Bytes of all arrays of the result.
        channels
            Number of channels of the network's output.
        """
        inputs = len(self.model.card.inference.input_channels)
        rows, columns = self.reader.plane_shape
        itemsize = int(np.dtype(self.reader.data.dtype).itemsize)
        working = rows * columns * inputs * (itemsize + 4)  # a plane as read, and scaled
        if self.shape is not None:
            # resampled with a smoothed copy, the result at that size, and brought back
            working += self.shape[0] * self.shape[1] * 4 * (3 * inputs + 2 * channels)
            working += rows * columns * 4 * 2 * channels
        working += int(48 * self._normalisation().sigma)  # weights of the smoothing
        text = f"This image of {' × '.join(map(str, self.reader.data.shape))} pixels"
        if self.shape is not None:
            text += f", resampled to planes of {self.shape[0]} × {self.shape[1]} pixels,"
        remedy = "Choose a single plane (planes=…), crop the image, or keep fewer samples."
        require_memory(arrays + working, text, remedy)

    def iter_planes(
        self, tick: Progress
    ) -> Iterator[tuple[tuple[int, ...], npt.NDArray[Any], Progress]]:
        """Yield the index and pixels (C, Y, X) of each plane, and its own progress callable."""
        total = len(self.indices)
        for number, index in enumerate(self.indices):

            def report(done: int, tiles: int, message: str, /, number: int = number) -> None:
                text = f"plane {number + 1} of {total}" if total > 1 else message
                tick(number * tiles + done, total * tiles, text)

            plane = self.reader.read(index)
            self._check_finite(plane)
            self.add_messages(*filter(None, [not_raw_light(plane, self._normalisation())]))
            yield index, plane, report

    def normalised(self, plane: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Normalise a whole plane (C, Y, X) by the card's settings, on the image's own grid."""
        from napari_cytosynth.inference.normalise import normalise

        return normalise(plane, self._normalisation())

    def _normalisation(self) -> Normalisation:
        """Return the card's settings, with sigma in the image's pixels."""
        normalisation: Normalisation = self.model.card.inference.normalisation
        if self.shape is None:
            return normalisation
        # sigma is in the model's pixels, not in the image's
        sigma = normalisation.sigma / float(np.sqrt(np.prod(self.factors)))
        return normalisation.model_copy(update={"sigma": sigma})

    def check_result(self, values: npt.NDArray[np.floating]) -> None:
        """Raise ModelError if the network gave NaN or infinite values."""
        if not np.isfinite(values).all():
            raise not_finite(self.model.card.name)

    def _check_finite(self, plane: npt.NDArray[Any]) -> None:
        if plane.dtype.kind != "f":
            return
        # row by row: a memory map is not to be read as a whole
        for rows in range(0, plane.shape[1], 1024):
            if not np.isfinite(plane[:, rows : rows + 1024]).all():
                self.add_messages("The image has NaN or infinite pixels; they were taken as 0.")
                return

    def add_messages(self, *messages: str) -> None:
        """Append messages for the user, each only once."""
        self.messages += [text for text in messages if text not in self.messages]

    def common_parameters(
        self, channels: Sequence[int] | None, resample: bool, device: str, precision: str
    ) -> dict[str, Any]:
        """Return the arguments that all tasks share, for the record."""
        size = voxel_size(self.pixel_size, self.z_size)
        return {
            "axes": self.reader.axes,
            "channels": None if channels is None else list(self.reader.channels or ()),
            # the one in use: a script that reads the layer's file would not know it
            "pixel_size": None if size is None else list(size),
            "resample": bool(resample),
            "planes": None if self.planes is None else self.position,
            "device": device,
            "precision": precision,
        }

    def placement_arguments(self) -> dict[str, Any]:
        """Return the arguments of a result's class that place it where its source lies."""
        return {
            "pixel_size": self.pixel_size,
            "z_size": self.z_size,
            "source": self.source,
            "source_axes": self.reader.axes,
            "position": None if self.planes is None else self.position,
            "channel": (self.reader.channels or (0,))[0],
            "messages": self.messages,
        }


def engine_record(runner: Any) -> dict[str, Any]:
    """Return the device, number format and tile size that were used, for the record."""
    return {
        "device": str(runner.device),
        "precision": str(runner.precision),
        "tile_size": int(runner.tile_size),
    }


def is_constant(plane: npt.NDArray[Any]) -> bool:
    """Return whether no channel of a plane (C, Y, X) has two different finite values."""
    for channel in plane:
        values = channel[np.isfinite(channel)] if channel.dtype.kind == "f" else channel
        if values.size and values.min() != values.max():
            return False
    return True
