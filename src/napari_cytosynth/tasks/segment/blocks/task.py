"""Segmentation of a plane of any size into an OME-Zarr."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_cytosynth.arguments import check_choice
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.defaults import card_options, check_task
from napari_cytosynth.tasks.common.input_check import unlike_training
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source
from napari_cytosynth.tasks.common.looks import LARGEST
from napari_cytosynth.tasks.common.messages import Message
from napari_cytosynth.tasks.common.planes import engine_record, make_reader
from napari_cytosynth.tasks.common.provenance import record
from napari_cytosynth.tasks.common.region import AT_BORDER, RegionMasks, find_region
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.saving import saving
from napari_cytosynth.tasks.segment.confidence import sure_enough
from napari_cytosynth.tasks.segment.instances import LabelOptions
from napari_cytosynth.tasks.segment.output import ChannelSplit
from napari_cytosynth.tasks.segment.result_check import check_result, facts_of
from napari_cytosynth.tasks.segment.run.model_run import ModelRun

from .decoding import ComponentDecoder, FlowDecoder, GapDecoder
from .files import MOST_ROWS, PlaneFiles, scratch_array
from .grid import plan_blocks
from .inside import InsidePlane, Limited
from .plane import LazyPlane
from .seams import JoinedObjects, SeamJoiner
from .stages import Stages
from .tables import measure_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.loading import Model

    from .decoding import BlockDecoder

__all__ = ["BlockedSegmentation", "segment_in_blocks"]


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


def segment_in_blocks(
    image: Any,
    path: str | Path,
    model: str | Path | Model = "em-mitochondria-unet",
    *,
    threshold: float | None = None,
    min_size: int | None = None,
    fill_holes: bool = False,
    split_touching: bool | None = None,
    drop_border: bool = False,
    min_confidence: float = 0.0,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    region: Any = None,
    at_border: Literal["keep", "drop", "mark"] = "keep",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BlockedSegmentation:
    """Segment one plane of any size, which never lies in the memory, into an OME-Zarr.

    Probability and labels are those of :func:`~napari_cytosynth.tasks.segment.task.segment`: of
    components exactly, of flows as far as objects, with those that they touch, are smaller than
    four typical diameters. Parts of larger ones are joined where blocks meet.

    Parameters
    ----------
    image
        zarr, dask or numpy array, or napari layer, of a single plane.
    path
        Name of the OME-Zarr, ``NAME.zarr``; the table is ``NAME-table.csv``. Beside it are needed,
        while the run lasts, 8 bytes for each pixel of models with flows.
    model, threshold, min_size, fill_holes, split_touching, drop_border, min_confidence, axes
        As ``segment`` takes them.
    channels, pixel_size, device, precision, tile_size
        As ``segment`` takes them.
    region, at_border
        As ``segment`` takes them: only tiles and blocks near the region are run and written.
    overwrite
        Replace what others wrote, too. Default: False.
    progress
        Called between tiles and blocks; None (default) shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run, and nothing is left.

    Raises
    ------
    InputError
        If the image has several planes, or needs what a plane must be whole for: a local contrast,
        or touching objects that are split by their shape.
    OutputError
        If it cannot be written there.
    ModelError
        If the model cannot be loaded or is for another task.
    Cancelled
        From `progress`.
    """
    from napari_cytosynth.inference.cancelling import cancellable
    from napari_cytosynth.zoo.loading import load_model

    given = {
        "threshold": threshold,
        "min_size": min_size,
        "split_touching": split_touching,
        "fill_holes": fill_holes,
        "drop_border": drop_border,
        "min_confidence": min_confidence,
    }
    check_choice(at_border, "at_border", AT_BORDER)
    destination = find_destination(path, "segment")
    if "" not in destination.images:
        raise InputError("A plane is segmented in blocks into an OME-Zarr: give NAME.zarr.")
    with cancellable(resolve_progress(progress)) as tick:
        source = read_source(image)
        loaded = load_model(model, device, progress=progress)
        reader = make_reader(source, loaded.card, axes, channels)
        if math.prod(reader.leading_shape) != 1:
            raise InputError(
                f"The image has {math.prod(reader.leading_shape)} planes: one plane is segmented "
                "in blocks. Choose one, or use segment."
            )
        size = known_voxel_size(source, reader.axes, pixel_size)[1]
        run = _BlockedRun(source, reader, loaded, size, (0,) * len(reader.leading_axes))
        run.set_options({name: value for name, value in given.items() if value is not None})
        run.set_resampling(resample=False)
        run.limit_to_blocks(region, at_border)
        run.make_predictor(device if device != "auto" else loaded.device, precision, tile_size)
        parameters = run.common_parameters(channels, False, device, precision)
        parameters |= asdict(run.options) | {"planes": None} | run.region_parameters()
        made = record("segment", loaded, source, parameters, {}) | {"in_blocks": True}
        needed = 8 * math.prod(reader.plane_shape)
        with saving(destination, made, source.files, size=needed, overwrite=overwrite) as files:
            result = run.execute(files, tick)
        run.add_messages(*files.messages)
        return replace(result, files=destination.files)


@dataclass(eq=False)
class _BlockedRun(ModelRun):
    """One run over the blocks of a plane."""

    inside: InsidePlane | None = None

    def limit_to_blocks(self, region: Any, at_border: str) -> None:
        """Run only near a region, as `segment` takes it; None is the whole plane."""
        if region is not None:
            found = find_region(region, self.source, self.reader.axes)
            shape, place = self.reader.plane_shape, self.position
            self.region = RegionMasks(found, shape, place, at_border)
            self.inside = InsidePlane.of(self.region)

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
        if reason:
            raise InputError(
                f"A plane cannot be segmented in blocks: {reason}. Crop the image, or take the "
                "plane whole: with segment, on the command line with --out FOLDER."
            )

    def execute(self, files: Any, tick: Progress) -> BlockedSegmentation:
        """Segment the plane into files."""
        plane, stages = LazyPlane(self.reader), Stages(tick)
        self._check_finite(plane)  # type: ignore[arg-type]  # slices are all that is taken
        unlike = unlike_training(_middle(plane), self.model.card)
        self.add_messages(*[Message(unlike, "unlike training")] * bool(unlike))
        shape = self.reader.plane_shape
        out = PlaneFiles(files, self.model.card.inference.objects, shape)
        scratch = files.folder.parent
        flows = scratch_array(scratch, "flows", (2, *shape), np.float32) if self.by_flows else None
        self._predict(plane, out.probability, flows, stages.of("network"))
        files.provenance["engine"] = engine_record(self.predictor)
        found = self._find(out, flows, scratch, stages)
        if self.inside is not None:
            self.inside.clear(out.probability)
            found = replace(found, cut=self.inside.cut(out.labels, found))
        found, hidden = self._choose(found)
        _number(out.labels, found, stages.of("objects", (0.8, 1)))
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

    def _predict(self, plane: LazyPlane, probability: Any, flows: Any, progress: Progress) -> None:
        """Run the network on the tiles of the plane."""
        from napari_cytosynth.inference.normalise import plane_scaling, tile_transform

        inference = self.model.card.inference
        count = len(inference.output_channels)
        scalings = [
            plane_scaling(plane.channel(number), inference.normalisation)
            for number in range(plane.shape[0])
        ]
        if all(scaling.scale == 0 for scaling in scalings):
            self.add_nothing_to_find()
            return
        everywhere = (slice(None), slice(None))
        found = inference.channel_of("foreground") or 0
        arrays: dict[int, Any] = {found: (probability, everywhere)}
        if flows is not None:
            for number, channel in enumerate(self.flow_channels):
                arrays[channel] = flows, (number, *everywhere)
        self.predictor.predict(
            plane,
            transform=tile_transform(scalings),
            activation=inference.activations,
            wanted=None if self.inside is None else self.inside.near(self._reach()),
            out=ChannelSplit(arrays, (count, *plane.shape[1:]), self.check_result),
            progress=progress,
        )
        self.add_messages(*self.predictor.messages)

    def _reach(self) -> int:
        """Return how far around the region the network's output matters to objects in it."""
        if not self.by_flows:
            return 0
        return FlowDecoder(None, None, self.flow_settings(), self.options).margin

    def _find(self, out: PlaneFiles, flows: Any, scratch: Path, stages: Stages) -> JoinedObjects:
        """Find the objects of all blocks; their numbers so far are written as labels."""
        threshold, inside = self.options.threshold, self.inside
        decoder: BlockDecoder
        if flows is not None:
            confidence = self.model.card.inference.confidence
            decoder = FlowDecoder(
                *(out.probability, flows, self.flow_settings(), self.options, confidence),
                inside=inside,
            )
            return _join(decoder, out.labels, stages.of("objects", (0, 0.8)), inside)
        probability = out.probability if inside is None else Limited(out.probability, inside)
        holes = None
        if self.options.fill_holes:
            gaps = scratch_array(scratch, "gaps", out.shape, np.int32)
            decoder = GapDecoder(probability, threshold, inside=inside)
            found = _join(decoder, gaps, stages.of("objects", (0, 0.3)), inside)
            open_ones = found.border  # to the border of the plane, or of the region
            if inside is not None:
                open_ones = open_ones | inside.cut(gaps, found, sides=True)
            _number(gaps, found.kept(~open_ones), stages.of("objects", (0.3, 0.4)))
            holes = _Positive(gaps)
        decoder = ComponentDecoder(probability, threshold, holes)
        return _join(decoder, out.labels, stages.of("objects", (0.4, 0.8)), inside)

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


def _join(
    decoder: BlockDecoder, labels: Any, progress: Progress, inside: InsidePlane | None = None
) -> JoinedObjects:
    """Find the objects of all blocks; write their own numbers, and return which belong together.

    Blocks without a pixel of a region are passed over.
    """
    blocks = list(plan_blocks(labels.shape, decoder.margin, decoder.align))
    joiner = SeamJoiner(labels.shape, decoder.majority)
    for done, block in enumerate(blocks):
        progress(done, len(blocks), "finding objects")
        if inside is not None and not inside.touches((block.rows, block.columns), 1):
            joiner.skip(block)
            continue
        labels[block.rows, block.columns] = joiner.add(block, decoder.decode(block))
    progress(len(blocks), len(blocks), "finding objects")
    return joiner.result()


def _number(labels: Any, found: JoinedObjects, progress: Progress) -> None:
    """Write over the numbers in blocks those of the objects of the plane."""
    blocks = list(plan_blocks(labels.shape))
    for done, block in enumerate(blocks):
        progress(done, len(blocks), "numbering objects")
        where = block.rows, block.columns
        labels[where] = found.number[np.asarray(labels[where])]
