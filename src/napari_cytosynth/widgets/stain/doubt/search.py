"""Background job that finds the nuclei of a virtual stain and how doubtful each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.widgets.stain.hiding import NucleusRule
from napari_cytosynth.widgets.stain.job import place_of

from .colours import DOUBT_COLOURS, UNKNOWN_COLOURS
from .walk import stops_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.widgets.stain.job import LayerData

    from .walk import Stop

    Floats = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int32]

__all__ = ["FoundNuclei", "find_nuclei"]

_REACH_PX = 5
"""Width of the surroundings that go with a nucleus: what light of it the optics spread there."""
_LINE_PX = 2


@dataclass(eq=False)
class FoundNuclei:
    """Nuclei of a virtual stain, and all that is shown of them.

    Attributes
    ----------
    objects
        The result of the search.
    rule
        Hides them by their doubt.
    outlines
        Layer data of their outlines, at the height of their doubt.
    labels
        Layer data of the labels, with the table.
    stops
        Where to look, the most doubtful first.
    """

    objects: Any
    rule: NucleusRule
    outlines: LayerData
    labels: LayerData
    stops: list[Stop]


def find_nuclei(
    staining: Any, stain: str, find: Callable[..., Any] | None, progress: Progress
) -> FoundNuclei:
    """Find the nuclei of a virtual stain.

    Parameters
    ----------
    staining
        Result of a run.
    stain
        Name of the stain that shows nuclei.
    find
        Finds them, as the result's own ``objects`` does. None: that.
    progress
        Raises `Cancelled` to stop.

    Raises
    ------
    CytosynthError
        With the sentence that the user reads.
    """
    search = staining.objects if find is None else partial(find, staining)
    objects = search(stain, progress=progress)
    progress(0, 0, "Drawing outlines")
    data, attributes, kind = objects.to_layer()
    labels = np.ascontiguousarray(data, np.int32)
    owners = _surroundings(labels)
    doubts = objects.doubt
    if doubts is None:
        doubts = np.full(int(labels.max(initial=0)) + 1, np.nan)
    attributes = {**attributes, "visible": False}
    return FoundNuclei(
        objects,
        NucleusRule(owners, doubts),
        _outlines(objects, labels, attributes),
        (data, attributes, kind),
        stops_of(objects),
    )


def _surroundings(labels: Labels) -> Labels:
    """Return labels that reach a little farther, plane by plane."""
    from skimage.segmentation import expand_labels

    expand: Callable[[Labels, int], Labels] = expand_labels
    found = np.empty_like(labels)
    for plane in np.ndindex(labels.shape[:-2]):
        found[plane] = expand(labels[plane], _REACH_PX)
    return found


def _outlines(objects: Any, labels: Labels, attributes: dict[str, Any]) -> LayerData:
    doubts = objects.doubt
    known = doubts is not None
    levels = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
    if known:
        levels = np.nan_to_num(doubts).astype(np.float32)
    values = np.full(labels.shape, np.nan, np.float32)
    for plane in np.ndindex(labels.shape[:-2]):
        line = _line(labels[plane])
        values[plane][line] = levels[labels[plane][line]]
    record = {**attributes["metadata"][KEY], "role": "outlines"}
    shown = {
        **place_of(attributes),
        "name": f"{objects.stain} · doubt of {objects.objects}" if known
        else f"{objects.stain} · {objects.objects}, doubt unknown",
        "colormap": DOUBT_COLOURS if known else UNKNOWN_COLOURS,
        "contrast_limits": (0.0, 1.0),
        "interpolation2d": "nearest",
        "blending": "translucent_no_depth",
        "metadata": {KEY: record},
    }  # fmt: skip
    return values, shown, "image"


def _line(labels: Labels) -> npt.NDArray[np.bool_]:
    """Return the pixels at the rim of each object, within it."""
    from scipy import ndimage

    size = 2 * _LINE_PX + 1
    low, high = (
        function(labels, size, mode="nearest")
        for function in (ndimage.minimum_filter, ndimage.maximum_filter)
    )
    found: npt.NDArray[np.bool_] = (labels > 0) & (low != high)
    return found
