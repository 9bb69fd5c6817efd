"""The work on one item: resumed if it is done, else read, run and saved; errors are sentences."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import printable
from napari_cytosynth.errors import Cancelled, CytosynthError, InputError
from napari_cytosynth.images.ome_zarr import zarr_labels
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.outcome import explain
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.saving import check_beforehand
from napari_cytosynth.tasks.segment.blocks.task import blocks_destination, write_blocks

from .from_file import count_pixels
from .plates.in_place import check_labels_free, labels_name, save_in_place
from .records import BatchOutcome
from .report.thumbnails import middle_plane, thumbnail
from .resume import KEY, earlier_result, input_state
from .verbs import MOST_STAINS, asked_of, blocked_run, files_to_come, is_huge, mean_of, run_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_cytosynth.images.loaded import LoadedImage
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.export.destination import Destination
    from napari_cytosynth.tasks.segment.blocks.run import BlockedRun, BlockedSegmentation

    from .records import BatchItem
    from .resume import EarlierResult
    from .settings import BatchSettings

__all__ = ["Worker"]


@dataclass(eq=False)
class Worker:
    """Does one item after the other, with a model that is loaded once.

    Attributes
    ----------
    settings
        The task and its arguments, the same for all.
    out
        Folder of all results.
    resume, overwrite
        See :func:`~napari_cytosynth.tasks.batch.task.batch`. Default: False.
    in_place
        Name of the labels that are added to the OME-Zarr of each image; "" for that of the
        model's objects. Default: None, nothing is added.
    """

    settings: BatchSettings
    out: Path
    resume: bool = False
    overwrite: bool = False
    in_place: str | None = None
    _loaded: Any = field(default=None, init=False, repr=False)

    def load(self) -> Any:
        """Return the model; None for a task without one.

        Raises
        ------
        ModelError
            If it cannot be loaded.
        """
        from napari_cytosynth.zoo.loading import load_model

        if self._loaded is None and self.settings.model is not None:
            device = self.settings.parameters.get("device", "auto")
            self._loaded = load_model(self.settings.model, device)
        return self._loaded

    @property
    def digest(self) -> str:
        """What tells the settings, with the weights, from others."""
        model = self.load()
        known = self.settings.digest("" if model is None else model.sha256)
        return known if self.in_place is None else f"{known} in place as {self.added}"

    @property
    def added(self) -> str:
        """Name of the labels that are added in place."""
        return labels_name(self.in_place or self.load().card.inference.objects)

    def earlier(self, item: BatchItem) -> BatchOutcome | None:
        """Return the outcome of an earlier run; None if the item is still to be done."""
        if not self.resume or item.problem:
            return None
        if self.in_place is not None and not (item.place / "labels" / self.added).is_dir():
            return None
        found = earlier_result(item, self.out, self.settings.task, self.digest)
        return None if found is None else self._outcome_of(item, found)

    def do(self, item: BatchItem, progress: Progress) -> BatchOutcome:
        """Do an item; whatever goes wrong is in the outcome.

        Raises
        ------
        Cancelled
            From `progress`.
        """
        start = time.monotonic()
        if item.problem:
            return BatchOutcome(item, "failed", item.problem)
        try:
            outcome = self._made(item, progress)
        except Cancelled:
            raise
        except Exception as error:  # one bad file does not stop the others
            outcome = BatchOutcome(item, "failed", _sentence(error))
        return replace(outcome, seconds=time.monotonic() - start)

    def _made(self, item: BatchItem, progress: Progress) -> BatchOutcome:
        if (run := self.blocked_run(item)) is not None:
            return self._made_in_blocks(item, run, progress)
        state = input_state(item)  # before it is read: what is written meanwhile is read again
        folder = self.out / item.folder
        destination = self._destination(item)
        sources = [item.path, *([] if item.intensity is None else [item.intensity])]
        size = 0 if item.facts is None else 4 * count_pixels(item.facts.shape, item.facts.axes)
        check_beforehand(destination, sources, size=size, overwrite=self.overwrite)
        model, known = self.load(), {"settings": self.digest, "input": state}
        if self.in_place is not None:
            check_labels_free(item.place, self.added, known)
        finished = run_task(self.settings, model, item, progress)
        outcome = BatchOutcome(
            item,
            "done",
            messages=finished.messages,
            count=finished.count,
            confidence=finished.confidence,
            doubt=finished.doubt,
            thumbnail=finished.thumbnail,
        )
        finished.provenance[KEY] = known | outcome.facts()
        if self.in_place is not None and finished.segmentation is not None:
            found, add = finished.segmentation, self.added
            files = save_in_place(found, item.place, add, destination, known, self.overwrite)
        else:
            form = {"zarr": True} if item.zarr else {}
            files = finished.save(folder, stem=item.stem, overwrite=self.overwrite, **form)
        return replace(outcome, messages=finished.messages, files=self._names(files))

    def blocked_run(self, item: BatchItem) -> BlockedRun | None:
        """Return how a huge plane is segmented in blocks; None for what is done as a whole."""
        if self.in_place is not None or item.problem or not is_huge(self.settings, item):
            return None
        try:
            return blocked_run(self.settings, self.load(), item)
        except InputError:  # as a whole, if the memory suffices: some models need that
            return None

    def _made_in_blocks(self, item: BatchItem, run: BlockedRun, progress: Progress) -> BatchOutcome:
        known = {"settings": self.digest, "input": input_state(item)}

        def outcome(result: BlockedSegmentation) -> BatchOutcome:
            return BatchOutcome(
                item,
                "done",
                messages=tuple(dict.fromkeys(map(str, result.messages))),
                count=len(result.table),
                confidence=mean_of(result.table, "confidence"),
                doubt=result.doubt,
            )

        def added(result: BlockedSegmentation) -> dict[str, Any]:
            return {KEY: known | outcome(result).facts()}

        from napari_cytosynth.inference.cancelling import cancellable

        with cancellable(progress) as tick:
            result = self.write_blocks(item, run, added, tick)
        return replace(outcome(result), files=self._names(result.files))

    def write_blocks(
        self,
        item: BatchItem,
        run: BlockedRun,
        added: Callable[[BlockedSegmentation], dict[str, Any]],
        progress: Progress,
    ) -> BlockedSegmentation:
        """Segment a plane into an OME-Zarr, block by block.

        Parameters
        ----------
        item
            The image.
        run
            From :meth:`blocked_run`.
        added
            What the record of the result holds besides.
        progress
            Called between tiles and blocks.
        """
        asked = asked_of(run, self.settings)
        destination = self.blocks_destination(item)
        return write_blocks(
            run, destination, asked, progress, overwrite=self.overwrite, added=added
        )

    def blocks_destination(self, item: BatchItem) -> Destination:
        """Return where a plane is segmented into, block by block."""
        return blocks_destination(self.out / item.folder / f"{item.stem}.zarr")

    def _destination(self, item: BatchItem) -> Destination:
        which = files_to_come(self.settings) | {"zarr": item.zarr}
        which |= {} if self.in_place is None else {"images": ()}
        return find_destination(self.out / item.folder, self.settings.task, stem=item.stem, **which)

    def _names(self, files: list[Path]) -> tuple[str, ...]:
        return tuple(file.relative_to(self.out).as_posix() for file in files)

    # -- what is done already ---------------------------------------------------------------------

    def _outcome_of(self, item: BatchItem, earlier: EarlierResult) -> BatchOutcome:
        known = earlier.record[KEY]
        sentence = ""
        if earlier.changed:
            sentence = (
                f"“{earlier.changed[0]}” was changed after it was written, perhaps corrected by "
                "hand, and is kept. Without --resume and with --overwrite it is made again."
            )
        messages = known.get("messages")
        names = [*earlier.record["files"], f"{item.stem}-provenance.json"]
        folder = self.out / item.folder
        return BatchOutcome(
            item,
            "skipped",
            sentence,
            tuple(map(str, messages)) if isinstance(messages, list) else (),
            known.get("count"),
            known.get("confidence"),
            str(known.get("doubt") or ""),
            self._names([folder / name for name in names]),
            thumbnail=self._picture(item, earlier.record),
        )

    def _picture(self, item: BatchItem, record: dict[str, Any]) -> bytes:
        """Return the picture of a result that was made earlier; none if it cannot be read."""
        measured = self.settings.task == "measure"
        if is_huge(self.settings, item):  # it may not fit into the memory
            return b""
        try:
            labels, mean = (self._read(item, record, name) for name in ("labels", "mean"))
            if measured:
                labels = read_image(item.place, item.read_series, content="labels")
                image = None if item.intensity is None else read_image(item.intensity)
            else:
                image = read_image(item.place, item.read_series)
            outlined = None if labels is None else middle_plane(labels.data, labels.axes)
            return thumbnail(_plane(image, record), outlined, _stains(mean))
        except (CytosynthError, OSError, ValueError, LookupError):
            return b""

    def _read(self, item: BatchItem, record: dict[str, Any], name: str) -> LoadedImage | None:
        """Return an image of a result; None if it has no such."""
        if self.in_place is not None:
            place = item.place / "labels" / self.added
            return read_image(place, content="labels") if name == "labels" else None
        if item.zarr:
            place = self.out / item.folder / item.stem
            if name == "labels":
                inside = next(iter(zarr_labels(place).values()), None)
                return None if inside is None else read_image(inside, content="labels")
            return read_image(place) if self.settings.task == "stain" else None
        path = self.out / item.folder / f"{item.stem}-{name}.tif"
        return read_image(path, content="labels") if path.name in record["files"] else None


def _plane(image: LoadedImage | None, record: dict[str, Any]) -> Any:
    """Return the plane of an image that the picture of its result shows."""
    if image is None:
        return None
    known = record.get("parameters") or {}
    channels = known.get("channels") or [0]
    return middle_plane(image.data, known.get("axes"), channels[0], known.get("planes"))


def _stains(mean: LoadedImage | None) -> list[Any]:
    if mean is None:
        return []
    axes = mean.axes or ""
    count = mean.data.shape[axes.index("C")] if "C" in axes else 1
    return [middle_plane(mean.data, axes, number) for number in range(min(count, MOST_STAINS))]


def _sentence(error: Exception) -> str:
    """Return what a user reads of an error, of one that nobody foresaw too."""
    known = explain(error)
    if known is not None:
        return known
    return (
        f"Something went wrong that should not have ({type(error).__name__}: "
        f"{printable(error)[:300]}). Please report it."
    )
