"""A run of a segmentation model over the planes of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.defaults import card_options
from napari_cytosynth.tasks.common.input_check import unlike_training
from napari_cytosynth.tasks.common.messages import Message
from napari_cytosynth.tasks.common.planes import engine_record, is_constant
from napari_cytosynth.tasks.common.provenance import record
from napari_cytosynth.tasks.common.resample import back_to, to_shape
from napari_cytosynth.tasks.segment.object_size.diameter import Resizing, resized
from napari_cytosynth.tasks.segment.output import ChannelSplit, check_output, temporary_array
from napari_cytosynth.tasks.segment.result import Segmentation
from napari_cytosynth.tasks.segment.result_check import TrainingFacts

from .model_run import ModelRun

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.region import RegionMasks
    from napari_cytosynth.tasks.segment.flows.planes import OwnedPlanes

__all__ = ["SegmentationRun"]


@dataclass(eq=False)
class SegmentationRun(ModelRun):
    """One run of a segmentation model over the planes of an image."""

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

    @property
    def chosen_plane(self) -> tuple[int, ...] | None:
        """Index of the only plane to run on, validated; None for all."""
        return None if self.planes is None else self.position

    def check_memory(self, out: Any) -> None:
        """Validate the output array, and refuse what the memory cannot hold."""
        from napari_cytosynth.tasks.segment.flows.bands import decoding_memory

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
        """Allocate the arrays of the result, but for the probability if `out` is given."""
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
        from napari_cytosynth.tasks.segment.flows.bands import rows_at_a_time

        shape = self.reader.plane_shape
        if rows_at_a_time(shape) >= shape[0]:
            return np.zeros((2, *shape), np.float32)
        return temporary_array((2, *shape))

    def _owned_planes(self) -> OwnedPlanes:
        from napari_cytosynth.tasks.segment.flows.decoding import zoomed_confidence
        from napari_cytosynth.tasks.segment.flows.planes import OwnedPlanes

        inference = self.model.card.inference
        zoom = math.sqrt(math.prod(self._zoom()))
        settings = self.flow_settings(zoom)
        owner = np.zeros(self.whole_shape, np.int32)
        heights = np.zeros(self.whole_shape, np.uint16)
        confidence = zoomed_confidence(inference.confidence, zoom)
        return OwnedPlanes(owner, heights, self.axes, settings, confidence)

    def _zoom(self) -> tuple[float, float]:
        """Return the pixels of the image in one of the model, along Y and X."""
        rows, columns = self.reader.plane_shape
        return (1.0, 1.0) if self.shape is None else (rows / self.shape[0], columns / self.shape[1])

    def execute(self, tick: Progress) -> None:
        """Run the network on every plane, and find the owners of its pixels."""
        looked_at = self.indices[len(self.indices) // 2]  # the ends of a stack are out of focus
        for index, plane, report in self.iter_planes(tick):
            if index == looked_at:
                self.unlike = unlike_training(plane, self.model.card, self.factors)
            self._predict(plane, self._target(index), report, index)
            if self.owned is not None:
                self._decode(self.owned, self.place(index))
            if self.region is not None:
                self._limit(self.region, self.place(index))
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

    def _limit(self, region: RegionMasks, place: tuple[int, ...]) -> None:
        """Leave nothing outside of the region; objects were separated with what lies around it."""
        where, mask = plane_slices(self.axes, place), region.mask(place)
        for array in (self.probability, *self.extra.values()):
            array[where] = np.where(mask, np.asarray(array[where]), np.float32(0))
        if self.owned is not None:
            self.owned.limit(place, mask)

    def _predict(
        self, plane: npt.NDArray[Any], target: ChannelSplit, report: Any, index: tuple[int, ...]
    ) -> None:
        scaled, transform = self._scaling(plane)
        if scaled is None:
            self.add_nothing_to_find()
            target.clear()
            report(1, 1, "empty plane")
            return
        activations = self.model.card.inference.activations
        arguments: dict[str, Any] = {"activation": activations, "progress": report}
        if self.region is not None:
            target.clear()
            if self.misses(index):
                report(1, 1, "no region here")
                return
        if self.shape is None:
            box = self.box_in(index, self.reader.plane_shape, self.predictor.geometry)
            if box is None:
                self.predictor.predict(scaled, transform=transform, out=target, **arguments)
            else:
                part = scaled[:, *box]
                target[:, *box] = self.predictor.predict(part, transform=transform, **arguments)
        else:
            # scaled first: resampling loses the type, and NaN pixels would become numbers
            whole = scaled if transform is None else transform(scaled)
            small = self._of_model_size(to_shape(whole, self.shape), index, arguments)
            target[:, :, :] = back_to(small, self.reader.plane_shape)

    def _of_model_size(
        self, plane: npt.NDArray[Any], index: tuple[int, ...], arguments: dict[str, Any]
    ) -> npt.NDArray[np.float32]:
        """Return the network's output (K, Y, X) of a plane that was resampled for it."""
        shape = (plane.shape[1], plane.shape[2])
        box = self.box_in(index, shape, self.predictor.geometry)
        found: npt.NDArray[np.float32]
        if box is None:
            found = self.predictor.predict(plane, **arguments)
            return found
        found = np.zeros((len(self.model.card.inference.output_channels), *shape), np.float32)
        found[:, *box] = self.predictor.predict(plane[:, *box], **arguments)
        return found

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
        """Return the result; `parameters` are the arguments that all tasks share."""
        inference, engine = self.model.card.inference, engine_record(self.predictor)
        # the number, also where it was measured: a script repeats the run, not the measurement
        parameters |= {"diameter": self.plan.diameter}
        if self.plan.seen_as_is:
            parameters |= {"resample": False}
        parameters |= self.region_parameters()
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
            region=self.region,
            **self.placement_arguments(),
        )
