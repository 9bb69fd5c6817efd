"""Moving pictures of the widgets at work on simulated cells, for the first page.

Usage:
    xvfb-run -a -s "-screen 0 1280x800x24" moving-pictures.py OUT [NAME...]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtWidgets import QApplication
from scipy import ndimage

from napari_cytosynth.widgets.demo.generate import GenerateScene
from napari_cytosynth.widgets.demo.scene import settle, show_caption
from napari_cytosynth.widgets.demo.stain import StainScene
from napari_cytosynth.widgets.demo.touching import TouchingScene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WINDOW, WIDTH, FRAME_MS, LAST_MS = (1180, 720), 720, 350, 1600


def frame(viewer: Any) -> Image.Image:
    """Return the window as a picture of the width of the page."""
    shot = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
    return shot.resize((WIDTH, round(WIDTH * shot.height / shot.width)), Image.Resampling.LANCZOS)


def threshold(viewer: Any) -> Iterator[Image.Image]:
    """Drag the threshold over cells that touch; the network does not run again."""
    scene = TouchingScene(viewer, "phase-cells-unet", side=256)
    scene.show()
    settle(scene.widget)
    for value in (*np.arange(0.3, 0.96, 0.1), *np.arange(0.8, 0.45, -0.1)):
        scene.widget.threshold.value = float(value)
        settle(scene.widget, 0.2)
        count = np.count_nonzero(np.unique(scene.labels.data))
        show_caption(viewer, f"threshold {value:.2f}: {count} cells")
        settle(scene.widget, 0.2)
        yield frame(viewer)


def stain(viewer: Any) -> Iterator[Image.Image]:
    """Stain phase contrast virtually, and step from the source to the stains and their errors."""
    scene = StainScene(viewer)
    scene.run()
    for beginning in ("simulated", "nuclei · ", "membrane · ", "nuclei σ · ", "membrane σ · "):
        for layer in viewer.layers:
            layer.visible = layer.name.startswith(beginning) and layer._type_string == "image"
        shown = [layer.name for layer in viewer.layers if layer.visible][:1]
        for layer in viewer.layers:
            layer.visible = layer.name in shown
        show_caption(viewer, "".join(shown))
        settle(scene.widget, 0.5)
        yield from [frame(viewer)] * 3


def generate(viewer: Any) -> Iterator[Image.Image]:
    """Watch nuclei emerge from noise."""
    scene = GenerateScene(viewer, "nuclei-ddpm", count=9)
    scene.run()
    for step in range(viewer.dims.nsteps[0]):
        viewer.dims.set_current_step(0, step)
        settle(scene.widget, 0.1)
        yield frame(viewer)


def painted(truth: Any) -> Iterator[Any]:
    """Yield what is painted, step by step: background beside the cells, then the cells."""
    beside = (ndimage.grey_dilation(truth, size=(7, 7)) > 0) & (truth == 0)
    strokes = beside.astype(np.uint16)
    yield strokes
    for numbers in np.array_split(np.unique(truth[truth > 0]), 3):
        strokes = np.where(np.isin(truth, numbers), truth + 1, strokes).astype(np.uint16)
        yield strokes


def loop(viewer: Any) -> Iterator[Image.Image]:
    """Paint, train, compare and keep: the training is a real one, of two epochs."""
    os.environ["CYTOSYNTH_HOME"] = tempfile.mkdtemp()
    viewer.window._qt_viewer.dockLayerControls.hide()
    _, train = viewer.window.add_plugin_dock_widget("napari-cytosynth", "Train")
    train.add_phantom()
    image, truth = viewer.layers
    pixels = np.array(truth.data)
    viewer.layers.remove(truth)
    train.sparse.value, train.model.value = True, "phase-cells-unet"
    train.pairs.value = [(image, None)]
    train.paint()
    settle(train, 1)
    yield frame(viewer)
    strokes = viewer.layers.selection.active
    for strokes.data in painted(pixels):
        settle(train, 0.3)
        yield frame(viewer)
    train.steps.value = 60
    train.run()
    seen = 0
    while train.busy:
        QApplication.processEvents()
        time.sleep(0.02)
        if len(train.curves.scores) > seen:
            seen += 1
            yield from [frame(viewer)] * 3
    settle(train, 1)
    yield from [frame(viewer)] * 6
    train.keep()
    settle(train, 1)
    yield frame(viewer)


PICTURES: dict[str, Callable[[Any], Iterator[Image.Image]]] = {
    "moving-threshold": threshold,
    "moving-stain": stain,
    "moving-generate": generate,
    "moving-loop": loop,
}


def main() -> None:
    """Write the pictures that are asked for, each in a window of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=list(PICTURES))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        viewer = napari.Viewer()
        viewer.window.resize(*WINDOW)
        first, *rest = PICTURES[name](viewer)
        path = arguments.out / f"{name}.webp"
        times = [FRAME_MS] * len(rest) + [LAST_MS]
        first.save(
            path, save_all=True, append_images=rest, duration=times, loop=0, quality=60, method=6
        )
        viewer.close()
        sys.stdout.write(f"{path}: {1 + len(rest)} pictures, {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
