"""The two layers of a segmentation in the viewer, which its later runs write to again."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .job import SegmentRunResult

__all__ = ["ResultLayers", "ResultRegister"]

_OWN = ("name", "features", "metadata", "contrast_limits", "colormap", "blending")


class ResultLayers:
    """Probability and labels of one image, kept apart from what the user edits.

    Parameters
    ----------
    viewer
        The napari viewer.
    result
        Result of the run that they show first.
    """

    _names: list[str]
    _attributes: dict[str, Any]
    _painted: bool
    _written: Callable[[], Any]

    def __init__(self, viewer: Any, result: SegmentRunResult) -> None:
        self._viewer = viewer
        self._remember(result)
        self.probability = self._add_probability(result)
        self.labels = self._add_labels(result.layers[1][0], result.layers[1][1])
        self.kept_edits = self.kept_corrections = False
        self.corrected = False
        """Whether the user corrected objects by hand, so that another run keeps these labels."""

    @property
    def alive(self) -> bool:
        """Whether at least one of the two is still in the viewer."""
        return self.labels in self._viewer.layers or self.probability in self._viewer.layers

    @property
    def unedited(self) -> bool:
        """Whether the labels are still in the viewer, as they were written."""
        return self.labels in self._viewer.layers and not self._edited()

    def fit(self, result: SegmentRunResult) -> bool:
        """Return whether another result has the same place for each of its pixels."""
        shapes = [np.shape(data) for data, *_ in result.layers[:2]]
        return self.alive and shapes == [self.probability.data.shape, self.labels.data.shape]

    def replace(self, result: SegmentRunResult) -> None:
        """Show another result of the same image; a layer that the user deleted comes again.

        Colours, opacity and visibility stay as the user set them. Labels that were edited stay
        as they are, and :attr:`kept_edits` says so; the new ones get a layer of their own.
        """
        (probability, attributes, _), (labels, label_attributes, _) = result.layers[:2]
        by_hand = self._edited() or self.corrected
        self.kept_edits = self.labels in self._viewer.layers and by_hand
        self.kept_corrections = self.kept_edits and self.corrected
        self.corrected = False
        old_names = self._names
        if self.probability in self._viewer.layers:
            _show_again(self.probability, probability, attributes, old_names[0])
        else:
            self.probability = self._add_probability(result)
        if self.labels in self._viewer.layers and not self.kept_edits:
            self.write(labels)
            _show_again(self.labels, None, label_attributes, old_names[1])
            self.labels.features = label_attributes["features"]
        else:
            self._unwatch()
            self.labels = self._add_labels(labels, label_attributes)
        self._remember(result)

    def write(self, data: Any) -> None:
        """Replace the pixels of the labels by the widget's own, which are no edit."""
        self.labels.data = data
        self._written = weakref.ref(self.labels.data)

    def writable(self) -> Any:
        """Return the labels, or a new layer where the user edited them or deleted them."""
        if self.unedited:
            return self.labels
        self._unwatch()
        self.labels = self._add_labels(np.zeros(self.labels.data.shape, np.int32), self._attributes)
        return self.labels

    def _edited(self) -> bool:
        """Return whether the user painted in the labels, or put other data in their place."""
        return self._painted or self.labels.data is not self._written()

    def _remember(self, result: SegmentRunResult) -> None:
        """Keep what a new labels layer needs; the table would keep its arrays alive."""
        self._names = [attributes["name"] for _, attributes, _ in result.layers[:2]]
        own = result.layers[1][1].items()
        self._attributes = {name: value for name, value in own if name != "features"}

    def _add_probability(self, result: SegmentRunResult) -> Any:
        data, attributes, _ = result.layers[0]
        # The objects are to be seen on the image, not on a grey copy of it.
        return self._viewer.add_image(data, visible=False, **attributes)

    def _add_labels(self, data: Any, attributes: dict[str, Any]) -> Any:
        layer = self._viewer.add_labels(data, **attributes)
        self._painted = False
        self._written = weakref.ref(layer.data)
        layer.events.paint.connect(self._on_paint)
        return layer

    def _unwatch(self) -> None:
        self.labels.events.paint.disconnect(self._on_paint)

    def _on_paint(self, _event: Any = None) -> None:
        self._painted = True


def _show_again(layer: Any, data: Any, attributes: dict[str, Any], old_name: str) -> None:
    """Give a layer the data, place and record of another result, and nothing of its looks."""
    if data is not None:
        layer.data = data
    for name, value in attributes.items():
        if name not in _OWN:
            setattr(layer, name, value)
    if layer.name == old_name:  # the user gave it no other
        layer.name = attributes["name"]
    layer.metadata = {**layer.metadata, **attributes["metadata"]}


class ResultRegister:
    """The layers of a widget's results, so that another run of an image finds its own.

    A result belongs to its image layer, channels, plane and kind of objects: nuclei and cells of
    one image, or two of its planes, have layers of their own.
    """

    def __init__(self) -> None:
        self._results: weakref.WeakKeyDictionary[Any, dict[Any, ResultLayers]] = (
            weakref.WeakKeyDictionary()
        )

    def show(self, viewer: Any, source: Any, result: SegmentRunResult) -> ResultLayers:
        """Show a result in its image's layers, or in new ones.

        Parameters
        ----------
        viewer
            The napari viewer.
        source
            The image layer; None if it is gone.
        result
            Result of the run.
        """
        known = self._results.setdefault(source, {}) if source is not None else {}
        segmentation = result.segmentation
        key = (segmentation.objects, segmentation.position, segmentation.channel)
        layers = known.get(key)
        if layers is not None and layers.fit(result):
            layers.replace(result)
        else:
            layers = known[key] = ResultLayers(viewer, result)
        return layers

    def prune(self) -> None:
        """Release the layers of which the user deleted both."""
        for known in self._results.values():
            for key in [key for key, layers in known.items() if not layers.alive]:
                del known[key]

    def forget(self) -> None:
        """Leave all layers to the user."""
        self._results.clear()
