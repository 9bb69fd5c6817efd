"""The panel “Correct by hand”: a tool for the mouse, undo and redo, and what is checked."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, Container, PushButton
from psygnal import Signal

from napari_cytosynth.widgets.common.folds import Fold
from napari_cytosynth.widgets.common.parts import plain_label

__all__ = ["TOOLS", "CorrectPanel"]

TOOLS = {
    "merge": ("Merge", "Click two objects: they become one."),
    "cut": ("Cut", "Draw a line across an object: it becomes two."),
    "delete": ("Delete", "Click an object that is none. Key R: the one under the pointer."),
    "paint": ("Paint", "Draw around a missing object. Its outline snaps to the model's "
              "flows or probability, where one of them has a contour which fits."),
    "accept": ("Accept", "Click an object that is right. Key A: the one under the pointer."),
}  # fmt: skip
_NOTHING = "Choose a tool, then click or draw on the objects. Corrections hold at every threshold."


class CorrectPanel(Container[Any]):
    """Tools of which one may be chosen, in a fold.

    Emits ``chosen`` with the name of the tool, or "" when it is put away.
    """

    chosen = Signal(str)

    def __init__(self) -> None:
        self.tools = {
            name: PushButton(name=name, text=text, tooltip=about)
            for name, (text, about) in TOOLS.items()
        }
        for name, button in self.tools.items():
            button.native.setCheckable(True)
            # no partial: PySide6 sees no arguments of it, and gives none
            button.native.clicked.connect(lambda checked, tool=name: self._on_tool(tool, checked))
        self.undo = PushButton(name="undo", text="Undo", enabled=False, tooltip="Ctrl+Z")
        self.redo = PushButton(name="redo", text="Redo", enabled=False, tooltip="Ctrl+Shift+Z")
        self.looked_at = CheckBox(
            name="looked_at",
            text="every object of this plane was looked at",
            tooltip="All of it counts as known when a model is trained on it, also the background.",
        )
        self.save = PushButton(name="save", text="Save corrected…", tooltip="Labels, table, and "
                               "what is known of them: in a new folder.")  # fmt: skip
        self.load = PushButton(name="load", text="Load corrections…", tooltip="Those that were "
                               "saved of this image, or of an earlier result that is "
                               "shown.")  # fmt: skip
        self.sentence = plain_label("sentence")
        self.sentence.value = _NOTHING
        first, second = list(self.tools.values())[:3], list(self.tools.values())[3:]
        rows = (first, [*second, self.undo, self.redo], [self.save, self.load])
        self._rows = [Container(widgets=row, layout="horizontal", labels=False) for row in rows]
        parts = [*self._rows[:2], self.sentence, self.looked_at, self._rows[2]]
        super().__init__(widgets=parts, labels=False)
        for part in (self, *self._rows):
            part.margins = (0, 0, 0, 0)
        self.fold = Fold("Correct by hand")
        self.fold.addWidget(self.native)
        self.fold.toggled.connect(lambda opened: None if opened else self.put_away())

    @property
    def tool(self) -> str:
        """Name of the tool that is chosen, or ""."""
        checked = (name for name, one in self.tools.items() if one.native.isChecked())
        return next(checked, "")

    def choose(self, tool: str) -> None:
        """Choose a tool, as a click does; "" puts it away."""
        for name, button in self.tools.items():
            button.native.setChecked(name == tool)
        self.chosen.emit(tool)

    def put_away(self) -> None:
        """Let none be chosen."""
        if self.tool:
            self.choose("")

    def show_state(self, count: int, without_effect: int, *, undo: bool, redo: bool) -> None:
        """Show how many corrections there are, and which can be taken back or done again."""
        self.undo.enabled, self.redo.enabled = undo, redo
        self.save.enabled = bool(count or undo)
        noun = "correction" if count == 1 else "corrections"
        sentence = f"{count} {noun}" if count else _NOTHING
        if without_effect:
            sentence += (
                f", {without_effect} of them without effect at this threshold: the object is "
                "not there, or has become one with others"
            )
        self.sentence.value = sentence

    def _on_tool(self, name: str, checked: bool) -> None:
        self.choose(name if checked else "")
