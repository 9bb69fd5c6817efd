"""The choice of a folder of images and truth, with what a look at it has found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, LineEdit, PushButton
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QListWidget, QListWidgetItem

from napari_cytosynth.widgets.common.parts import plain_row, plain_tooltip
from napari_cytosynth.widgets.common.remembered import recall, remember

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FolderPanel"]

_MARKS = {"error": "✗", "warning": "⚠", "fact": "·"}
_REMEMBERED = "train-folder"
_HEIGHT = 130  # px
_HOLDS = {
    "segment": "image, and mask or labels",
    "stain": "image, and stains",
    "generate": "images, or class folders",
}


class FolderPanel(Container[Any]):
    """Path of a folder, a button to choose it, and a list of findings.

    Emits ``chosen`` when another folder is given.
    """

    chosen = Signal()

    def __init__(self) -> None:
        self.path = LineEdit()
        self.expect("segment")
        self.browse = PushButton(text="Choose…")
        self._row = plain_row(self.path, self.browse)
        super().__init__(widgets=[self._row], labels=False)
        self.margins = (0, 0, 0, 0)
        self.findings: tuple[tuple[str, str], ...] = ()
        self._lines = QListWidget()
        self._lines.setAccessibleName("What is in the folder")
        self._lines.setWordWrap(True)
        self._lines.setFixedHeight(_HEIGHT)
        self._lines.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.native.layout().addWidget(self._lines)
        self.browse.changed.connect(lambda *_: self.ask())
        self.path.native.editingFinished.connect(self.chosen.emit)

    def expect(self, task: str) -> None:
        """Say what a folder of a task holds."""
        self.path.tooltip = f"Folder with {_HOLDS[task]}."
        self.path.native.setPlaceholderText(f"folder with {_HOLDS[task]}")

    def ask(self) -> None:
        """Ask for a folder."""
        folder = QFileDialog.getExistingDirectory(
            self.native, "Folder of images and truth", recall(_REMEMBERED)
        )
        if folder:
            remember(_REMEMBERED, str(folder))
            self.path.value = str(folder)
            self.chosen.emit()

    def show_findings(self, findings: Sequence[tuple[str, str]]) -> None:
        """List kinds (error, warning, fact) and sentences."""
        self.findings = tuple(findings)
        self._lines.clear()
        for kind, sentence in findings:
            item = QListWidgetItem(f"{_MARKS[kind]} {sentence}")
            item.setToolTip(plain_tooltip(sentence))
            self._lines.addItem(item)
