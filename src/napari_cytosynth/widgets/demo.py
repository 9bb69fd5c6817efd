"""The demonstration: napari on simulated cells, with the Segment widget at work.

With a display it leaves the viewer open. Headless it drives the same widget and writes
what a user would see and save: screenshots, TIFFs and the table of objects.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CytosynthError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cytosynth.phantoms import Phantom

__all__ = ["main", "run_demo"]

_WINDOW = (1500, 1000)


@dataclass(frozen=True)
class Scene:
    """One thing to show: a phantom, the model for it, and a threshold to drag to.

    Attributes
    ----------
    name
        Stem of the files and name of the layer.
    model
        Name of a bundled model.
    make
        Returns the phantom.
    lower
        A threshold below the model's own, for the second screenshot.
    """

    name: str
    model: str
    make: Callable[[], Phantom]
    lower: float


def scenes() -> tuple[Scene, ...]:
    """Return what the demo shows, in order: the scenes whose models are bundled."""
    from napari_cytosynth import phantoms
    from napari_cytosynth.zoo.catalogue import bundled_folder

    known = (
        Scene("nuclei", "fluo-nuclei-unet", lambda: phantoms.fluorescent_nuclei(seed=1), 0.05),
        Scene("phase", "phase-cells-unet", lambda: phantoms.phase_contrast_cells(seed=1), 0.05),
    )
    return tuple(scene for scene in known if bundled_folder(scene.model) is not None)


def run_demo(out: str | Path | None = None, *, headless: bool = False) -> list[Path]:
    """Show the Segment widget at work on simulated cells.

    Parameters
    ----------
    out
        Folder for the files of a headless run; ``demo-output`` if not given.
    headless
        Run every scene, write files and close, instead of leaving napari open. It still
        needs a display, which may be a virtual one (``xvfb-run``).

    Returns
    -------
    list of Path
        The files that were written; empty with a display.

    Raises
    ------
    CytosynthError
        If a model is missing or a run does not finish.
    """
    import napari

    shown = scenes()
    if not shown:
        raise CytosynthError("This copy of napari-cytosynth has no bundled weights for the demo.")
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*_WINDOW)
    _, widget = viewer.window.add_plugin_dock_widget("napari-cytosynth", "Segment")
    if not headless:
        _segment(viewer, widget, shown[0])
        napari.run()
        return []
    folder = Path(out or "demo-output")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return [path for scene in shown for path in _record(viewer, widget, scene, folder)]
    finally:
        viewer.close()


def _segment(viewer: Any, widget: Any, scene: Scene) -> tuple[Phantom, list[Any]]:
    """Add the scene's phantom, press Run and wait; return the phantom and the new layers."""
    phantom = scene.make()
    scale = (phantom.pixel_size_um,) * 2
    layer = viewer.add_image(phantom.image, name=f"simulated {scene.name}", scale=scale, units="um")
    viewer.scale_bar.visible = True
    widget.image.value = layer
    widget.model.value = scene.model
    before = set(viewer.layers)
    widget.run()
    _settle(widget)
    viewer.reset_view()
    added = [new for new in viewer.layers if new not in before]
    if not added:
        raise CytosynthError(f"The demo could not segment “{scene.name}”: {widget.status.value}")
    return phantom, added


def _record(viewer: Any, widget: Any, scene: Scene, folder: Path) -> list[Path]:
    """Run one scene and write its screenshots, images and table."""
    viewer.layers.clear()
    phantom, added = _segment(viewer, widget, scene)
    probability = next(layer for layer in added if layer._type_string == "image")
    labels = next(layer for layer in added if layer._type_string == "labels")
    probability.visible = False
    labels.contour = 2  # so that the picture shows the cells under their labels
    _settle(widget)
    written = [_screenshot(viewer, folder / f"{scene.name}.png")]
    written += _save(folder, scene.name, phantom, probability, labels)
    widget.threshold.value = scene.lower
    _settle(widget)
    written.append(_screenshot(viewer, folder / f"{scene.name}-low-threshold.png"))
    return written


def _save(folder: Path, name: str, phantom: Phantom, probability: Any, labels: Any) -> list[Path]:
    """Write the input, the truth and the result as TIFFs, and the table as CSV."""
    import numpy as np
    import tifffile

    arrays: dict[str, Any] = {
        "image": phantom.image,
        "truth": phantom.labels.astype(np.uint16),
        "probability": np.asarray(probability.data, np.float32),
        "labels": np.asarray(labels.data).astype(np.uint16),
    }
    metadata: dict[str, Any] = {"axes": "YX"}
    for axis in "XY":
        metadata[f"PhysicalSize{axis}"] = phantom.pixel_size_um
        metadata[f"PhysicalSize{axis}Unit"] = "µm"
    written = []
    for kind, array in arrays.items():
        path = folder / f"{name}-{kind}.ome.tif"
        tifffile.imwrite(path, array, metadata=metadata)
        written.append(path)
    table = folder / f"{name}-table.csv"
    labels.features.to_csv(table, index=False)
    return [*written, table]


def _screenshot(viewer: Any, path: Path) -> Path:
    """Write a picture of the whole window."""
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    return path


def _settle(widget: Any, seconds: float = 1.0) -> None:
    """Wait for the run and the relabelling, then let the window draw itself."""
    from qtpy.QtWidgets import QApplication

    if not widget.wait():
        raise CytosynthError(f"The demo did not finish: {widget.status.value}")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``cytosynth demo``.

    Parameters
    ----------
    argv
        What follows the command's name; None for the arguments of this process.

    Returns
    -------
    int
        0.

    Raises
    ------
    CytosynthError
        As :func:`run_demo`.
    """
    parser = argparse.ArgumentParser(prog="cytosynth demo", description=__doc__)
    parser.add_argument(
        "--headless", action="store_true", help="write files and close, instead of staying open"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="where a headless run writes (default: demo-output)"
    )
    arguments = parser.parse_args(argv)
    for path in run_demo(arguments.out, headless=arguments.headless):
        print(path)  # noqa: T201 - the command's output
    return 0
