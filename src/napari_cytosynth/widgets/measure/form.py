"""The form of the Measure widget."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, PushButton
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from napari_cytosynth.widgets.common import layers
from napari_cytosynth.widgets.common.parts import (
    align_captions,
    make_scrollable,
    narrow,
    plain_label,
    size_box,
)
from napari_cytosynth.widgets.common.region_rows import RegionRows

from .layer_list import LayerList

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MeasureForm"]

_CAPTION = 78  # px, as of all forms
_IN = (
    "Also measure the brightness of every object in these layers, where they lie: min, max, mean, "
    "standard deviation, median and sum. Of a virtual stain whose nuclei were found, the objects "
    "get their doubt and the intervals of their numbers, too."
)


class MeasureForm(Container[Any]):
    """Fields: the labels, what they are measured in, and what else is wanted.

    Attributes
    ----------
    objects, axes, parents, neighbours, region, at_border, link_time, max_distance
        magicgui widgets, each with a ``value``.
    intensity
        The layers to measure in: ``value`` is a list, and takes a layer or several.
    ratio_of, ratio_to
        Two of these layers, or None.
    status
        The sentence that the user reads.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._guessed_for: Callable[[], Any] = lambda: None
        self._make_fields(viewer)
        rows = [self._objects, self._axes]
        super().__init__(widgets=rows, labels=True)
        align_captions(self)
        layout = self.native.layout()
        layout.addWidget(self._captioned("measure in", self.intensity))
        more = [self.ratio_of, self.ratio_to, self.parents, self.neighbours, *self._inside.rows()]
        more += [self.link_time, self.max_distance, *self._sizes, self._button]
        self._more = Container(widgets=more, labels=True)
        self._row = Container(widgets=[self._show, self._save], layout="horizontal", labels=False)
        for part in (self._more, self._row):
            part.margins = (0, 0, 0, 0)
            layout.addWidget(part.native)
        align_captions(self._more)
        layout.addWidget(self.status.native)
        make_scrollable(self.native)
        self.intensity.itemChanged.connect(lambda *_: self._on_intensity())
        self._objects.changed.connect(self._on_objects)
        self._axes.changed.connect(self._on_axes)
        self.link_time.changed.connect(self._on_axes)

    def _make_fields(self, viewer: Any) -> None:
        self._objects = ComboBox(
            name="objects",
            choices=lambda _: layers.label_layers(viewer),
            tooltip="The labels to measure.",
        )
        self._axes = ComboBox(
            name="axes",
            choices=lambda _: layers.axes_choices(self._objects.value),
            tooltip="What the axes of the labels are. Along Z a number is one object with a "
            "volume; in every time point it is measured anew.",
        )
        self.intensity = LayerList()
        self.intensity.setToolTip(_IN)
        self.ratio_of, self.ratio_to = (
            ComboBox(
                name=name,
                label=label,
                choices=lambda _: self.intensity.value,
                nullable=True,
                tooltip="Ratio of the mean intensities in two of the layers that are ticked.",
            )
            for name, label in (("ratio_of", "ratio of"), ("ratio_to", "to"))
        )
        self.parents = ComboBox(
            name="parents",
            label="lie in",
            choices=lambda _: self._other_labels(),
            nullable=True,
            tooltip="Other labels, such as the cells around nuclei: each object gets the number of "
            "the one that it lies in, and these get the count of what lies in them.",
        )
        self.neighbours = CheckBox(
            name="neighbours",
            text="next and touching objects",
            tooltip="Find the next object of each (between centroids), and count those that touch.",
        )
        self._inside = RegionRows(viewer)
        self.region, self.at_border = self._inside.rows()
        self.link_time = CheckBox(
            name="link_time",
            text="link through time",
            tooltip="Give objects of all time points that overlap one number (track), with "
            "divisions and gaps of two time points, and show the tracks.",
        )
        self.max_distance = size_box(
            "max_distance", "moves at most", "How far objects that do not overlap may move"
        )
        self.max_distance.tooltip = (
            "How far the centroid of an object may move from one time point to the next, in µm (px "
            "where the pixel size is unknown). 0: what does not overlap is not linked."
        )
        about = "Size of a voxel along this axis."
        self._sizes = tuple(
            size_box(f"{axis}_size", f"{axis} size, µm", about) for axis in ("z", "y", "x")
        )
        self.z_size, self.y_size, self.x_size = self._sizes
        for box in (self._objects, self._axes, self.ratio_of, self.ratio_to, self.parents):
            narrow(box)
        self._button = PushButton(name="measure_button", text="Measure")
        self._show = PushButton(
            text="Show table", tooltip="Beside the viewer. The heads of its columns explain them."
        )
        self._save = PushButton(text="Save CSV…", tooltip="A file that spreadsheets open.")
        self.status = plain_label("status")

    def _captioned(self, caption: str, part: QWidget) -> QWidget:
        row = QWidget()
        row.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        label = QLabel(caption)
        label.setMinimumWidth(_CAPTION)
        layout.addWidget(label)
        layout.addWidget(part, 1)
        return row

    def _other_labels(self) -> list[Any]:
        found = layers.label_layers(self._viewer)
        return [layer for layer in found if layer is not self._objects.value]

    def reset_choices(self, *_: Any) -> None:
        """List the layers again; napari calls this when layers come and go."""
        super().reset_choices()
        self.intensity.show_layers(layers.image_layers(self._viewer, results=True))
        self._more.reset_choices()
        self._on_objects()

    def _on_intensity(self) -> None:
        several = len(self.intensity.value) > 1
        for box in (self.ratio_of, self.ratio_to):
            box.reset_choices()
            box.visible = several

    def _on_objects(self, *_: Any) -> None:
        layer = self._objects.value
        self._axes.reset_choices()
        if layer is not None and not self._has_axes_of(layer):
            self._guessed_for = weakref.ref(layer)
            guessed = layers.guess_layer_axes(layer)
            if guessed in self._axes.choices:
                self._axes.value = guessed
        self.parents.reset_choices()
        self._on_axes()

    def _has_axes_of(self, layer: Any) -> bool:
        """Return whether axes were guessed, or chosen, for this layer as it is."""
        return self._guessed_for() is layer and len(str(self._axes.value)) == layer.ndim

    def _on_axes(self, *_: Any) -> None:
        axes = str(self._axes.value or "")
        self._axes.visible = len(axes) > 2
        self.z_size.visible = "Z" in axes
        self.link_time.visible = "T" in axes
        self.max_distance.visible = "T" in axes and bool(self.link_time.value)
