"""Demonstration of the widgets in napari on simulated cells.

It leaves the viewer open. A headless run drives the same widgets and writes screenshots,
TIFFs and tables of objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import CommandParser, echo, printable
from napari_cytosynth.errors import CytosynthError

from .display import check_display
from .scene import dock, screenshot, settle, show_scale_bar, write_images

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cytosynth.phantoms.simulate import Phantom

__all__ = ["main", "make_parser", "run_demo"]

_WINDOW = (1600, 1000)
_DESCRIPTION = (
    "The demonstration: napari on simulated cells, with the widgets at work. With a display it "
    "leaves the viewer open. Headless it drives the same widgets and writes what a user would see "
    "and save: screenshots, TIFFs and tables of objects."
)


@dataclass(frozen=True)
class SegmentScene:
    """Segment scene of the demonstration: a phantom, a model and a lower threshold.

    Attributes
    ----------
    name
        Stem of the files and name of the layer.
    model
        Name of a bundled model.
    make
        Function that returns the phantom.
    lower
        A threshold below the model's own, for the second screenshot.
    """

    name: str
    model: str
    make: Callable[[], Phantom]
    lower: float


def scenes() -> tuple[SegmentScene, ...]:
    """Return the Segment scenes whose models are bundled, in order."""
    from napari_cytosynth import phantoms
    from napari_cytosynth.zoo.catalogue import bundled_folder

    known = (
        SegmentScene(
            "nuclei", "fluo-nuclei-unet", lambda: phantoms.fluorescent_nuclei(seed=1), 0.05
        ),
        SegmentScene(
            "phase", "phase-cells-unet", lambda: phantoms.phase_contrast_cells(seed=1), 0.05
        ),
    )
    return tuple(scene for scene in known if bundled_folder(scene.model) is not None)


def run_demo(out: str | Path | None = None, *, headless: bool = False) -> list[Path]:
    """Show the widgets at work: Stain on simulated cells, Segment in the stain, Generate.

    Parameters
    ----------
    out
        Folder for the files of a headless run. Default: ``demo-output``.
    headless
        Run every scene, write files and close, instead of leaving napari open. Needs a
        display, which may be a virtual one (``xvfb-run``). Default: False.

    Returns
    -------
    list of Path
        The files that were written; empty with a display.

    Raises
    ------
    CytosynthError
        If a model or a display is missing, or a run does not finish.
    """
    import napari

    from .generate import generator
    from .stain import can_stain

    if not scenes() and not can_stain() and generator() is None:
        raise CytosynthError("This copy of napari-cytosynth has no bundled weights for the demo.")
    check_display()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*_WINDOW)
    if not headless:
        _show(viewer)
        napari.run()
        return []
    folder = Path(out or "demo-output")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _record_all(viewer, folder)
    finally:
        viewer.close()


def _show(viewer: Any) -> None:
    """Run a scene for an open viewer, with the first widget in front."""
    from .generate import GenerateScene, generator
    from .stain import StainScene, can_stain

    model = generator()
    # Not run: its images would cover the others.
    generate = None if model is None else GenerateScene(viewer, model)
    if can_stain():
        scene = StainScene(viewer)
        scene.run()
        scene.compare()
        scene.segment()
        scene.present()
    elif scenes():
        _segment(viewer, dock(viewer, "Segment")[1], scenes()[0])
    elif generate is not None:
        generate.run()


def _record_all(viewer: Any, folder: Path) -> list[Path]:
    """Run every scene, each in an empty viewer, and write its files."""
    from .generate import GenerateScene, generator
    from .stain import StainScene, can_stain

    written: list[Path] = []
    if scenes():
        _, widget = dock(viewer, "Segment")
        for scene in scenes():
            written += _record(viewer, widget, scene, folder)
        _clear(viewer)
    if can_stain():
        written += StainScene(viewer).record(folder)
        _clear(viewer)
    model = generator()
    if model is not None:
        written += GenerateScene(viewer, model).record(folder)
    return written


def _clear(viewer: Any) -> None:
    """Close all docks and layers before the next scene."""
    viewer.window.remove_dock_widget("all")
    viewer.layers.clear()


def _segment(viewer: Any, widget: Any, scene: SegmentScene) -> tuple[Phantom, list[Any]]:
    """Add the scene's phantom, press Run and wait; return the phantom and the new layers."""
    phantom = scene.make()
    scale = (phantom.pixel_size_um,) * 2
    layer = viewer.add_image(phantom.image, name=f"simulated {scene.name}", scale=scale, units="um")
    show_scale_bar(viewer)
    widget.image.value = layer
    widget.model.value = scene.model
    before = set(viewer.layers)
    widget.run()
    settle(widget)
    viewer.reset_view()
    added = [new for new in viewer.layers if new not in before]
    if not added:
        raise CytosynthError(f"The demo could not segment “{scene.name}”: {widget.status.value}")
    return phantom, added


def _record(viewer: Any, widget: Any, scene: SegmentScene, folder: Path) -> list[Path]:
    """Run one scene and write its screenshots, images and table."""
    viewer.layers.clear()
    phantom, added = _segment(viewer, widget, scene)
    probability = next(layer for layer in added if layer._type_string == "image")
    labels = next(layer for layer in added if layer._type_string == "labels")
    probability.visible = False
    labels.contour = 2  # so that the picture shows the cells under their labels
    settle(widget)
    written = [screenshot(viewer, folder / f"{scene.name}.png")]
    written += _save(folder, scene.name, phantom, probability, labels)
    widget.threshold.value = scene.lower
    settle(widget)
    written.append(screenshot(viewer, folder / f"{scene.name}-low-threshold.png"))
    return written


def _save(folder: Path, name: str, phantom: Phantom, probability: Any, labels: Any) -> list[Path]:
    """Write the input, the truth and the result as TIFFs, and the table as CSV."""
    import numpy as np

    images = {
        "image": phantom.image,
        "truth": phantom.labels.astype(np.uint16),
        "probability": np.asarray(probability.data, np.float32),
        "labels": np.asarray(labels.data).astype(np.uint16),
    }
    written = write_images(folder, name, images, phantom.pixel_size_um)
    table = folder / f"{name}-table.csv"
    labels.features.to_csv(table, index=False)
    return [*written, table]


def make_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser(
        prog="cytosynth demo",
        description=_DESCRIPTION,
        examples=["cytosynth demo", "xvfb-run -a cytosynth demo --headless --out demo-output"],
    )
    parser.add_argument(
        "--headless", action="store_true", help="write files and close, instead of staying open"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="where a headless run writes (default: demo-output)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``cytosynth demo``.

    Parameters
    ----------
    argv
        Arguments after the command's name. None (default): those of this process.

    Returns
    -------
    int
        0.

    Raises
    ------
    CytosynthError
        As :func:`run_demo`.
    """
    arguments = make_parser().parse_args(argv)
    for path in run_demo(arguments.out, headless=arguments.headless):
        echo(printable(path))
    return 0
