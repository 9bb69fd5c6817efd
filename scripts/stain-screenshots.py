"""Screenshots of the Stain widget at work, to be looked at: every state, themes, screens.

Each picture is taken in a process of its own kind of screen: start it once for each with
`--screen`, on a virtual screen that is as large. Without real images it stains simulated cells.

Usage:
    xvfb-run -a -s "-screen 0 1280x720x24" stain-screenshots.py OUT
    QT_SCALE_FACTOR=2 xvfb-run -a -s "-screen 0 2560x1440x24" stain-screenshots.py OUT
    … [--theme light] [--image FILE --pixel-size UM --model NAME] [--samples 4]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication, QScrollArea
from superqt import QCollapsible

from napari_cytosynth.phantoms.simulate import stained_cells
from napari_cytosynth.widgets.demo.scene import dock, settle
from napari_cytosynth.widgets.samples import stained_layers
from napari_cytosynth.widgets.stain.trust_panel import REAL_COMPARISON

MODEL, SEED, LONG_NAME = "phantom-phase-unet", 7, "2026-11-29 plate 3 well B02 field 7 z 04"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    parser.add_argument("--image", type=Path)
    parser.add_argument("--pixel-size", type=float, default=0.5)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--samples", type=int, default=4)
    return parser.parse_args()


class Pictures:
    """Takes numbered pictures of the whole window."""

    def __init__(self, viewer: Any, widget: Any, folder: Path, name: str) -> None:
        self._viewer, self._widget = viewer, widget
        self._folder, self._name, self._count = folder, name, 0

    def take(self, what: str) -> None:
        """Write a picture when nothing moves any more."""
        settle(self._widget, 0.5)
        self._count += 1
        path = self._folder / f"{self._name}-{self._count:02d}-{what}.png"
        self._viewer.window._qt_window.grab().save(str(path))
        sys.stdout.write(f"{path}\n")


def add_layers(viewer: Any, options: argparse.Namespace) -> Any:
    """Add the image, and of simulated cells the true stains; return the image."""
    if options.image is not None:
        from skimage.io import imread

        size = (options.pixel_size,) * 2
        return viewer.add_image(
            imread(options.image), name=LONG_NAME, scale=size, units=("um",) * 2
        )
    for data, attributes, kind in stained_layers(stained_cells(seed=SEED)):
        getattr(viewer, f"add_{kind}")(data, **attributes)
    viewer.layers["phase"].name = LONG_NAME
    return viewer.layers[LONG_NAME]


def unfold_all(widget: Any) -> None:
    """Open every folded part, also those that close one another."""
    for fold in widget.native.findChildren(QCollapsible):
        fold.blockSignals(True)
        fold.expand(animate=False)
        fold.blockSignals(False)
    widget.remarks.more.setChecked(True)
    QApplication.processEvents()


def take_doubts(widget: Any, pictures: Pictures) -> None:
    """Find the nuclei, look at the two most doubtful, and hide a part."""
    area = widget.native.findChild(QScrollArea)
    area.ensureWidgetVisible(widget.doubt.hidden.native)
    pictures.take("before-search")
    widget.find_nuclei()
    pictures.take("nuclei")
    for what in ("first", "second"):
        widget.look_at_next()
        area.ensureWidgetVisible(widget.doubt.hidden.native)
        pictures.take(f"look-at-{what}")
    for percent in (30, 100, 0):
        widget.hide_doubtful.value = percent
        pictures.take(f"hide-{percent}")


def report_cuts(widget: Any) -> None:
    """Print whether the form is wider than its place: then something is cut at the side."""
    area = widget.native.findChild(QScrollArea)
    content, place = area.widget().width(), area.viewport().width()
    sys.stdout.write(f"form {content} px in {place} px, dock {widget.native.width()} px\n")


def main() -> None:
    """Take all pictures."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    get_settings().appearance.theme = options.theme
    viewer = napari.Viewer(show=True)
    screen = viewer.window._qt_window.screen()
    viewer.window._qt_window.setGeometry(screen.geometry())
    size = screen.geometry().size() * screen.devicePixelRatio()
    image = add_layers(viewer, options)
    _, widget = dock(viewer, "Stain")
    name = f"{options.theme}-{size.width()}x{size.height()}"
    pictures = Pictures(viewer, widget, options.out, name)
    widget.image.value, widget.model.value = image, options.model
    widget.samples.value = options.samples
    pictures.take("before")
    widget.run()
    settle(widget)
    viewer.reset_view()
    pictures.take("after")
    report_cuts(widget)
    widget.ticks.sigma.value = True
    widget.ticks.side_by_side.value = True
    pictures.take("side-by-side")
    widget.ticks.side_by_side.value = False
    widget.ticks.sigma.value = False
    pictures.take("again-alone")
    take_doubts(widget, pictures)
    if options.image is None:
        widget.unfold(REAL_COMPARISON)
        widget.compare_with.value = viewer.layers["true nuclei"]
        widget.compare_cells.value = viewer.layers["masks of nuclei"]
        pictures.take("compare")
    unfold_all(widget)
    bar = widget.native.findChild(QScrollArea).verticalScrollBar()
    for number, place in enumerate(np.linspace(0, bar.maximum(), 3)):
        bar.setValue(int(place))
        pictures.take(f"all-folds-{number}")
    report_cuts(widget)
    viewer.close()


main()
