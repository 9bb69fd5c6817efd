"""Axes, planes and pixel sizes of napari layers, and tables of features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.tasks.common.provenance import KEY

from .snapshot import finest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "axes_choices",
    "channel_choices",
    "checked_axes",
    "describe_axes",
    "fitting_axes",
    "format_number",
    "guess_layer_axes",
    "image_layers",
    "label_layers",
    "objects_layer",
    "pixel_size_um",
    "plane_in_view",
    "position_in_view",
    "region_layers",
    "save_table",
    "show_table",
    "take_out",
    "uncertainty_layer",
]

_OF_ROLES = ("role", "uncertainty_layer", "calibrated", "segmenter", "segmenter_sha256")
"""What records of a run's layers differ in."""


def take_out(viewer: Any, *layers: Any) -> bool:
    """Remove those of the layers that are still there; None stands for none.

    Return whether there were any.
    """
    gone = False
    for layer in layers:
        if layer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)
            gone = True
    return gone


def image_layers(viewer: Any, *, results: bool = False, stains: bool = False) -> list[Any]:
    """Return the image layers of a viewer, newest first.

    Synthetic images are images like others. Other results of this package are included only
    with `results` (all of them) or `stains` (virtual stains). Default: neither.
    """
    layers = [layer for layer in reversed(viewer.layers) if layer._type_string == "image"]
    return [
        layer
        for layer in layers
        if results
        or KEY not in layer.metadata
        or layer.metadata[KEY].get("synthetic")
        or (stains and _role(layer) == "mean")
    ]


def uncertainty_layer(viewer: Any, stain: Any) -> Any:
    """Return the layer with the uncertainty of a virtual stain; None where there is none."""
    return _layer_of(viewer, stain, "uncertainty")


def objects_layer(viewer: Any, stain: Any) -> Any:
    """Return the labels layer with the objects of a virtual stain and their doubt, or None."""
    layer = _layer_of(viewer, stain, "objects")
    return layer if layer is not None and "doubt" in layer.features else None


def _layer_of(viewer: Any, stain: Any, role: str) -> Any:
    """Return the newest layer of a role that belongs to a virtual stain; None without one."""
    if stain is None or _role(stain) != "mean":
        return None
    wanted = _same_run(stain)
    found = (layer for layer in reversed(viewer.layers) if _role(layer) == role)
    return next((layer for layer in found if _same_run(layer) == wanted), None)


def _same_run(layer: Any) -> dict[str, Any]:
    """Return what the layers of one stain of one run share, whatever they are called now."""
    record = layer.metadata[KEY]
    return {name: record[name] for name in record if name not in _OF_ROLES}


def _role(layer: Any) -> Any:
    return layer.metadata.get(KEY, {}).get("role")


def label_layers(viewer: Any) -> list[Any]:
    """Return the labels layers of a viewer, newest first."""
    return [layer for layer in reversed(viewer.layers) if layer._type_string == "labels"]


def region_layers(viewer: Any) -> list[Any]:
    """Return the layers of shapes of a viewer, newest first."""
    return [layer for layer in reversed(viewer.layers) if layer._type_string == "shapes"]


def shape_of(layer: Any) -> tuple[int, ...]:
    """Return the shape of a layer's data at full resolution."""
    return tuple(int(size) for size in finest(layer).shape)


def guess_layer_axes(layer: Any, channels: int = 1) -> str:
    """Guess the axes of a layer, one letter each, from its labels and shape; empty if unclear.

    Parameters
    ----------
    layer
        An image layer.
    channels
        Number of channels of the model. Default: 1.
    """
    from napari_cytosynth.tasks.common.axes import guess_axes

    shape = shape_of(layer)
    try:
        return guess_axes(
            len(shape),
            layer.axis_labels,
            rgb=getattr(layer, "rgb", False),
            channels=channels,
            shape=shape,
        )
    except InputError:
        return ""


def axes_choices(layer: Any, typed: str = "") -> list[tuple[str, str]]:
    """Return what the axes of a layer may be, each in words and as letters.

    Parameters
    ----------
    layer
        An image layer, or None.
    typed
        Axes that the user has typed; they are among the choices, whatever they are.
    """
    from napari_cytosynth.tasks.common.axes import possible_axes

    if layer is None:
        return []
    shape = shape_of(layer)
    found = possible_axes(shape, rgb=getattr(layer, "rgb", False))
    letters = fitting_axes(layer, typed)
    if letters and letters not in found:
        found.append(letters)
    return [(_in_words(axes, shape), axes) for axes in found]


def _in_words(axes: str, shape: tuple[int, ...]) -> str:
    """Return for example “12 time points × 3 channels”."""
    names = {"T": "time point", "Z": "z plane", "C": "channel"}
    words = []
    for axis, size in zip(axes, shape, strict=True):
        if axis not in "YX":
            name = names.get(axis, f"position{'s' * (size != 1)} {axis}")
            words.append(f"{size} {name}{'s' * (size != 1 and axis in names)}")
    last = " (last axis)" if axes.endswith("C") else ""
    return " × ".join(words) + last if words else "one plane"


def describe_axes(layer: Any, axes: str) -> tuple[str, int]:
    """Describe how a layer will be read.

    Returns
    -------
    (str, int)
        For example ``("12 planes of 512 × 512, axes TYX", 12)``; where the axes do not
        fit, a sentence with the reason, and 0.
    """
    if layer is None:
        return "Open an image, or try one: File > Open Sample > CytoSynth.", 0
    shape = shape_of(layer)
    try:
        letters = checked_axes(layer, axes)
    except InputError as error:
        return f"⚠ {error}", 0
    sizes = dict(zip(letters, shape, strict=True))
    planes = math.prod(size for letter, size in sizes.items() if letter not in "CYX")
    channels = f", {sizes['C']} channels" if "C" in sizes else ""
    count = "1 plane" if planes == 1 else f"{planes} planes"
    return f"{count} of {sizes['Y']} × {sizes['X']}{channels}, axes {letters}", planes


def checked_axes(layer: Any, axes: str) -> str:
    """Return the axes that the user entered for a layer as bare capitals.

    Raises
    ------
    InputError
        The field is empty, or its letters do not fit the layer.
    """
    from napari_cytosynth.tasks.common.axes import parse_axes

    if not axes.strip():
        if hint := guess_layer_axes(layer):
            raise InputError(f"Say what the axes of the image are, for example {hint}.")
        raise InputError(
            "The last axis of the image is so short that it may hold channels. Choose above what "
            "its axes are."
        )
    return parse_axes(axes, len(shape_of(layer)))


def fitting_axes(layer: Any, axes: str) -> str:
    """Return the axes as `checked_axes` does; empty where they do not fit the layer."""
    try:
        return checked_axes(layer, axes)
    except InputError:
        return ""


def channel_choices(layer: Any, axes: str, wanted: int = 1) -> list[tuple[str, int | None]]:
    """Return the channels of a layer, each with its name and index; empty without any.

    Of a colour picture and a model of one channel (`wanted`) the first stands for no choice yet:
    no colour is better than another.
    """
    letters = "" if layer is None else fitting_axes(layer, axes)
    if "C" not in letters:
        return []
    count = shape_of(layer)[letters.index("C")]
    names = ("red", "green", "blue", "alpha") if layer.rgb else ()
    found: list[tuple[str, int | None]] = [
        (names[i] if i < len(names) else f"channel {i + 1}", i) for i in range(count)
    ]
    return [("choose one", None), *found] if layer.rgb and wanted == 1 else found


def pixel_size_um(layer: Any) -> tuple[float, ...] | None:
    """Return a pixel's height and width in µm, or None where the layer has no unit of length."""
    from napari_cytosynth.tasks.common.layers import physical_pixel_size, read_source

    return physical_pixel_size(read_source(layer).geometry, [layer.ndim - 2, layer.ndim - 1])


def position_in_view(viewer: Any, layer: Any) -> tuple[int, ...]:
    """Return the index, into all axes of a layer, of the point in view."""
    position = layer.world_to_data(viewer.dims.point)[-layer.ndim :]
    sizes = shape_of(layer)[: layer.ndim]
    return tuple(
        int(min(max(round(float(p)), 0), size - 1)) for p, size in zip(position, sizes, strict=True)
    )


def plane_in_view(viewer: Any, layer: Any, axes: str) -> tuple[int, ...]:
    """Return the index, into the axes that are neither C, Y nor X, of the plane in view.

    `axes` are letters as `checked_axes` returns them.
    """
    position = position_in_view(viewer, layer)
    return tuple(i for i, letter in zip(position, axes, strict=False) if letter not in "CYX")


def format_number(value: float) -> str:
    """Format a number with three digits, thousands apart, without powers of ten."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace(",", "\u2009")


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
    """Open the table of a layer, and the Look widget with its filters, colours and plots."""
    from .opening import open_widget

    open_widget(viewer, "Look").show_table(layer)
