"""A run over the blocks of a plane: the network, the objects, the table, the pyramids."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.defaults import card_options, check_task
from napari_cytosynth.tasks.common.input_check import unlike_training
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source
from napari_cytosynth.tasks.common.looks import LARGEST
from napari_cytosynth.tasks.common.messages import Message
from napari_cytosynth.tasks.common.planes import engine_record, make_reader
from napari_cytosynth.tasks.segment.confidence import sure_enough
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.object_size.diameter import as_in_training
from napari_cytosynth.tasks.segment.output import ChannelSplit
from napari_cytosynth.tasks.segment.result_check import check_result, facts_of
from napari_cytosynth.tasks.segment.run.model_run import ModelRun

from .decoding import ComponentDecoder, FlowDecoder, GapDecoder
from .files import MOST_ROWS, PlaneFiles, scratch_array
from .grid import grown, plan_blocks
from .inside import InsidePlane, Limited
from .joining import join_blocks, number_objects
from .plane import LazyPlane, WindowArray
from .stages import Stages, part_of
from .tables import measure_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.inference.normalise import Scaling
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.region import RegionMasks
    from napari_cytosynth.zoo.loading import Model

    from .decoding import BlockDecoder
    from .seams import JoinedObjects
    from .staged import StagedBlocks

__all__ = ["OPTIONS", "BlockedRun", "BlockedSegmentation", "prepare_run"]

OPTIONS = (
    "threshold",
    "min_size",
    "fill_holes",
    "split_touching",
    "drop_border",
    "min_confidence",
)
"""Options of the labels that a run over blocks takes."""


@dataclass(frozen=True, eq=False)
class BlockedSegmentation:
    """What was written of a plane.

    Attributes
    ----------
    files
        The OME-Zarr with probability and labels, the table and the record.
    table
        Table of every object's shape, size and position.
    options
        Threshold, minimum size and further options.
    messages
        Warnings and notes for the user.
    doubt
        Sentence where image or result are unlike those of the training; else empty.
    hidden
        Number of objects that ``min_confidence`` left out.
    """

    files: list[Path]
    table: pd.DataFrame
    options: LabelOptions
    messages: list[str]
    doubt: str = ""
    hidden: int = 0


def prepare_run(
    image: Any,
    model: Model,
    given: dict[str, Any],
    *,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    region: Any = None,
    at_border: str = "keep",
) -> BlockedRun:
    """Check image and options, and return a run over the blocks of the image's only plane.

    Parameters
    ----------
    image, axes, channels, pixel_size, device, precision, tile_size, region, at_border
        See :func:`~.task.segment_in_blocks`.
    model
        The model, loaded.
    given
        Options of the labels; those that are None are the card's.

    Raises
    ------
    InputError
        If the image has several planes, or the options need a plane as a whole.
    ModelError
        If the model is for another task.
    """
    source = read_source(image)
    reader = make_reader(source, model.card, axes, channels)
    if math.prod(reader.leading_shape) != 1:
        raise InputError(
            f"The image has {math.prod(reader.leading_shape)} planes: one plane is segmented "
            "in blocks. Choose one, or use segment."
        )
    size = known_voxel_size(source, reader.axes, pixel_size)[1]
    run = BlockedRun(source, reader, model, size, (0,) * len(reader.leading_axes))
    run.set_options({name: value for name, value in given.items() if value is not None})
    run.set_resampling(resample=False)
    run.limit_to(region, at_border)
    run.make_predictor(device if device != "auto" else model.device, precision, tile_size)
    return run


@dataclass(eq=False)
class BlockedRun(ModelRun):
    """One run over the blocks of a plane."""

    inside: InsidePlane | None = None

    def check_region(self, region: RegionMasks) -> None:
        """Run only near the region, whose whole mask is never made."""
        self.inside = InsidePlane.of(region)

    def set_options(self, given: dict[str, Any]) -> None:
        """Take the options, and refuse what needs a whole plane."""
        card = self.model.card
        inference = card.inference
        check_task(card, "segment")
        self.options = LabelOptions(**(card_options(inference, self.pixel_size) | given))
        self.by_flows = bool(self.flow_channels) and self.options.split_touching
        reason = ""
        if inference.normalisation.kind == "local":
            reason = f"the model “{card.name}” scales each pixel by its surroundings"
        elif self.options.split_touching and not self.flow_channels:
            reason = "without flows, touching objects are split by their shape (split_touching)"
        elif as_in_training(card).factor not in (None, 1):
            reason = f"the model “{card.name}” resamples images, as in its training"
        if reason:
            raise InputError(
                f"A plane cannot be segmented in blocks: {reason}. Crop the image, or take the "
                "plane whole: with segment, on the command line with --out FOLDER."
            )

    def execute(
        self, files: Any, tick: Progress, staged: StagedBlocks | None = None
    ) -> BlockedSegmentation:
        """Segment the plane into files, or join blocks that are done already."""
        plane, stages = LazyPlane(self.reader), Stages(tick)
        self._check_finite(plane)  # type: ignore[arg-type]  # slices are all that is taken
        unlike = unlike_training(_middle(plane), self.model.card)
        self.add_messages(*[Message(unlike, "unlike training")] * bool(unlike))
        shape = self.reader.plane_shape
        out = PlaneFiles(files, self.model.card.inference.objects, shape)
        scratch = files.folder.parent
        flows: Any = None
        if staged is not None:
            flows = staged.flows
            staged.copy_probability(out.probability, stages.of("network"))
        else:
            if self.by_flows:
                flows = scratch_array(scratch, "flows", (2, *shape), np.float32)
            scalings = self.scalings(plane)
            self.predict(plane, scalings, out.probability, flows, stages.of("network"))
        files.provenance["engine"] = engine_record(self.predictor)
        found = self._find(out, flows, scratch, stages, staged)
        if self.inside is not None:
            self.inside.clear(out.probability)
            found = replace(found, cut=self.inside.cut(out.labels, found))
        found, hidden = self._choose(found)
        number_objects(out.labels, found, stages.of("objects", (0.8, 1)))
        size = self.pixel_size
        measured = measure_blocks(out.labels, out.probability, found, size, stages.of("table"))
        table, left = measured
        if found.cut is not None and self.region is not None and self.region.at_border == "mark":
            table["at_region_border"] = found.cut[table["label"].to_numpy() - 1]
        self._add_remarks(table, left, out)
        out.finish(table, size, stages.of("pyramid"))
        stages.end()
        doubt = self._doubt(table, found, unlike)
        return BlockedSegmentation([], table, self.options, self.messages, doubt, hidden)

    def scalings(self, plane: LazyPlane) -> list[Scaling]:
        """Return how the intensities of each channel of the plane are scaled."""
        from napari_cytosynth.inference.normalise import plane_scaling

        normalisation = self.model.card.inference.normalisation
        channels = range(plane.shape[0])
        return [plane_scaling(plane.channel(number), normalisation) for number in channels]

    def predict(
        self,
        plane: LazyPlane,
        scalings: list[Scaling],
        probability: Any,
        flows: Any,
        progress: Progress,
        part: tuple[slice, slice] | None = None,
    ) -> None:
        """Run the network on the tiles of the plane, or of a part of it.

        What a block needs is read once, and its result is written once: tiles are smaller than
        the chunks of files.
        """
        from napari_cytosynth.inference.normalise import tile_transform

        if all(scaling.scale == 0 for scaling in scalings):
            self.add_nothing_to_find()
            return
        wanted = None if self.inside is None else self.inside.near(self._reach())
        geometry = self.predictor.geometry
        blocks = list(plan_blocks(plane.shape[1:], unit=geometry.stride))
        parts = [(one.rows, one.columns) for one in blocks] if part is None else [part]
        transform = tile_transform(scalings)
        targets = [probability] if flows is None else [probability, flows]
        for number, place in enumerate(parts):
            if wanted is not None and not wanted(*place):
                continue
            window = grown(place, plane.shape[1:], geometry.halo, geometry.stride)
            found = [WindowArray.zeros(one.shape, place) for one in targets]
            self.predictor.predict(
                WindowArray.read(plane, window),
                transform=transform,
                activation=self.model.card.inference.activations,
                out=self._split(*found),
                part=place,
                wanted=wanted,
                progress=part_of(progress, number, len(parts)),
            )
            for target, one in zip(targets, found, strict=True):
                target[(*(slice(None),) * (len(target.shape) - 2), *place)] = one.data
        self.add_messages(*self.predictor.messages)

    def _split(self, probability: Any, flows: Any = None) -> ChannelSplit:
        """Return what takes the network's output, and puts its channels where they belong."""
        inference = self.model.card.inference
        everywhere = (slice(None), slice(None))
        found = inference.channel_of("foreground") or 0
        arrays: dict[int, Any] = {found: (probability, everywhere)}
        if flows is not None:
            for number, channel in enumerate(self.flow_channels):
                arrays[channel] = flows, (number, *everywhere)
        shape = (len(inference.output_channels), *probability.shape)
        return ChannelSplit(arrays, shape, self.check_result)

    def _reach(self) -> int:
        """Return how far around the region the network's output matters to objects in it."""
        return self.decoder(None, None).margin if self.by_flows else 0

    def decoder(self, probability: Any, flows: Any) -> FlowDecoder:
        """Return what finds the objects of a block from flows."""
        confidence = self.model.card.inference.confidence
        settings = self.flow_settings()
        return FlowDecoder(
            probability, flows, settings, self.options, confidence, inside=self.inside
        )

    def _find(
        self,
        out: PlaneFiles,
        flows: Any,
        scratch: Path,
        stages: Stages,
        staged: StagedBlocks | None,
    ) -> JoinedObjects:
        """Find the objects of all blocks; their numbers so far are written as labels."""
        threshold, inside = self.options.threshold, self.inside
        decoder: BlockDecoder
        if flows is not None:
            decoder = self.decoder(out.probability, flows)
            if staged is not None:
                decoder = staged.known(decoder)
            return join_blocks(decoder, out.labels, stages.of("objects", (0, 0.8)), inside)
        probability = out.probability if inside is None else Limited(out.probability, inside)
        holes = None
        if self.options.fill_holes:
            gaps = scratch_array(scratch, "gaps", out.shape, np.int32)
            decoder = GapDecoder(probability, threshold, inside=inside)
            found = join_blocks(decoder, gaps, stages.of("objects", (0, 0.3)), inside)
            open_ones = found.border  # to the border of the plane, or of the region
            if inside is not None:
                open_ones = open_ones | inside.cut(gaps, found, sides=True)
            number_objects(gaps, found.kept(~open_ones), stages.of("objects", (0.3, 0.4)))
            holes = _Positive(gaps)
        decoder = ComponentDecoder(probability, threshold, holes)
        return join_blocks(decoder, out.labels, stages.of("objects", (0.4, 0.8)), inside)

    def _choose(self, found: JoinedObjects) -> tuple[JoinedObjects, int]:
        """Return the objects that the options keep, and how many doubtful ones these leave out."""
        keep = found.area >= max(self.options.min_size, 1)
        if self.options.drop_border:
            keep &= ~found.border
        if found.cut is not None and self.region is not None and self.region.drops:
            keep &= ~found.cut
        known = np.count_nonzero(keep)
        if found.confidence is not None:
            keep &= sure_enough(found.confidence, self.options.min_confidence)
        elif self.options.min_confidence:
            self.add_messages(
                "This result has no confidence in its objects: min_confidence hides none."
            )
        return found.kept(keep), int(known - np.count_nonzero(keep))

    def _add_remarks(self, table: pd.DataFrame, left: int, out: PlaneFiles) -> None:
        if left:
            self.add_messages(
                f"{left} object{'s are' if left > 1 else ' is'} too large to be measured in "
                "parts: the table has only the area."
            )
        if len(table) > MOST_ROWS:
            name = out.files.destination.others[0]
            self.add_messages(
                f"The table of {len(table):,} objects is in {name} only, not in the OME-Zarr, "
                "whose metadata are read as a whole."
            )

    def _doubt(self, table: pd.DataFrame, found: JoinedObjects, unlike: str) -> str:
        """Return what is unlike the results on the validation images."""
        own = self.model.card.inference
        if own.expected is None and not unlike:
            return ""
        shown = _Shown(self.pixel_size)
        facts = facts_of(shown, table, own.pixel_size_um)
        whole = math.prod(self.reader.plane_shape)
        covered = float(found.area.sum()) / (whole if self.inside is None else self.inside.pixels())
        facts = replace(facts, foreground=covered)
        kind = own.modality or ""
        return check_result(facts, own.expected, own.objects, kind, unlike=bool(unlike))


@dataclass(frozen=True, eq=False)
class _Shown:
    """A result of which only the pixel size is looked at."""

    pixel_size: tuple[float, ...] | None
    labels: Any = field(default_factory=lambda: np.zeros(1, np.int32))


@dataclass(frozen=True, eq=False)
class _Positive:
    """The positive pixels of an array."""

    array: Any

    def __getitem__(self, key: Any) -> Any:
        return np.asarray(self.array[key]) > 0


def _middle(plane: LazyPlane) -> Any:
    """Return the pixels that the looks of a plane are judged by."""
    places = [
        slice(max(0, own - side) // 2, max(0, own - side) // 2 + side)
        for own, side in zip(plane.shape[1:], LARGEST, strict=True)
    ]
    return plane[(slice(None), *places)]
