"""Background jobs of the Segment widget: values in, values out, no Qt.

Nothing heavy is imported before a job runs, so that the widget opens at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CytosynthError

from .field.job import preview_field

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.region import Region
    from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
    from napari_cytosynth.tasks.segment.instances import LabelOptions
    from napari_cytosynth.tasks.segment.tree import ComponentTree
    from napari_cytosynth.widgets.common.in_view import FieldRequest
    from napari_cytosynth.widgets.common.snapshot import LayerSnapshot
    from napari_cytosynth.zoo.loading import KeptModel


__all__ = [
    "OwnColumns",
    "RelabelResult",
    "SegmentRequest",
    "SegmentRunResult",
    "StackCounts",
    "StainSnapshots",
    "compute",
    "count_stack",
    "measured",
    "relabel",
    "relabel_only",
]

Plane = tuple[int, ...]

_DEPTH = {
    False: "The z step is not known: volumes and surfaces are in voxels only. Enter it under "
    "“Advanced” for physical ones.",
    True: "Pixel size and z step are not known: volumes and surfaces are in voxels only. Enter "
    "both under “Advanced” for physical ones.",
}
"""Of a stack, by whether the pixel size is unknown, too."""
_NOT_USED = {False: "was not measured in", True: "gave no doubt"}
"""Of a layer that does not fit, by whether it holds doubts."""


@dataclass(frozen=True, eq=False)
class StainSnapshots:
    """Copies of what a virtual stain has beside it, where it is the image.

    Attributes
    ----------
    uncertainty
        Of each pixel, for the column ``mean_uncertainty``. Default: None.
    objects
        The nuclei that were found in it, for the column ``doubt``. Default: None.
    """

    uncertainty: LayerSnapshot | None = None
    objects: LayerSnapshot | None = None


@dataclass(frozen=True, eq=False)
class OwnColumns:
    """Columns that the user has added to the table of a result.

    Attributes
    ----------
    segmentation
        The result.
    features
        Its table.
    """

    segmentation: Any
    features: Any

    def kept_in(self, table: Any, segmentation: Any) -> Any:
        """Return the table of the result at another threshold with these columns."""
        from napari_cytosynth.tasks.measure.own_columns import keep_own_columns, labels_before

        axes, old = segmentation.axes, self.segmentation.labels
        found = labels_before(segmentation.labels, old, axes)
        before = table["label"].map(found).fillna(0).astype("int64")
        return keep_own_columns(table, self.features, axes.lower().strip("yx"), before)


@dataclass(frozen=True, eq=False)
class SegmentRequest:
    """Input of a run: image, model and options, read from the widget when Run was pressed.

    An option that is None is the one of the model's card.
    """

    image: LayerSnapshot
    model: str
    axes: str | None
    channels: tuple[int, ...] | None
    planes: Plane | None
    device: str
    threshold: float | None
    min_size: int | None
    fill_holes: bool
    split_touching: bool | None
    drop_border: bool
    resample: bool
    pixel_size: float | tuple[float, ...] | None
    visible: Plane
    intensity: tuple[LayerSnapshot, ...] = ()
    diameter: float | None = None
    """Of the objects, in px of the image."""
    stain: StainSnapshots | None = None
    """Of the virtual stain that is segmented."""
    link_planes: bool = True
    min_confidence: float = 0.0
    region: Region | None = None
    """To which the run is limited."""
    at_border: str = "keep"


@dataclass(eq=False)
class SegmentRunResult:
    """Result of a run: segmentation, layers, component trees and histogram."""

    segmentation: Any
    layers: list[tuple[Any, dict[str, Any], str]]
    trees: dict[Plane, ComponentTree | FlowObjects]
    counts: np.ndarray
    messages: list[str] = field(default_factory=list)
    stain: StainSnapshots | None = None


@dataclass(eq=False)
class RelabelResult:
    """Result of relabelling: labels and table of the whole stack at another threshold.

    The table is None until it is measured.
    """

    segmentation: Any
    labels: np.ndarray
    table: Any
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StackCounts:
    """Objects of a stack whose planes are linked, as they were counted in its labels.

    Attributes
    ----------
    runs
        Of each run along Z.
    planes
        In each plane.
    doubtful, hidden
        Of each run, how many are doubtful, and how many more are hidden; None where that is
        unknown.
    """

    runs: list[int]
    planes: dict[Plane, int]
    doubtful: list[int] | None = None
    hidden: list[int] | None = None


def compute(
    request: SegmentRequest,
    progress: Progress,
    segment: Callable[..., Any] | None,
    kept: KeptModel,
    field: FieldRequest | None = None,
) -> SegmentRunResult:
    """Run the model, measure the objects and prepare the threshold slider.

    Parameters
    ----------
    request
        Image, model and options of the run.
    progress
        Raises `Cancelled` to stop the run.
    segment
        Function that runs the network, given the model's source. None:
        :func:`napari_cytosynth.segment`, given the loaded model.
    kept
        Keeps the model from one run to the next.
    field
        What is in view of a large image, and is shown first. Default: None.

    Raises
    ------
    CytosynthError
        With the sentence that the user reads.
    """
    progress(0, 0, "Loading the model")
    from napari_cytosynth.tasks.segment.task import segment as run_network

    loaded = None
    if segment is None:
        loaded = kept.load(request.model, request.device, progress=progress)
        if field is not None:
            preview_field(request, field, loaded, progress, run_network)
    segmentation = (segment or run_network)(
        request.image,
        loaded or request.model,
        threshold=request.threshold,
        min_size=request.min_size,
        fill_holes=request.fill_holes,
        split_touching=request.split_touching,
        drop_border=request.drop_border,
        link_planes=request.link_planes,
        min_confidence=request.min_confidence,
        axes=request.axes,
        channels=request.channels,
        planes=request.planes,
        resample=request.resample,
        pixel_size=request.pixel_size,
        diameter=request.diameter,
        device=request.device,
        progress=progress,
        **_limits(request),
    )
    return _prepare(request, segmentation, progress)


def _limits(request: SegmentRequest) -> dict[str, Any]:
    if request.region is None:
        return {}
    return {"region": request.region, "at_border": request.at_border}


def _prepare(request: SegmentRequest, segmentation: Any, progress: Progress) -> SegmentRunResult:
    from .histogram import histogram

    progress(0, 0, "Measuring the objects")
    layers = segmentation.to_layers()
    messages = _in_words_of_the_form(segmentation)
    table, warning = _measured(segmentation, request.intensity, request.stain)
    layers[1][1]["features"] = table
    messages += warning
    if segmentation.doubt:
        messages.append(f"⚠ {segmentation.doubt}")
    trees = {}
    if segmentation.splits_by_flows:  # else the widget builds it, after the result is shown
        progress(0, 0, "Preparing the threshold slider")
        plane = seen_plane(segmentation, request.visible)
        trees[plane] = segmentation.tree(plane)
    counts = histogram(segmentation.probability)
    prepare_counts(segmentation, progress)
    return SegmentRunResult(segmentation, layers, trees, counts, messages, request.stain)


def _in_words_of_the_form(segmentation: Any) -> list[str]:
    """Return the messages of a run, where one names an argument with the field in its place."""
    from napari_cytosynth.tasks.common.messages import topic_of

    # below Run stands in what the image is unlike those of the training
    shown = [text for text in segmentation.messages if topic_of(text) != "unlike training"]
    depth = _DEPTH[segmentation.pixel_size is None]
    return [depth if topic_of(text) == "unknown depth" else text for text in shown]


def relabel(
    segmentation: Any,
    options: LabelOptions,
    intensity: tuple[LayerSnapshot, ...],
    progress: Progress,
    stain: StainSnapshots | None = None,
    own: OwnColumns | None = None,
) -> RelabelResult:
    """Label and measure the whole stack at another threshold; the network is not run."""
    update = relabel_only(segmentation, options, progress)
    return measured(update, intensity, progress, stain, own)


def relabel_only(segmentation: Any, options: LabelOptions, progress: Progress) -> RelabelResult:
    """Label the whole stack at another threshold; it has no table yet."""
    new = segmentation.at_threshold(**asdict(options), progress=progress)
    prepare_counts(new, progress)
    return RelabelResult(new, new.labels, None)


def measured(
    update: RelabelResult,
    intensity: tuple[LayerSnapshot, ...],
    progress: Progress,
    stain: StainSnapshots | None = None,
    own: OwnColumns | None = None,
) -> RelabelResult:
    """Return labels that were made, with their table and the user's own columns."""
    progress(0, 0, "Measuring the objects")
    table, messages = _measured(update.segmentation, intensity, stain)
    if own is not None:
        table = own.kept_in(table, update.segmentation)
    progress(0, 0, "Measured")
    return RelabelResult(update.segmentation, update.labels, table, messages)


def prepare_counts(segmentation: Any, progress: Progress) -> None:
    """Prepare the counts of a stack whose planes are linked, so that they are live."""
    if segmentation.links_planes:
        segmentation.object_sizes(progress)
        _ = segmentation.run_counts, segmentation.doubtful_counts


def count_stack(segmentation: Any, options: LabelOptions, progress: Progress) -> StackCounts:
    """Count the objects of each run along Z, and in each plane, at another threshold."""
    from napari_cytosynth.tasks.common.axes import plane_slices
    from napari_cytosynth.tasks.link import object_areas

    new = segmentation.at_threshold(**asdict(options), progress=progress)
    planes = {
        plane: int((object_areas(new.labels[plane_slices(new.axes, plane)]) > 0).sum())
        for plane in new.plane_indices()
    }
    return StackCounts(new.run_counts, planes, new.doubtful_counts, new.hidden_counts)


def _measured(
    segmentation: Any, intensity: tuple[LayerSnapshot, ...], stain: StainSnapshots | None
) -> tuple[Any, list[str]]:
    """Return the table, and warnings about layers that do not fit and were not measured in."""
    images, messages = _measurable(segmentation, intensity)
    used: dict[str, Any] = {}
    table = segmentation.table
    if images:
        try:
            table = segmentation.measure(intensity=images)
        except CytosynthError as error:
            messages.append(f"⚠ {error}")
        else:
            used["intensity"] = images
    beside = {} if stain is None else {"uncertainty": stain.uncertainty, "doubt": stain.objects}
    for name, layer in beside.items():
        if layer is None:
            continue
        part: Any = layer
        if name == "doubt":  # which is in the table of the layer, not in its pixels
            position = getattr(segmentation, "position", None)
            part = replace(layer, data=layer.pixels(segmentation.probability.ndim, position))
        try:
            table = segmentation.measure(**used, **{name: part})
        except CytosynthError as error:
            messages.append(f"⚠ “{layer.name}” {_NOT_USED[name == 'doubt']}: {error}")
        else:
            used[name] = part
    return table, messages


def _measurable(
    segmentation: Any, layers: tuple[LayerSnapshot, ...]
) -> tuple[list[LayerSnapshot], list[str]]:
    """Return the layers that can be measured in, and why the others cannot."""
    reasons = [(layer, segmentation.misfit(layer)) for layer in layers]
    messages = [f"⚠ “{one.name}” {_NOT_USED[False]}: {reason}" for one, reason in reasons if reason]
    return [layer for layer, reason in reasons if not reason], messages


def seen_plane(segmentation: Any, index: Plane) -> Plane:
    """Return the plane of a result at an index into its source's leading axes.

    A result of a single plane has no leading axes: its index is (). An index that does not
    fit gives the first plane, since a finished result must not be lost for it.
    """
    leading = segmentation.probability.ndim - 2
    return index if len(index) == leading else (0,) * leading
