"""Layers of a segmentation, whose labels follow the threshold plane by plane."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.common.axes import plane_slices, runs_along_z
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.correct import correct_plane, correct_run
from napari_cytosynth.tasks.segment.confidence import count_doubtful
from napari_cytosynth.widgets.common.layers import format_number, plane_in_view

from .job import OwnColumns
from .linked import LinkedCounts, linked_plane, planes_corrected_elsewhere
from .repaint import repaint

if TYPE_CHECKING:
    from napari_cytosynth.tasks.correct import Correction, Corrections
    from napari_cytosynth.tasks.segment.flows.objects import FlowObjects
    from napari_cytosynth.tasks.segment.instances import LabelOptions
    from napari_cytosynth.tasks.segment.tree import ComponentTree, TreeView

    from .job import Plane, RelabelResult, SegmentRunResult
    from .result_layers import ResultLayers

__all__ = ["LiveSegmentation", "Readout"]

# A tree of 2048² takes some hundred megabytes: the plane in view and the one before.
_MAX_TREES = 2


@dataclass(frozen=True)
class Readout:
    """Count and area of the objects at the current threshold."""

    count: int | None
    """None until they are counted."""
    area_px: int
    plane_px: int
    whole: bool
    linked: bool = False
    """Whether planes are linked, and `count` is that of the plane in view."""
    stack: int | None = None
    """Objects of the stack in view, where planes are linked; None until they are counted."""
    stack_threshold: float | None = None
    """Threshold of `stack`, if it is not the current one yet."""
    doubtful: int | None = None
    """How many of the objects (of the stack, where planes are linked) are doubtful, if known."""
    hidden: int | None = None
    """How many objects are hidden for their low confidence; None where none are to be."""
    trusted: bool = True
    """Whether the confidences hold: the image did not look unlike those of the training."""
    in_region: bool = False
    """Whether `plane_px` are those of a region alone."""

    def sentence(self, pixel_area: float, unit: str) -> str:
        """Return a line such as '212 objects · 34 % of the plane · 4 567 µm²'.

        Where planes are linked, it begins with '12 in this plane · 34 in the stack'.
        """
        noun = "object" if self.count == 1 else "objects"
        count = "counting …" if self.count is None else f"{self.count} {noun}"
        if self.linked:
            count = f"{_counted(self.count)} in this plane · {_counted(self.stack)} in the stack"
            if self.stack_threshold is not None:
                count += f" (at {self.stack_threshold:.4g})"
        count += self._doubts()
        where = "region" if self.in_region else "stack" if self.whole else "plane"
        percent = 100 * self.area_px / max(self.plane_px, 1)
        size = self.area_px * pixel_area
        return f"{count} · {percent:.3g} % of the {where} · {format_number(size)} {unit}"

    def _doubts(self) -> str:
        if self.hidden is not None:
            how = "" if self.trusted else " by a confidence that is unsure here"
            return f" · {self.hidden} doubtful hidden{how}"
        total = self.stack if self.linked else self.count
        if self.doubtful is None or not total:
            return ""
        if not self.trusted:  # a number would look as if it were known
            return ", confidence unknown: the image is unlike the training"
        return f", {self.doubtful or 'none'} of them doubtful"


def _counted(count: int | None) -> str:
    return "counting …" if count is None else str(count)


class LiveSegmentation:
    """Segmentation and its layers in the viewer, relabelled as the threshold moves.

    Parameters
    ----------
    viewer
        The napari viewer.
    result
        Result of the run.
    layers
        Its layers.
    """

    def __init__(self, viewer: Any, result: SegmentRunResult, layers: ResultLayers) -> None:
        self._viewer = viewer
        self._layers = layers
        self.segmentation = result.segmentation
        self.counts = result.counts
        self.stain = result.stain
        self.own_threshold = result.segmentation.model_threshold
        self._trees: OrderedDict[Plane, ComponentTree | FlowObjects] = OrderedDict(result.trees)
        self._area: int | None = None
        self.linked_counts = LinkedCounts()
        self._own: OwnColumns | None = None
        self._rows: Any = None

    @property
    def labels_layer(self) -> Any:
        """The labels layer that the slider writes to (perhaps no longer in the viewer)."""
        return self._layers.labels

    @property
    def probability_layer(self) -> Any:
        """The probability layer (perhaps no longer in the viewer)."""
        return self._layers.probability

    @property
    def alive(self) -> bool:
        """Whether at least one of the two layers is still in the viewer."""
        return self._layers.alive

    def plane(self) -> Plane:
        """Return the plane of the result that is in view."""
        axes = self.segmentation.axes
        if axes == "YX":
            return ()
        labels = self._layers.labels
        if len(axes) != labels.ndim:  # a channel axis of length 1 is among them
            axes = self.segmentation.layer_axes
        return plane_in_view(self._viewer, labels, axes)

    def labels_in_view(self) -> np.ndarray:
        """Return the labels (Y, X) of the plane in view."""
        segmentation = self.segmentation
        labels = self._layers.labels.data.reshape(segmentation.probability.shape)
        return np.asarray(labels[plane_slices(segmentation.axes, self.plane())])

    def own_columns(self) -> OwnColumns | None:
        """Return what the user has added to the table, to be kept in the next one; or None."""
        from napari_cytosynth.tasks.measure.own_columns import has_own_columns

        features = self._with_rows_of_before(self._layers.labels.features)
        # what was corrected is known anew, and may have been taken back
        features = features.drop(columns="correction", errors="ignore")
        if len(features) or self._own is None:  # else it is empty until it is measured
            has = has_own_columns(features)
            self._own = OwnColumns(self.segmentation, features) if has else None
        return self._own

    def _with_rows_of_before(self, features: Any) -> Any:
        """Return a table with rows of objects that a correction took away, for its undoing."""
        import pandas as pd

        if "label" not in features or not len(features):
            return features
        if self._rows is not None:
            gone = self._rows[~self._rows["label"].isin(features["label"])]
            features = pd.concat([features, gone], ignore_index=True) if len(gone) else features
        self._rows = features
        if "correction" in features:  # numbers of new objects may come again for others
            self._rows = features[~features["correction"].isin(["cut", "painted"])]
        return features

    def needs_tree(self) -> Plane | None:
        """Return the plane in view if its component tree is not built yet, else None."""
        plane = self.plane()
        return None if plane in self._trees else plane

    def add_tree(self, plane: Plane, tree: ComponentTree | FlowObjects) -> None:
        """Keep a tree, in place of the one that was used longest ago."""
        self._trees[plane] = tree
        self._trees.move_to_end(plane)
        while len(self._trees) > _MAX_TREES:
            self._trees.popitem(last=False)

    def show(self, options: LabelOptions) -> Readout:
        """Show the plane in view at another threshold, at once.

        Touching objects are split here if that was done by flows; other ways take longer than
        a frame. Until the tree of this plane is there, it is labelled anew; of a large plane,
        and of one that is split by flows, all foreground then has the same label.
        """
        layer = self._layers.writable()
        plane = self.plane()
        segmentation = self.segmentation
        where = plane_slices(segmentation.axes, plane)
        target = layer.data.reshape(segmentation.probability.shape)[where]
        tree = self._tree(plane)
        if self._links(options):
            readout = self._show_linked(plane, options, target)
        elif tree is None:
            readout = _foreground(segmentation.probability[where], options, target)
        else:
            out = target if target.flags.c_contiguous else None
            view = tree.at(options.threshold, options, out=out)
            if view.labels is not target:
                target[...] = view.labels
            readout = _of_view(view, options, target.size)
        readout = self._corrected(plane, target, readout, options)
        repaint(layer)
        return self._of_region(readout, plane)

    def _tree(self, plane: Plane) -> Any:
        """Return the tree of a plane or what stands in for it; None if neither is there."""
        return self._trees.get(plane) or self.segmentation.labelled_anew(plane)

    def _corrected(
        self, plane: Plane, target: np.ndarray, readout: Readout, options: LabelOptions
    ) -> Readout:
        """Correct the plane in view as the user did at other thresholds; count again."""
        corrections, planes = self.segmentation.corrections, {plane: target}
        if self._links(options) and corrections.done:
            run = self._runs()[self._run(plane)]
            planes |= planes_corrected_elsewhere(self.segmentation, plane, run, options)
        made = [one for one in corrections.done if one.plane in planes]
        if not made:
            return readout
        correct_run(planes, made) if readout.linked else correct_plane(target, made)
        shown = _plane_readout(target)
        count = None if readout.count is None else shown.count
        return replace(readout, count=count, area_px=shown.area_px)

    def correct(self, corrections: Corrections, one: Correction | None = None) -> None:
        """Keep other corrections by hand; one more is done in the plane in view, at once."""
        self.segmentation = self.segmentation.corrected(corrections)
        self._layers.corrected = bool(corrections)
        self.linked_counts = LinkedCounts()
        layer = self._layers.labels
        if self._layers.unedited:  # so that another run, or another session, finds them there
            layer.metadata = {**layer.metadata, KEY: self.segmentation.provenance}
        if one is not None:
            correct_plane(self.labels_in_view(), (one,))
            repaint(layer)

    @property
    def corrections_without_effect(self) -> int:
        """How many corrections do nothing at the threshold of the last labels, as far as known."""
        known = "labels" in vars(self.segmentation)  # made in the background
        return self.segmentation.without_effect if known else 0

    @property
    def unedited(self) -> bool:
        """Whether the labels are in the viewer, as this widget wrote them."""
        return self._layers.unedited

    def _links(self, options: LabelOptions) -> bool:
        return options.link_planes and "Z" in self.segmentation.axes

    def _show_linked(self, plane: Plane, options: LabelOptions, target: np.ndarray) -> Readout:
        """Write the objects of the stack into the plane in view; count both."""
        segmentation = self.segmentation
        labels = linked_plane(segmentation, plane, options, self._tree(plane))
        run = self._run(plane)
        stack, threshold = self.linked_counts.count(segmentation, options, run)
        doubtful, hidden = self.linked_counts.doubts(segmentation, options, run)
        if labels is None:
            found = _foreground(segmentation.probability_plane(plane), options, target)
        else:
            target[...] = labels
            found = _plane_readout(target)
            count = self.linked_counts.in_plane(segmentation, options, plane, found.count or 0)
            found = replace(found, count=count)
        found = replace(found, linked=True, stack=stack, stack_threshold=threshold)
        return replace(found, doubtful=doubtful, hidden=hidden if options.min_confidence else None)

    def _runs(self) -> list[list[Plane]]:
        return list(runs_along_z(self.segmentation.axes, self.segmentation.shape).values())

    def _run(self, plane: Plane) -> int:
        """Return the number of the run along Z that a plane is in."""
        return next(number for number, run in enumerate(self._runs()) if plane in run)

    def apply(self, update: RelabelResult) -> Readout:
        """Show the whole stack as relabelled in the background."""
        layer = self._layers.writable()
        if update.segmentation.splits_by_flows != self.segmentation.splits_by_flows:
            self._trees.clear()
        if update.segmentation.options != self.segmentation.options:
            self._rows = None  # numbers are others
        self.segmentation = update.segmentation
        self._area = None
        shape = layer.data.shape
        self._layers.write(update.labels.reshape(shape))
        # none rather than those of other objects, until they are measured
        layer.features = {} if update.table is None else update.table
        layer.metadata = {**layer.metadata, KEY: update.segmentation.provenance}
        return self.readout()

    def apply_table(self, update: RelabelResult) -> None:
        """Show the table of labels that are shown already."""
        if self._layers.unedited:
            self._layers.labels.features = update.table

    def _of_region(self, readout: Readout, plane: Plane | None) -> Readout:
        """Return a readout whose share is that of the region, if any; of all planes for None."""
        region = self.segmentation.region
        if region is None:
            return readout
        pixels = (
            self.segmentation.pixel_count
            if plane is None
            else int(np.count_nonzero(region.mask(plane)))
        )
        return replace(readout, plane_px=pixels, in_region=True)

    def readout(self) -> Readout:
        """Count the objects of the whole result."""
        return self._of_region(self._whole_readout(), None)

    def _whole_readout(self) -> Readout:
        labels = self.segmentation.labels
        if self._area is None:
            self._area = int(np.count_nonzero(labels))
        area = self._area
        whole = labels.ndim > 2
        if self.segmentation.links_planes:
            plane = self.plane()
            shown = _plane_readout(labels[plane_slices(self.segmentation.axes, plane)])
            run = self._run(plane)
            stack = self.segmentation.run_counts[run]
            linked: dict[str, Any] = {"linked": True, "stack": stack} | self._doubts(run)
            return Readout(shown.count, area, labels.size, whole, **linked)
        return Readout(len(self.segmentation.table), area, labels.size, whole, **self._doubts(0))

    def _doubts(self, run: int) -> dict[str, Any]:
        """Return the doubtful and the hidden objects of the whole result, or of a run."""
        segmentation = self.segmentation
        doubtful, hidden = segmentation.doubtful_counts, segmentation.hidden_counts
        if doubtful is None or hidden is None:
            return {}
        hides = segmentation.options.min_confidence > 0
        return {"doubtful": doubtful[run], "hidden": hidden[run] if hides else None}

    def confidences(self) -> np.ndarray | None:
        """Return the confidence in every object, hidden or not; None where it is unknown."""
        segmentation = self.segmentation
        if not segmentation.has_confidence:
            return None
        known: np.ndarray
        sizes = segmentation.prepared_sizes if segmentation.links_planes else None
        if sizes is not None:
            known = sizes.stack.confidence[1:]
        else:
            known = segmentation.owned.all_confidences(segmentation.options.min_size)
        return known

    def pixel_area(self, readout: Readout) -> tuple[float, str]:
        """Return the size of what a readout counts, and its unit, as the table has them.

        Pixels have areas; voxels of a whole stack whose planes are linked have volumes.
        """
        size, depth = self.segmentation.pixel_size, self.segmentation.z_size
        volumes = readout.linked and readout.whole
        if size is None or (volumes and depth is None):
            return 1.0, "voxels" if volumes else "px"
        area = float(size[0] * size[1])
        return (area * depth, "µm³") if volumes and depth is not None else (area, "µm²")


def _of_view(view: TreeView, options: LabelOptions, plane_px: int) -> Readout:
    """Return the readout of the objects of one plane."""
    hides = options.min_confidence > 0 and view.confidence is not None
    return Readout(
        view.count,
        view.total_area,
        plane_px,
        whole=False,
        doubtful=count_doubtful(view.confidence),
        hidden=view.hidden if hides else None,
    )


def _plane_readout(labels: np.ndarray) -> Readout:
    from napari_cytosynth.tasks.link import object_areas

    areas = object_areas(labels)
    return Readout(int(np.count_nonzero(areas)), int(areas.sum()), labels.size, whole=False)


def _foreground(probability: np.ndarray, options: LabelOptions, target: np.ndarray) -> Readout:
    np.greater_equal(probability, options.threshold, out=target, casting="unsafe")
    area = int(np.count_nonzero(target))
    return Readout(None, area, target.size, whole=False)
