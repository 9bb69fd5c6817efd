"""Panel of the Generate widget: grid, files, walk and nearest training images."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, Container, LineEdit, PushButton, SpinBox, Table
from qtpy.QtWidgets import QFileDialog

from napari_cytosynth.widgets.common.folds import Folds
from napari_cytosynth.widgets.common.layers import format_number
from napari_cytosynth.widgets.common.parts import align_captions, plain_label

__all__ = ["NEAREST", "VARY", "GeneratePanel"]

VARY, NEAREST = "Vary: from one seed to another", "Nearest training image"
"""Titles of the folded parts."""
_LARGEST_SEED = 2**31 - 1
_TABLE_PX = 150


class GeneratePanel(Container[Any]):
    """Controls for the generated images, a walk between two seeds and nearest neighbours."""

    def __init__(self) -> None:
        self.in_view = plain_label("in_view")
        self.show_as_grid = CheckBox(
            name="show_as_grid",
            text="Show as grid",
            tooltip="All images side by side, instead of one at a time with a slider.",
        )
        super().__init__(widgets=[self.in_view, self.show_as_grid], labels=False)
        self.margins = (0, 0, 0, 0)
        self._add_buttons()
        self._folds = Folds(self.native.layout())
        self._add_walk()
        self._add_nearest()

    def _add_buttons(self) -> None:
        self.save = PushButton(
            text="Save…",
            tooltip="A folder with images, masks, seeds and a contact sheet, all of them marked "
            "as synthetic.",
        )
        self.save_animation = PushButton(
            text="Save animation…",
            tooltip="A GIF of the images emerging from noise (tick “keep trajectory” before the "
            "run), or of the way from one seed to another.",
        )
        self.script = PushButton(
            text="Copy as Python", tooltip="Copy a script that makes these images again."
        )
        self.teach = PushButton(
            text="Use as training set",
            tooltip="Train learns from these images and their masks, beside images of yours.",
        )
        self._buttons = _row([self.save, self.save_animation, self.script])
        for part in (self._buttons, self.teach):
            self.native.layout().addWidget(part.native)

    def _add_walk(self) -> None:
        self.seed_from = _seed("seed_from", "from seed", 0)
        self.seed_to = _seed("seed_to", "to seed", 1)
        self.walk_images = SpinBox(
            name="walk_images", label="images", value=9, min=2, max=256, tooltip="Ends included."
        )
        tip = "Take the seed of the sample in view."
        self.take_from = PushButton(text="sample in view", tooltip=tip)
        self.take_to = PushButton(text="sample in view", tooltip=tip)
        rows = [
            _row([self.seed_from, self.take_from], "from seed"),
            _row([self.seed_to, self.take_to], "to seed"),
            self.walk_images,
        ]
        self._walk = Container(widgets=rows, labels=True)
        self._walk.margins = (0, 0, 0, 0)
        align_captions(self._walk)
        self.walk = PushButton(
            text="Make the images between",
            tooltip="Images on the way from one seed to the other, with the settings above.",
        )
        self._folds.add(VARY, self._walk, self.walk)

    def _add_nearest(self) -> None:
        self.training_data = LineEdit(
            name="training_data",
            label="training\ndata",
            tooltip="The folder of the training data, to see the nearest images themselves. "
            "Without it you see how near they are.",
        )
        self.training_data.native.setPlaceholderText("folder, if you have it")
        self.browse_data = PushButton(text="…", tooltip="Choose the folder.")
        self.browse_data.native.setMaximumWidth(30)
        self.browse_data.changed.connect(self._on_browse)
        row = _row([self.training_data, self.browse_data], "training\ndata")
        self._data = Container(widgets=[row], labels=True)
        self._data.margins = (0, 0, 0, 0)
        align_captions(self._data)
        self.look_up = PushButton(
            text="Look it up",
            tooltip="How far each image lies from the nearest of the images that the model has "
            "learned from. One that is unusually near is a reason to look at both.",
        )
        self.distances = plain_label("distances")
        self.samples = Table(name="samples")
        self.samples.native.setAccessibleName("The images that were made")
        self.samples.native.setFixedHeight(_TABLE_PX)
        self.samples.native.verticalHeader().hide()
        self._folds.add(NEAREST, self._data, self.look_up, self.distances, self.samples)
        self.show_table(None)

    def _on_browse(self, *_: Any) -> None:
        folder = QFileDialog.getExistingDirectory(self.native, "Folder of the training data")
        if folder:
            self.training_data.value = folder

    def parts(self) -> dict[str, Any]:
        """Return the widgets that a script may set, by name."""
        named = (
            self.show_as_grid, self.seed_from, self.seed_to, self.walk_images, self.training_data,
        )  # fmt: skip
        return {part.name: part for part in named}

    def unfold(self, title: str) -> None:
        """Open a folded part by its title."""
        self._folds.unfold(title)

    def show_table(self, table: Any) -> None:
        """Show the distances of all samples; None hides them."""
        if table is not None:
            near = ["unusually near" if bad else "" for bad in table["suspicious"]]
            table = table.assign(suspicious=near)
            table["nearest_distance"] = [
                format_number(value) for value in table["nearest_distance"]
            ]
            names = {"nearest_distance": "distance", "suspicious": " "}
            self.samples.value = table.rename(columns=names)
            self.samples.native.resizeColumnsToContents()
        self.samples.native.setVisible(table is not None)

    def enable(self, *, result: bool, film: bool, masks: bool) -> None:
        """Enable the controls that the present result allows."""
        self.teach.enabled = masks
        parts = (self.show_as_grid, self.save, self.script, self.look_up)
        for part in (*parts, self.take_from, self.take_to):
            part.enabled = result
        self.save_animation.enabled = film


def _seed(name: str, label: str, value: int) -> SpinBox:
    return SpinBox(
        name=name, label=label, value=value, max=_LARGEST_SEED, tooltip="Seed of this end."
    )


def _row(parts: list[Any], label: str = "") -> Container[Any]:
    row = Container(widgets=parts, layout="horizontal", labels=False, label=label)
    row.margins = (0, 0, 0, 0)
    return row
