"""How a layer is read, in words the user can check; and small services of napari."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "guess",
    "image_layers",
    "interpret",
    "plane_in_view",
    "position_in_view",
    "save_table",
    "show_table",
]

KEY = "napari-cytosynth"
_LETTERS = frozenset("TZCYX")


def image_layers(viewer: Any) -> list[Any]:
    """Return the image layers of a viewer, newest first, without our own results."""
    layers = [layer for layer in viewer.layers if layer._type_string == "image"]
    return [layer for layer in reversed(layers) if KEY not in layer.metadata]


def shape_of(layer: Any) -> tuple[int, ...]:
    """Return the shape of a layer's data at full resolution."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(int(size) for size in data.shape)


def guess(layer: Any) -> str:
    """Return the axes of a layer, one letter each, as far as it says."""
    letters = [str(label)[:1].upper() for label in layer.axis_labels]
    spatial = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}.get(layer.ndim, "YX")
    known = len(set(letters)) == len(letters) and set("YX") <= set(letters) <= _LETTERS
    return ("".join(letters) if known else spatial) + ("C" if layer.rgb else "")


def interpret(layer: Any, axes: str) -> tuple[str, int]:
    """Say how a layer will be read.

    Returns
    -------
    (str, int)
        For example ``("12 planes of 512 × 512, axes TYX", 12)``; where the axes do not
        fit, a sentence that says why, and 0.
    """
    if layer is None:
        return "Open an image, or try one: File > Open Sample > CytoSynth.", 0
    axes, shape = axes.strip().upper(), shape_of(layer)
    problem = _misfit(axes, shape)
    if problem:
        return f"⚠ {problem}", 0
    sizes = dict(zip(axes, shape, strict=True))
    planes = math.prod(size for letter, size in sizes.items() if letter in "TZ")
    channels = f", {sizes['C']} channels" if "C" in sizes else ""
    count = "1 plane" if planes == 1 else f"{planes} planes"
    return f"{count} of {sizes['Y']} × {sizes['X']}{channels}, axes {axes}", planes


def _misfit(axes: str, shape: tuple[int, ...]) -> str:
    if len(axes) != len(shape):
        return f"The layer has {len(shape)} axes, but {len(axes)} letters are given."
    if len(set(axes)) != len(axes) or not set("YX") <= set(axes) <= _LETTERS:
        return "Give each axis one letter: T time, Z depth, C channel, Y, X."
    return ""


def position_in_view(viewer: Any, layer: Any) -> tuple[int, ...]:
    """Return the index, into all axes of a layer, of the point that the viewer stands at."""
    position = layer.world_to_data(viewer.dims.point)[-layer.ndim :]
    sizes = shape_of(layer)[: layer.ndim]
    return tuple(
        int(min(max(round(float(p)), 0), size - 1)) for p, size in zip(position, sizes, strict=True)
    )


def plane_in_view(viewer: Any, layer: Any, axes: str) -> tuple[int, ...]:
    """Return the index, into the axes that are neither C, Y nor X, of the plane in view."""
    position = position_in_view(viewer, layer)
    return tuple(
        i for i, letter in zip(position, axes.strip().upper(), strict=False) if letter not in "CYX"
    )


def save_table(table: Any, path: str | Path) -> None:
    """Write a table as CSV.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    try:
        table.to_csv(path, index=False)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"The table could not be saved to {path}: {reason}.") from error


def show_table(viewer: Any, layer: Any) -> None:
    """Open napari's features table on a layer."""
    viewer.layers.selection.active = layer
    viewer.window.add_plugin_dock_widget("napari", "Features table widget")
