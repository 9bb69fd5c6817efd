"""Objects of a virtual stain: found in its mean over all views, doubted by how they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_text, shown
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.layers import voxel_size
from napari_cytosynth.tasks.common.planes import is_constant
from napari_cytosynth.tasks.measure.table import measure

from .doubt import doubt_of, doubts
from .features import FEATURES, object_features
from .passes import Segmenter, see_plane, steps_of_plane
from .result import StainedObjects

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ObjectDoubt

    from .source import StainRun, VirtualStain

    Values = NDArray[np.float64]

__all__ = ["NUCLEAR", "find_objects", "object_stain"]

NUCLEAR = ("dna", "dapi", "hoechst", "nuclei", "nucleus", "propidium iodide", "pi")
USUAL_SEGMENTER = "fluo-nuclei-unet"


def object_stain(names: tuple[str, ...], known: tuple[str, ...] = ()) -> str | None:
    """Return the stain in which objects are found by default; None if none shows nuclei.

    Parameters
    ----------
    names
        All stains of a result.
    known
        Those for which the model's card tells doubtful objects. Default: none.
    """
    first = [name for name in names if name in known]
    nuclear = [name for name in names if name.lower() in NUCLEAR]
    return next(iter([*first, *nuclear]), None)


def find_objects(
    staining: VirtualStain, stain: str | None = None, *, progress: Progress | None = None
) -> StainedObjects:
    """Find the objects of a virtual stain; see :meth:`.Staining.objects`."""
    from napari_cytosynth.inference.cancelling import cancellable
    from napari_cytosynth.zoo.loading import load_model

    run = staining.run
    if run is None:
        raise InputError(
            "Objects are found with the network of the run, which a result from a file has not: "
            "stain the image again."
        )
    inference = run.model.card.inference
    name = _chosen(staining, stain, tuple(one.stain for one in inference.doubt))
    block = doubt_of(inference, name)
    with cancellable(resolve_progress(progress)) as tick:
        tick(0, 1, "Loading the model that finds objects")
        segmenter = Segmenter(
            load_model(block.segmenter if block else USUAL_SEGMENTER, run.model.device)
        )
        search = _Search(run, inference.output_channels.index(name), segmenter, block)
        labels, columns = search.run(tick)
    return _as_result(staining, name, labels, columns, block, segmenter)


def _chosen(staining: VirtualStain, stain: str | None, known: tuple[str, ...]) -> str:
    names = ", ".join(staining.channels)
    if stain is None:
        found = object_stain(staining.channels, known)
        if found is None:
            raise InputError(f"None of the stains ({names}) is known to show nuclei: name one.")
        return found
    if check_text(stain, "stain", f"the name of a stain: {names}") not in staining.channels:
        raise InputError(f"There is no stain “{shown(stain)}” in this result, only {names}.")
    return stain


class _Search:
    """The search for objects in all planes of a run."""

    def __init__(
        self, run: StainRun, stain: int, segmenter: Segmenter, block: ObjectDoubt | None
    ) -> None:
        self.run_, self.stain, self.segmenter, self.block = run, stain, segmenter, block

    def run(self, tick: Progress) -> tuple[NDArray[np.int32], dict[str, Values]]:
        """Return the labels of all planes, and numbers and doubt of each object by its label."""
        run = self.run_
        labels = np.zeros(run.whole_shape, np.int32)
        steps, found, count = steps_of_plane(), [], 0
        for number, index in enumerate(run.indices):
            plane = run.reader.read(index)
            if is_constant(plane):
                continue
            done = iter(range(number * steps + 1, (number + 1) * steps + 1))

            def step(message: str, done: Any = done) -> None:
                tick(next(done), steps * len(run.indices), message)

            seen = see_plane(run, run.scaled(plane), self.stain, self.segmenter, step)
            features = object_features(seen)
            if self.block is not None:
                features["doubt"] = doubts(self.block, features)
            where = plane_slices(run.axes, run.place(index))
            labels[where] = _renumbered(run.on_grid_labels(seen.labels), count)
            count += len(seen.confidence)
            found.append(features)
        names = [*FEATURES, *(("doubt",) if self.block else ())]
        columns = {
            name: np.concatenate([one[name] for one in found]) if found else np.empty(0)
            for name in names
        }
        return labels, columns


def _renumbered(labels: NDArray[np.int32], after: int) -> NDArray[np.int32]:
    """Return labels that continue those of the planes before."""
    return np.where(labels > 0, labels + np.int32(after), 0).astype(np.int32)


def _as_result(
    staining: VirtualStain,
    name: str,
    labels: NDArray[np.int32],
    columns: dict[str, Values],
    block: ObjectDoubt | None,
    segmenter: Segmenter,
) -> StainedObjects:
    table = _table(staining, name, labels, columns)
    messages = []
    if block is None:
        messages.append(
            "It is not known which of these objects are doubtful: the model's card has no such "
            "calibration for this stain."
        )
    record = {
        "stain": name,
        "role": "objects",
        "segmenter": segmenter.model.card.name,
        "segmenter_sha256": segmenter.model.sha256,
    }
    features = {key: columns[key] for key in FEATURES}
    return StainedObjects(labels, table, name, features, block, staining, messages, record)


def _table(
    staining: VirtualStain, name: str, labels: NDArray[np.int32], columns: dict[str, Values]
) -> pd.DataFrame:
    axes = staining.axes.removeprefix("C")
    mean = staining.mean[staining.channels.index(name)]
    size = voxel_size(staining.pixel_size, staining.z_size if "Z" in axes else None)
    table = measure(labels, mean, size, axes=axes, by_plane=True)
    rows = table["label"].to_numpy() - 1
    place = list(table).index("label") + 1
    for column in ("confidence", "doubt"):
        if column in columns:
            table.insert(place, column, columns[column][rows])
    return table
