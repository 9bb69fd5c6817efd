"""Segment an image: an array or layer in, a :class:`Segmentation` out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.axes import PlaneReader, guess_axes, parse_axes, plane_slices
from napari_cytosynth.tasks.instances import LabelOptions
from napari_cytosynth.tasks.layers import Source, physical_pixel_size, read_source
from napari_cytosynth.tasks.measure import resolve_pixel_size
from napari_cytosynth.tasks.provenance import record
from napari_cytosynth.tasks.resample import back_to, model_shape, pixel_size_hint, to_shape
from napari_cytosynth.tasks.segmentation import Segmentation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_cytosynth.inference.engine import Predictor
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.loading import Model

__all__ = ["Segmentation", "segment"]

_DEFAULT_THRESHOLD = 0.5


def segment(
    image: Any,
    model: str | Path | Model = "em-mitochondria-unet",
    *,
    threshold: float | None = None,
    min_size: int = 0,
    fill_holes: bool = False,
    split_touching: bool = False,
    drop_border: bool = False,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    resample: bool = False,
    planes: tuple[int, ...] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    out: Any = None,
    progress: Progress | None = None,
) -> Segmentation:
    """Find objects in an image with a trained network.

    Parameters
    ----------
    image
        numpy, dask or zarr array or napari layer, of bool, integers or real numbers. Dask
        and zarr are read one plane at a time. NaN and infinite pixels count as 0 after
        scaling, with a message.
    model
        Whatever :func:`~napari_cytosynth.zoo.loading.load_model` takes.
    threshold
        In [0, 1]; None takes the model's own.
    min_size, fill_holes, split_touching, drop_border
        See :class:`~napari_cytosynth.tasks.instances.LabelOptions`.
    axes
        One letter for each axis, for example ``"TCYX"``: Y and X span a plane, C holds
        channels, all others count planes. None takes a layer's ``axis_labels`` if they are
        real names, and guesses otherwise.
    channels
        Indices into the axis C of the channels that the model is to see; None for all.
    pixel_size
        In µm, one number or those of Y and X; None takes the layer's.
    resample
        Bring the image to the model's pixel size first where both are known and differ by
        more than 1.5 times. The result has the image's own grid.
    planes
        Index into the axes that count planes: run on this plane only; the result is (Y, X).
    device, precision, tile_size
        See :class:`~napari_cytosynth.inference.engine.Predictor`.
    out
        float32 array (zarr, memmap …) of the result's shape that the probability is
        written into, tile by tile; None allocates it.
    progress
        Called between tiles; None shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run there.

    Returns
    -------
    Segmentation

    Raises
    ------
    InputError
        If the image, its axes or a parameter cannot be used.
    ModelError
        If the model cannot be loaded or is for another task.
    Cancelled
        From `progress`.
    """
    from napari_cytosynth.zoo.loading import load_model

    tick = resolve_progress(progress)
    source = read_source(image)
    loaded = load_model(model, device, progress=progress)
    card = loaded.card
    if card.inference.task != "segment":
        raise InputError(
            f"The model “{card.name}” does not segment: it is made to {card.inference.task}."
        )
    options = LabelOptions(
        _threshold(card) if threshold is None else float(threshold),
        int(min_size),
        bool(fill_holes),
        bool(split_touching),
        bool(drop_border),
    )
    reader = _reader(source, card, axes, channels)
    run = _Run(source, reader, loaded, options, _size(source, reader, pixel_size), planes)
    run.resample_if_asked(resample)
    run.make_predictor(device if device != "auto" else loaded.device, precision, tile_size)
    run.allocate(out)
    run.execute(tick)
    given = {
        "axes": reader.axes,
        "channels": None if channels is None else list(reader.channels or ()),
        # the one in use: a script that reads the layer's file would not know it
        "pixel_size": None if run.pixel_size is None else list(run.pixel_size),
        "resample": bool(resample),
        "planes": None if planes is None else run.position,
        "device": device,
        "precision": precision,
    }
    return run.result(given)


def _threshold(card: ModelCard) -> float:
    own = card.inference.threshold
    return _DEFAULT_THRESHOLD if own is None else own


def _reader(
    source: Source, card: ModelCard, axes: str | None, channels: Sequence[int] | None
) -> PlaneReader:
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
        raise InputError(f"The image is empty ({shape} pixels): there is nothing to segment.")
    if axes is None and channels is None and len(wanted) == 1 and _is_colour(source):
        raise InputError(
            "This is a colour (RGB) image, and the model expects one grey channel. Convert it "
            "first (in napari: right-click the layer, “Split RGB”, and choose one channel; in "
            "Python: skimage.color.rgb2gray), or pick a channel with axes='YXC' and channels."
        )
    if axes is None:
        axes = guess_axes(
            data.ndim,
            source.axis_labels,
            rgb=_is_colour(source),
            channels=len(wanted),
            shape=data.shape,
        )
    axes = parse_axes(axes, data.ndim)
    return PlaneReader(data, axes, _channels(data.shape, axes, wanted, channels))


def _is_colour(source: Source) -> bool:
    """RGB layers, and plain arrays that can hardly be anything else."""
    shape = source.data.shape
    plain = source.name is None and source.data.dtype == np.uint8 and len(shape) == 3
    return source.rgb or (plain and shape[-1] in (3, 4) and min(shape[:2]) > 4)


def _channels(
    shape: tuple[int, ...], axes: str, wanted: list[str], chosen: Sequence[int] | None
) -> tuple[int, ...] | None:
    there = shape[axes.index("C")] if "C" in axes else 1
    picked = tuple(int(channel) for channel in chosen) if chosen is not None else None
    if picked is not None and ("C" not in axes or any(not 0 <= c < there for c in picked)):
        raise InputError(
            f"There is no channel {list(picked)}: the image with the axes {axes} has {there} "
            f"channel{'s' * (there != 1)}, counted from 0."
        )
    count = there if picked is None else len(picked)
    if count != len(wanted):
        hint = (
            f"Choose {len(wanted)} of them with channels=…, for example channels=(0,)."
            if count > len(wanted)
            else "Name the channel axis with C in the axes, for example axes='CYX'."
        )
        raise InputError(
            f"The model needs {len(wanted)} channel{'s' * (len(wanted) != 1)} "
            f"({', '.join(wanted)}), but the image with the axes {axes} has {count}. {hint}"
        )
    return picked


def _size(
    source: Source, reader: PlaneReader, pixel_size: float | Sequence[float] | None
) -> tuple[float, ...] | None:
    given = resolve_pixel_size(pixel_size)
    where = [reader.axes.index("Y"), reader.axes.index("X")]
    return given or physical_pixel_size(source.geometry, where)


@dataclass(eq=False)
class _Run:
    """One run of a model over the planes of an image."""

    source: Source
    reader: PlaneReader
    model: Model
    options: LabelOptions
    pixel_size: tuple[float, ...] | None
    planes: tuple[int, ...] | None
    messages: list[str] = field(default_factory=list)
    shape: tuple[int, int] | None = None  # of a resampled plane

    def __post_init__(self) -> None:
        single = self.planes is not None
        self.axes = "YX" if single else self.reader.spatial_axes
        self.position = self._check_planes() if single else ()
        self.indices = [self.position] if single else list(self.reader.indices())
        names = self.model.card.inference.output_channels
        wanted = self.model.card.inference.object_channel
        self.object_channel = 0 if wanted is None else names.index(wanted)
        splitting = self.model.card.inference.splitting
        self.seed_channel = None if splitting is None else names.index(splitting.channel)

    def _check_planes(self) -> tuple[int, ...]:
        position = tuple(int(index) for index in self.planes or ())
        shape = self.reader.leading_shape
        if len(position) != len(shape) or any(
            not 0 <= index < size for index, size in zip(position, shape, strict=True)
        ):
            raise InputError(
                f"There is no plane {position}: the image has {shape} planes along its axes "
                f"“{self.reader.leading_axes}”."
            )
        return position

    def resample_if_asked(self, resample: bool) -> None:
        wanted = self.model.card.inference.pixel_size_um
        shape = model_shape(self.reader.plane_shape, self.pixel_size, wanted)
        if shape is not None and self.pixel_size is not None and wanted is not None:
            self.messages.append(pixel_size_hint(self.pixel_size, wanted, resampled=resample))
            self.shape = shape if resample else None

    def make_predictor(self, device: str, precision: str, tile_size: int | None) -> None:
        from napari_cytosynth.inference.engine import Predictor

        self.predictor: Predictor = Predictor(
            self.model.network,
            len(self.model.card.inference.input_channels),
            device=device,
            precision=precision,
            tile_size=tile_size,
        )

    def allocate(self, out: Any) -> None:
        whole = self.reader.plane_shape if self.planes is not None else self.reader.spatial_shape
        if out is None:
            out = np.zeros(whole, np.float32)
        elif tuple(out.shape) != whole or np.dtype(out.dtype) != np.float32:
            raise InputError(
                f"The output array must be float32 of shape {whole}, not {out.dtype} of "
                f"{tuple(out.shape)}."
            )
        self.probability = out
        self.extra: dict[str, npt.NDArray[np.float32]] = {}
        if self.seed_channel is not None:
            name = self.model.card.inference.output_channels[self.seed_channel]
            self.extra[name] = np.zeros(whole, np.float32)

    def execute(self, tick: Progress) -> None:
        total = len(self.indices)
        for number, index in enumerate(self.indices):

            def report(done: int, tiles: int, message: str, /, number: int = number) -> None:
                text = f"plane {number + 1} of {total}" if total > 1 else message
                tick(number * tiles + done, total * tiles, text)

            plane = self.reader.read(index)
            self._look_at(plane)
            self._predict(plane, self._target(index), report)
        self.messages += [text for text in self.predictor.messages if text not in self.messages]

    def _target(self, index: tuple[int, ...]) -> _ChannelSplit:
        arrays = {self.object_channel: self.probability}
        if self.seed_channel is not None and self.seed_channel != self.object_channel:
            arrays[self.seed_channel] = next(iter(self.extra.values()))
        where = plane_slices(self.axes, () if self.planes is not None else index)
        count = len(self.model.card.inference.output_channels)
        return _ChannelSplit(arrays, where, (count, *self.reader.plane_shape))

    def _predict(self, plane: npt.NDArray[Any], target: _ChannelSplit, report: Any) -> None:
        from napari_cytosynth.inference.normalise import plane_scaling, tile_transform

        inference = self.model.card.inference
        scalings = [plane_scaling(channel, inference.normalisation) for channel in plane]
        if all(scaling.scale == 0 for scaling in scalings):
            # whatever the network would make of nothing is no finding
            self._say("A plane has the same value everywhere: nothing can be found in it.")
            target.clear()
            report(1, 1, "empty plane")
            return
        scaled = tile_transform(scalings)
        arguments: dict[str, Any] = {"activation": inference.activation, "progress": report}
        if self.shape is None:
            self.predictor.predict(plane, transform=scaled, out=target, **arguments)
        else:
            # scaled first: resampling loses the type, and NaN pixels would become numbers
            small = self.predictor.predict(to_shape(scaled(plane), self.shape), **arguments)
            target[:, :, :] = back_to(small, self.reader.plane_shape)

    def _look_at(self, plane: npt.NDArray[Any]) -> None:
        if plane.dtype.kind != "f":
            return
        # row by row: a memory map is not to be read as a whole
        for rows in range(0, plane.shape[1], 1024):
            if not np.isfinite(plane[:, rows : rows + 1024]).all():
                self._say("The image has NaN or infinite pixels; they were taken as 0.")
                return

    def _say(self, message: str) -> None:
        if message not in self.messages:
            self.messages.append(message)

    def result(self, parameters: dict[str, Any]) -> Segmentation:
        engine = {
            "device": str(self.predictor.device),
            "precision": str(self.predictor.precision),
            "tile_size": int(self.predictor.tile_size),
        }
        return Segmentation(
            probability=self.probability,
            axes=self.axes,
            options=self.options,
            extra=self.extra,
            splitting=self.model.card.inference.splitting,
            objects=self.model.card.inference.objects,
            model_threshold=_threshold(self.model.card),
            pixel_size=self.pixel_size,
            source=self.source,
            source_axes=self.reader.axes,
            position=None if self.planes is None else self.position,
            channel=(self.reader.channels or (0,))[0],
            messages=self.messages,
            base_provenance=record("segment", self.model, self.source, parameters, engine),
        )


class _ChannelSplit:
    """Looks like (K, Y, X) to the engine; writes the channels that are kept to their arrays."""

    dtype = np.dtype(np.float32)

    def __init__(
        self, arrays: dict[int, Any], where: tuple[int | slice, ...], shape: tuple[int, ...]
    ) -> None:
        self._arrays, self._where, self.shape = arrays, where, shape

    def clear(self) -> None:
        for array in self._arrays.values():
            array[self._where] = 0

    def __setitem__(self, key: tuple[slice, slice, slice], value: npt.NDArray[np.float32]) -> None:
        spatial = iter(key[1:])
        place = tuple(next(spatial) if isinstance(k, slice) else k for k in self._where)
        for channel, array in self._arrays.items():
            array[place] = value[channel]
