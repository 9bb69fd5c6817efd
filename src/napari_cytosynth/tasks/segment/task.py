"""Segmentation of an image by a model: from an array or layer to a :class:`Segmentation`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_cytosynth.arguments import check_flag
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.defaults import DEFAULT_THRESHOLD, card_options
from napari_cytosynth.tasks.common.input_check import unlike_training
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source
from napari_cytosynth.tasks.common.messages import Message
from napari_cytosynth.tasks.common.planes import (
    PlaneRun,
    engine_record,
    is_constant,
    make_reader,
)
from napari_cytosynth.tasks.common.provenance import record
from napari_cytosynth.tasks.common.resample import back_to, to_shape
from napari_cytosynth.tasks.measure.doubt import check_doubted

from .instances import LabelOptions
from .object_size.diameter import AUTO, Resizing, check_diameter, plan_resizing, resized
from .object_size.estimate import measure_plane
from .output import ChannelSplit, check_output, temporary_array
from .remarks import about_confidence, about_depth
from .result import Segmentation
from .result_check import TrainingFacts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_cytosynth.inference.predictor import Predictor
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.loading import Model

    from .flows.planes import OwnedPlanes

__all__ = ["Segmentation", "check_options", "segment"]


def segment(
    image: Any,
    model: str | Path | Model = "em-mitochondria-unet",
    *,
    threshold: float | None = None,
    min_size: int | None = None,
    fill_holes: bool = False,
    split_touching: bool | None = None,
    drop_border: bool = False,
    link_planes: bool = True,
    min_confidence: float = 0.0,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    resample: bool = False,
    diameter: float | Literal["auto"] | None = None,
    planes: tuple[int, ...] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    out: Any = None,
    doubt: Any = None,
    progress: Progress | None = None,
) -> Segmentation:
    """Segment objects in an image with a trained network.

    Parameters
    ----------
    image
        numpy, dask or zarr array or napari layer, of bool, integers or real numbers. Dask
        and zarr are read one plane at a time. NaN and infinite pixels count as 0 after
        scaling, with a message; another says if the (middle) plane looks unlike the images that
        the model was trained on.
    model
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes it. Default:
        ``"em-mitochondria-unet"``.
    threshold
        In [0, 1]; None (default) takes the model's own.
    min_size
        Objects of fewer pixels of the image are dropped; None (default) takes the model's own,
        scaled to the image's pixel size where both are known; 0 where the model has none.
    split_touching
        Separate touching objects; None (default): if the model was made to separate them.
    fill_holes, drop_border, link_planes, min_confidence
        See :class:`~napari_cytosynth.tasks.segment.instances.LabelOptions`. Default: True for
        `link_planes`, 0 for `min_confidence`, and False for the others.
    axes
        One letter for each axis, for example ``"TCYX"``: Y and X span a plane, C holds
        channels, all others count planes. None (default) takes a layer's ``axis_labels`` if
        they are real names, and guesses otherwise.
    channels
        Indices into the axis C of the input channels; None (default) for all.
    pixel_size
        In µm, one number, those of Y and X, or those of Z, Y and X, where Z is the distance of
        planes. None (default), or a missing Z, takes the layer's.
    resample
        Resample the image to the model's pixel size where both are known and differ by
        more than 1.5 times. The result has the image's own grid. Default: False.
    diameter
        Typical diameter of the image's objects in px: the image is resampled for the model
        until they are as large as those of its training images, in place of any resampling by
        pixel size. ``"auto"`` measures it and resamples only where the objects clearly differ
        (see :func:`~napari_cytosynth.tasks.segment.object_size.estimate_object_size`). The
        result has the image's own grid, and all sizes stay in its pixels. None (default) leaves
        the image as it is.
    planes
        Index into the axes that count planes: run on this plane only; the result is (Y, X).
        None (default) runs on all.
    device, precision, tile_size
        See :class:`~napari_cytosynth.inference.predictor.Predictor`. Default: ``"auto"``,
        ``"auto"`` and None.
    out
        float32 array (zarr, memmap …) of the result's shape that the probability is
        written into, tile by tile; None (default) allocates it.
    doubt
        Where the image is a virtual stain, its objects as ``stained.objects()`` returns them, or
        their Labels layer, of the shape of the result: the table then has the column ``doubt`` (see
        :func:`~napari_cytosynth.tasks.measure.measure`). Default: None.
    progress
        Called between tiles; None (default) shows a bar in a console. Raising
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
    from napari_cytosynth.inference.cancelling import cancellable
    from napari_cytosynth.zoo.loading import load_model

    chosen = {
        "threshold": threshold,
        "min_size": min_size,
        "split_touching": split_touching,
        "fill_holes": fill_holes,
        "drop_border": drop_border,
        "link_planes": link_planes,
        "min_confidence": min_confidence,
    }
    check_options(chosen)  # before anything is loaded
    asked = check_diameter(diameter)
    if doubt is not None:
        check_doubted(doubt)
    with cancellable(resolve_progress(progress)) as tick:
        source = read_source(image)
        loaded = load_model(model, device, progress=progress)
        card = loaded.card
        if card.inference.task != "segment":
            raise InputError(
                f"The model “{card.name}” does not segment: it is made to {card.inference.task}."
            )
        reader = make_reader(source, card, axes, channels)
        z_size, size = known_voxel_size(source, reader.axes, pixel_size)
        run = _SegmentationRun(source, reader, loaded, size, planes, z_size=z_size)
        if asked == AUTO:
            run.check_memory(out)
        run.plan = plan_resizing(
            asked,
            card,
            check_flag(resample, "resample"),
            lambda: measure_plane(reader, loaded, run.chosen_plane, device, precision, tick),
        )
        known_size = None if run.plan.seen_as_is else size
        defaults = card_options(card.inference, known_size, run.plan.diameter)
        run.options = LabelOptions(**(defaults | _given(chosen)))
        run.set_resampling(resample, run.plan.factor)
        run.add_messages(*run.plan.messages)
        run.check_memory(out)
        if doubt is not None:
            check_doubted(doubt, run.whole_shape)
        run.make_predictor(device if device != "auto" else loaded.device, precision, tile_size)
        run.allocate(out)
        run.execute(tick)
        linked = about_depth(run, run.options, guessed=axes is None)
        run.add_messages(*linked, *about_confidence(run.options, run.owned))
        run.doubted = doubt
        return run.result(run.common_parameters(channels, resample, device, precision))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def check_options(options: dict[str, Any]) -> None:
    """Raise InputError for an impossible option; None is one that the card gives."""
    for name in ("fill_holes", "drop_border", "link_planes"):
        check_flag(options[name], name)
    LabelOptions(**({"threshold": DEFAULT_THRESHOLD} | _given(options)))


@dataclass(eq=False)
class _SegmentationRun(PlaneRun):
    """One run of a segmentation model over the planes of an image."""

    options: LabelOptions = field(default_factory=lambda: LabelOptions(DEFAULT_THRESHOLD))
    plan: Resizing = field(default_factory=lambda: Resizing())
    doubted: Any = None
    """Objects of the virtual stain that the image is."""
    unlike: str = ""
    """In what the image looks unlike the model's training images."""

    def __post_init__(self) -> None:
        super().__post_init__()
        inference = self.model.card.inference
        self.object_channel = inference.channel_of("foreground") or 0
        names, splitting = inference.output_channels, inference.splitting
        self.seed_channel = None if splitting is None else names.index(splitting.channel)
        found = (inference.channel_of("flow-y"), inference.channel_of("flow-x"))
        self.flow_channels = [channel for channel in found if channel is not None]

    @property
    def chosen_plane(self) -> tuple[int, ...] | None:
        """Index of the only plane to run on, validated; None for all."""
        return None if self.planes is None else self.position

    def make_predictor(self, device: str, precision: str, tile_size: int | None) -> None:
        from napari_cytosynth.inference.predictor import Predictor

        self.predictor: Predictor = Predictor(
            self.model.network,
            len(self.model.card.inference.input_channels),
            device=device,
            precision=precision,
            tile_size=tile_size,
        )

    def check_memory(self, out: Any) -> None:
        """Validate the output array, and refuse what the memory cannot hold."""
        from .flows.bands import decoding_memory

        if out is not None:
            check_output(out, self.whole_shape, self.source.data)
        arrays = (out is None) + (self.seed_channel is not None)
        channels = len(self.model.card.inference.output_channels)
        needed = 4 * arrays * math.prod(self.whole_shape)
        if self.flow_channels:
            needed += 6 * math.prod(self.whole_shape)  # the owners, and their heights
            needed += decoding_memory(self.reader.plane_shape)
        self.require_memory(needed, channels)

    def allocate(self, out: Any) -> None:
        whole = self.whole_shape
        if out is None:
            out = np.zeros(whole, np.float32)
        self.probability = out
        self.extra: dict[str, npt.NDArray[np.float32]] = {}
        if self.seed_channel is not None:
            name = self.model.card.inference.output_channels[self.seed_channel]
            self.extra[name] = np.zeros(whole, np.float32)
        self.owned: OwnedPlanes | None = None
        if self.flow_channels:
            self.owned = self._owned_planes()
            self.flows = self._flow_array()  # of one plane

    def _flow_array(self) -> npt.NDArray[np.float32]:
        from .flows.bands import rows_at_a_time

        shape = self.reader.plane_shape
        if rows_at_a_time(shape) >= shape[0]:
            return np.zeros((2, *shape), np.float32)
        return temporary_array((2, *shape))

    def _owned_planes(self) -> OwnedPlanes:
        from .flows.decoding import LOWEST, FlowSettings, zoomed_confidence
        from .flows.planes import OwnedPlanes

        inference = self.model.card.inference
        zoom = math.sqrt(math.prod(self._zoom()))
        # planes are linked, and facts measured, at the model's own threshold
        lowest = min(LOWEST, self.options.threshold, card_options(inference)["threshold"])
        settings = FlowSettings.from_card(inference, zoom=zoom, lowest=lowest)
        owner = np.zeros(self.whole_shape, np.int32)
        heights = np.zeros(self.whole_shape, np.uint16)
        confidence = zoomed_confidence(inference.confidence, zoom)
        return OwnedPlanes(owner, heights, self.axes, settings, confidence)

    def _zoom(self) -> tuple[float, float]:
        """Return the pixels of the image in one of the model, along Y and X."""
        rows, columns = self.reader.plane_shape
        return (1.0, 1.0) if self.shape is None else (rows / self.shape[0], columns / self.shape[1])

    def execute(self, tick: Progress) -> None:
        looked_at = self.indices[len(self.indices) // 2]  # the ends of a stack are out of focus
        for index, plane, report in self.iter_planes(tick):
            if index == looked_at:
                self.unlike = unlike_training(plane, self.model.card, self.factors)
            self._predict(plane, self._target(index), report)
            if self.owned is not None:
                self._decode(self.owned, self.place(index))
        unlike = [Message(self.unlike, "unlike training")] * bool(self.unlike)
        self.add_messages(*unlike, *self.predictor.messages)

    def _decode(self, owned: OwnedPlanes, place: tuple[int, ...]) -> None:
        zoom = np.array(self._zoom(), np.float32)[:, None, None]
        if zoom[0] != zoom[1]:  # directions on the image's grid, as long as before
            length = np.hypot(*self.flows)
            self.flows *= zoom
            self.flows *= length / np.maximum(np.hypot(*self.flows), np.float32(1e-9))
        probability = np.asarray(self.probability[plane_slices(self.axes, place)])
        owned.decode(place, probability, self.flows)

    def _target(self, index: tuple[int, ...]) -> ChannelSplit:
        where = plane_slices(self.axes, self.place(index))
        arrays = {self.object_channel: (self.probability, where)}
        if self.seed_channel is not None and self.seed_channel != self.object_channel:
            arrays[self.seed_channel] = next(iter(self.extra.values())), where
        for number, channel in enumerate(self.flow_channels):
            arrays[channel] = self.flows[number], (slice(None), slice(None))
        count = len(self.model.card.inference.output_channels)
        return ChannelSplit(arrays, (count, *self.reader.plane_shape), self.check_result)

    def _predict(self, plane: npt.NDArray[Any], target: ChannelSplit, report: Any) -> None:
        scaled, transform = self._scaling(plane)
        if scaled is None:
            # the network's response to an empty plane is no finding
            self.add_messages("A plane has the same value everywhere: nothing can be found in it.")
            target.clear()
            report(1, 1, "empty plane")
            return
        activations = self.model.card.inference.activations
        arguments: dict[str, Any] = {"activation": activations, "progress": report}
        if self.shape is None:
            self.predictor.predict(scaled, transform=transform, out=target, **arguments)
        else:
            # scaled first: resampling loses the type, and NaN pixels would become numbers
            whole = scaled if transform is None else transform(scaled)
            small = self.predictor.predict(to_shape(whole, self.shape), **arguments)
            target[:, :, :] = back_to(small, self.reader.plane_shape)

    def _scaling(self, plane: npt.NDArray[Any]) -> tuple[npt.NDArray[Any] | None, Any]:
        """Return the plane and the transform of its tiles; None for a plane without contrast.

        A scaling that depends on neighbours is applied here, to the whole plane.
        """
        from napari_cytosynth.inference.normalise import plane_scaling, tile_transform

        normalisation = self.model.card.inference.normalisation
        if normalisation.kind == "local":
            return (None if is_constant(plane) else self.normalised(plane)), None
        scalings = [plane_scaling(channel, normalisation) for channel in plane]
        flat = all(scaling.scale == 0 for scaling in scalings)
        return (None if flat else plane), tile_transform(scalings)

    def result(self, parameters: dict[str, Any]) -> Segmentation:
        inference, engine = self.model.card.inference, engine_record(self.predictor)
        # the number, also where it was measured: a script repeats the run, not the measurement
        parameters |= {"diameter": self.plan.diameter}
        if self.plan.seen_as_is:
            parameters |= {"resample": False}
        provenance = record("segment", self.model, self.source, parameters, engine)
        if self.plan.measured is not None:
            provenance["object_size"] = self.plan.measured
        if self.unlike:
            provenance["unlike"] = self.unlike
        return Segmentation(
            probability=self.probability,
            axes=self.axes,
            options=self.options,
            extra=self.extra,
            splitting=resized(inference.splitting, self.factors),
            owned=self.owned,
            objects=inference.objects,
            model_threshold=card_options(inference)["threshold"],
            base_provenance=provenance,
            training=TrainingFacts.from_card(self.model.card, self.unlike),
            doubted=self.doubted,
            **self.placement_arguments(),
        )
