"""From a stack to a filtered table, a plot and a GeoJSON, by the mouse alone: clicks and pictures.

Every press of a button of the mouse is counted, a drag as one. The pictures stand in
docs/paper.md; tests/widgets/look/test_clicks.py walks the same way.

Usage:
    xvfb-run -a -s "-screen 0 1280x720x24" paper-pictures.py OUT [--theme light]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDialogButtonBox,
    QFileDialog,
    QScrollArea,
    QWidget,
)

from napari_cytosynth import phantoms

if TYPE_CHECKING:
    from collections.abc import Callable

LEFT = Qt.MouseButton.LeftButton
SEED, SHAPE = 2, (8, 128, 128)
PATIENCE = 900.0  # s that a step waits for what it started


class Hand:
    """Presses the mouse, and counts.

    Parameters
    ----------
    viewer
        Of napari, in a window that is shown.
    take
        Called with the name of each step, after it.
    """

    def __init__(self, viewer: Any, take: Callable[[str], None] = lambda _: None) -> None:
        self.viewer, self.take, self.clicks = viewer, take, 0
        self.window = viewer.window._qt_window

    def click(self, widget: QWidget, place: QPoint | None = None) -> None:
        """Click a widget that is seen; by default its middle."""
        assert widget.isVisible(), widget
        assert widget.isEnabled(), widget
        self._scroll_to(widget)
        place = widget.rect().center() if place is None else place
        self.clicks += 1
        QTest.mouseClick(widget, LEFT, pos=place)
        QApplication.processEvents()

    def _scroll_to(self, widget: QWidget) -> None:
        """Turn the wheel until a widget is seen, which is no click."""
        area = widget.parent()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parent()
        for _ in range(100):
            if area is None or widget.visibleRegion().boundingRect() == widget.rect():
                break
            place = widget.mapTo(area.viewport(), widget.rect().center())
            down = -120 if place.y() > area.viewport().height() // 2 else 120
            middle = QPointF(area.viewport().rect().center())
            wheel = QWheelEvent(
                middle, QPointF(area.viewport().mapToGlobal(middle.toPoint())), QPoint(),
                QPoint(0, down), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase, False,
            )  # fmt: skip
            QApplication.sendEvent(area.viewport(), wheel)
            QApplication.processEvents()

    def drag(self, widget: QWidget, start: QPoint, end: QPoint) -> None:
        """Drag from a place to another."""
        self.clicks += 1
        QTest.mousePress(widget, LEFT, pos=start)
        for share in (0.3, 0.6, 1.0):
            place = start + (end - start) * share
            move = QMouseEvent(
                QEvent.Type.MouseMove, QPointF(place), QPointF(widget.mapToGlobal(place)),
                Qt.MouseButton.NoButton, LEFT, Qt.KeyboardModifier.NoModifier,
            )  # fmt: skip
            QApplication.sendEvent(widget, move)
            QApplication.processEvents()
        QTest.mouseRelease(widget, LEFT, pos=end)

    def open_widget(self, title: str) -> Any:
        """Open a widget of the plugin by the menu Plugins; return it."""
        bar = self.window.menuBar()
        (top,) = (one for one in bar.actions() if one.text().replace("&", "") == "Plugins")
        self.click(bar, bar.actionGeometry(top).center())
        menu = self._entry(top.menu(), "CytoSynth")
        self.take("menu")
        self._entry(menu, title)
        return self.docked(title)

    def _entry(self, menu: Any, text: str) -> Any:
        """Click an entry of a menu that is open; return its own menu, if it has one."""
        found = [one for one in menu.actions() if text in one.text().replace("&", "")]
        (action,) = found
        self.click(menu, menu.actionGeometry(action).center())
        return action.menu()

    def docked(self, title: str) -> Any:
        """Return the widget of the plugin that stands in the window under a title."""
        docks = self.viewer.window.dock_widgets
        return next(widget for name, widget in docks.items() if name.startswith(title))

    def choose(self, box: QComboBox, text: str) -> None:
        """Open a combobox and click one of its entries."""
        self.click(box)
        QTest.qWait(QApplication.doubleClickInterval() + 50)  # before, Qt hears no click in a list
        listed = box.view()
        index = box.model().index(box.findText(text), 0)
        listed.scrollTo(index)
        self.click(listed.viewport(), listed.visualRect(index).center())
        assert box.currentText() == text, f"{text} was not chosen, but {box.currentText()}"

    def save(self, button: QWidget, path: Path) -> None:
        """Click a button that asks for a file, type its path, and click Save."""

        def answer() -> None:
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, QFileDialog):
                QTimer.singleShot(100, answer)
                return
            dialog.selectFile(str(path))
            self.take("save")
            buttons = dialog.findChild(QDialogButtonBox)
            self.click(buttons.button(QDialogButtonBox.StandardButton.Save))

        QTimer.singleShot(300, answer)
        self.click(button)


def wait_for(done: Callable[[], bool]) -> None:
    """Let napari work until something is done."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "it took too long"
        QTest.qWait(20)


def walk(hand: Hand, target: Path) -> Any:
    """Go from a stack in the viewer to the GeoJSON; return the Look widget."""
    segment = hand.open_widget("Segment")
    wait_for(lambda: bool(segment.model.value))
    hand.take("segment")
    hand.click(segment._run_button.native)
    wait_for(lambda: segment.segmentation is not None and not segment.busy)
    hand.take("run")
    hand.click(segment._table.buttons[0].native)
    look = hand.docked("Look")
    assert look.wait(PATIENCE)
    hand.take("table")
    hand.click(look.add_button.native)
    (row,) = look.filters.rows
    hand.choose(row.column, "confidence")
    bars = row.histogram
    middle = bars.height() // 2
    hand.drag(bars, QPoint(1, middle), QPoint(bars.width() * 2 // 5, middle))
    wait_for(lambda: not look._soon.isActive())
    hand.take("filter")
    hand.click(look.plot_button.native)
    hand.take("plot")
    hand.save(look.saving.objects_button.native, target)
    assert look.wait(PATIENCE)
    hand.take("saved")
    return look


def add_stack(viewer: Any) -> Any:
    """Add simulated nuclei, as a stack with its voxel size."""
    stack = phantoms.nuclei_stack(SHAPE, seed=SEED)
    layer = viewer.add_image(
        stack.image, name="nuclei", scale=stack.voxel_size_um, units=("um",) * 3,
        axis_labels=("z", "y", "x"),
    )  # fmt: skip
    viewer.dims.set_point(0, stack.voxel_size_um[0] * (SHAPE[0] // 2))
    return layer


def main() -> None:
    """Walk, and write a picture of the window after each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    viewer = napari.Viewer(show=False)
    viewer.theme = options.theme
    viewer.show()
    viewer.window._qt_window.setGeometry(0, 0, 1280, 720)
    add_stack(viewer)

    def take(name: str) -> None:
        QTest.qWait(500)
        screen = QApplication.primaryScreen()
        path = options.out / (f"{name}.png" if name == "look" else f"paper-{name}.png")
        screen.grabWindow(0, 0, 0, 1280, 720).save(str(path))
        sys.stdout.write(f"{path}\n")

    hand = Hand(viewer, take)
    take("opened")
    look = walk(hand, options.out / "cells.geojson")
    sys.stdout.write(f"{hand.clicks} clicks: {look.status.value}\n")
    look.saving.save_figure(options.out / "paper-figure")
    look.wait(PATIENCE)
    sys.stdout.write(f"{look.status.value}\n")
    look.colour_by.value = "volume_um3"
    look.plots.first.setCurrentText("volume_um3")
    look.plots.second.setCurrentText("confidence")
    look.select(int(look.table.model.labels[2]))
    take("look")
    viewer.close()


if __name__ == "__main__":
    main()
