"""Demonstration of the widgets in napari on simulated cells.

It leaves the viewer open. A headless run drives the same widgets and writes screenshots,
TIFFs and tables of objects.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_cytosynth.console import CommandParser, echo, printable
from napari_cytosynth.errors import CytosynthError

from .display import check_display

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SCENES", "Scene", "main", "make_parser", "run_demo", "scenes"]

_WINDOW = (1600, 1000)
_DESCRIPTION = (
    "The demonstration: napari on simulated cells, with the widgets at work. With a display it "
    "leaves the viewer open. Headless it drives the same widgets and writes what a user would see "
    "and save: screenshots, TIFFs and tables of objects."
)
SCENES = {
    "nuclei": "nuclei in fluorescence",
    "phase": "cells in phase contrast",
    "touching": "cells that touch, parted at every threshold",
    "stack": "a z-stack, its planes linked, volumes in the table",
    "doubt": "a model on an image of another kind, and how the widget doubts it",
    "stain": "virtual stains of phase contrast, with their uncertainty",
    "generate": "synthetic images",
}
"""Name and subject of the scenes, in order."""
_NUCLEI, _PHASE = "fluo-nuclei-unet", "phase-cells-unet"


class Scene(Protocol):
    """One scene of the demonstration, in a viewer of its own."""

    def show(self) -> None:
        """Run it for an open viewer."""

    def record(self, folder: Path) -> list[Path]:
        """Run it; write screenshots and results, and return their paths."""


def scenes() -> dict[str, Callable[[Any], Scene]]:
    """Return the scenes whose models are bundled: by name what makes them, given a viewer."""
    from .generate import GenerateScene, generator
    from .stain import StainScene, can_stain

    known = _segment_scenes()
    if can_stain():
        known["stain"] = StainScene
    made_by = generator()
    if made_by is not None:
        known["generate"] = lambda viewer: GenerateScene(viewer, made_by)
    return known


def _segment_scenes() -> dict[str, Callable[[Any], Scene]]:
    from napari_cytosynth.zoo.catalogue import bundled_folder

    from .doubt import DoubtScene
    from .segment import nuclei_scene, phase_scene
    from .stack import StackScene
    from .touching import TouchingScene

    known: dict[str, tuple[str, Callable[[Any, str], Scene]]] = {
        "nuclei": (_NUCLEI, nuclei_scene),
        "phase": (_PHASE, phase_scene),
        "touching": (_PHASE, TouchingScene),
        "stack": (_NUCLEI, StackScene),
        "doubt": (_NUCLEI, DoubtScene),
    }
    return {
        name: lambda viewer, make=make, model=model: make(viewer, model)  # type: ignore[misc]
        for name, (model, make) in known.items()
        if bundled_folder(model) is not None
    }


def run_demo(
    out: str | Path | None = None, *, headless: bool = False, scene: str | None = None
) -> list[Path]:
    """Show the widgets at work on simulated images.

    Parameters
    ----------
    out
        Folder for the files of a headless run. Default: ``demo-output``.
    headless
        Run every scene, write files and close, instead of leaving napari open. Needs a
        display, which may be a virtual one (``xvfb-run``). Default: False.
    scene
        One of :data:`SCENES`, to be run alone. Default: None, all of them if headless, else
        virtual stains and the nuclei in them.

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

    known = scenes()
    if not known:
        raise CytosynthError("This copy of napari-cytosynth has no bundled weights for the demo.")
    if scene is not None and scene not in known:
        raise CytosynthError(
            f"The demo has no scene “{scene}” with bundled weights. It has: {', '.join(known)}."
        )
    check_display()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*_WINDOW)
    if not headless:
        _show(viewer, known, scene)
        napari.run()
        return []
    folder = Path(out or "demo-output")
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [scene] if scene is not None else list(known)
    try:
        return _record(viewer, [known[name] for name in chosen], folder)
    finally:
        viewer.close()


def _show(viewer: Any, known: Mapping[str, Callable[[Any], Scene]], name: str | None) -> None:
    """Run a scene for an open viewer, with its widget in front."""
    if name is not None:
        known[name](viewer).show()
        return
    # Not run: its images would cover the others.
    waiting = known["generate"](viewer) if "generate" in known else None
    first = next((name for name in ("stain", *known) if name in known), None)
    if first == "generate" and waiting is not None:
        waiting.show()
    elif first is not None:
        known[first](viewer).show()


def _record(viewer: Any, chosen: Sequence[Callable[[Any], Scene]], folder: Path) -> list[Path]:
    """Run scenes, each in an empty viewer, and write their files."""
    written: list[Path] = []
    for make in chosen:
        _clear(viewer)
        written += make(viewer).record(folder)
    return written


def _clear(viewer: Any) -> None:
    """Close all docks and layers before the next scene."""
    viewer.window.remove_dock_widget("all")
    viewer.layers.clear()


def make_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser(
        prog="cytosynth demo",
        description=_DESCRIPTION,
        examples=[
            "cytosynth demo",
            "cytosynth demo --scene stack",
            "xvfb-run -a cytosynth demo --headless --out demo-output",
        ],
    )
    parser.add_argument(
        "--headless", action="store_true", help="write files and close, instead of staying open"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="where a headless run writes (default: demo-output)"
    )
    about = "; ".join(f"{name}: {subject}" for name, subject in SCENES.items())
    parser.add_argument("--scene", choices=tuple(SCENES), help=f"run this scene alone. {about}")
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
    for path in run_demo(arguments.out, headless=arguments.headless, scene=arguments.scene):
        echo(printable(path))
    return 0
