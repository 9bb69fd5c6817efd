"""Objects of a virtual stain: found in its mean over all views, doubted by how they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.arguments import check_text, shown
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.layers import voxel_size
from napari_cytosynth.tasks.measure.table import measure

from .doubt import doubt_of
from .features import FEATURES
from .inside import CUT
from .passes import ObjectFinder
from .result import StainedObjects
from .search import plain_search, search

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ObjectDoubt

    from .source import VirtualStain

    Values = NDArray[np.float64]

__all__ = ["NUCLEAR", "check_stain", "find_objects", "object_stain"]

NUCLEAR = ("dna", "dapi", "hoechst", "nuclei", "nucleus", "propidium iodide", "pi")
USUAL_SEGMENTER = "fluo-nuclei-unet"
NUMBERS = ("area_px", "eccentricity")
_UNKNOWN = (
    "It is not known which of these objects are doubtful: the model's card has no such "
    "calibration for this stain."
)
_OF_THE_PART = (
    "Background and doubt of these objects were judged by the part of the image around the region: "
    "in a small one they may differ from those of the whole image."
)
_NO_NETWORK = (
    "It is not known which of these objects are doubtful: that needs the network of the run, "
    "which a result from elsewhere has not."
)


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
    inference = None if run is None else run.model.card.inference
    known = inference.doubt if inference else []
    name = _chosen(staining, stain, tuple(one.stain for one in known))
    block = None if inference is None else doubt_of(inference, name)
    mean = staining.mean[staining.channels.index(name)]
    with cancellable(resolve_progress(progress)) as tick:
        tick(0, 1, "Loading the model that finds objects")
        device = run.model.device if run else "auto"
        segmenter = ObjectFinder(load_model(block.segmenter if block else USUAL_SEGMENTER, device))
        if run is None or inference is None:
            labels, columns = plain_search(mean, segmenter, tick)
        else:
            labels, columns = search(staining, run, name, segmenter, block, tick)
    messages = [] if block else [_UNKNOWN if run else _NO_NETWORK]
    return _as_result(staining, name, labels, columns, block, segmenter, messages)


def _chosen(staining: VirtualStain, stain: str | None, known: tuple[str, ...]) -> str:
    if stain is not None:
        return check_stain(stain, staining.channels)
    found = object_stain(staining.channels, known)
    if found is None:
        names = ", ".join(staining.channels)
        raise InputError(f"None of the stains ({names}) is known to show nuclei: name one.")
    return found


def check_stain(stain: str, channels: tuple[str, ...]) -> str:
    """Return the name of a stain, if a result has it.

    Parameters
    ----------
    stain
        The name.
    channels
        All stains of the result.

    Raises
    ------
    InputError
        If it is none of them.
    """
    names = ", ".join(channels)
    if check_text(stain, "stain", f"the name of a stain: {names}") not in channels:
        raise InputError(f"There is no stain “{shown(stain)}” in this result, only {names}.")
    return stain


def _as_result(
    staining: VirtualStain,
    name: str,
    labels: NDArray[np.int32],
    columns: dict[str, Values],
    block: ObjectDoubt | None,
    segmenter: ObjectFinder,
    messages: list[str],
) -> StainedObjects:
    table = _table(staining, name, labels, columns)
    record = {
        "stain": name,
        "role": "objects",
        "segmenter": segmenter.model.card.name,
        "segmenter_sha256": segmenter.model.sha256,
    }
    features = {key: columns[key] for key in FEATURES if key in columns}
    numbers = {key: columns[key] for key in columns if key in NUMBERS or _of_stain(key)}
    if staining.region is not None:
        messages.append(_OF_THE_PART)
    return StainedObjects(labels, table, name, features, numbers, block, staining, messages, record)


def _of_stain(column: str) -> bool:
    """Return whether a column is a number of a stain, and no end of its interval."""
    return column.startswith(("mean ", "sum ")) and not column.endswith((" low", " high"))


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
    if staining.region is not None and staining.region.at_border == "mark":
        table[CUT] = columns[CUT][rows].astype(bool) if len(rows) else False
    for column in columns:
        if _of_stain(column) or column.endswith((" low", " high")):
            table[column.replace(" ", "_")] = columns[column][rows]
    return table
