"""Repainting of labels that were written in place, at every step of a drag."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["repaint"]

_MOST_LABELS = 1 << 20  # whose colours are looked up at each step


def repaint(layer: Any) -> None:
    """Show labels that were written into a layer's array; the pixels are those of its refresh.

    napari finds the colour of every pixel anew. Here it does so once for each label, and the
    texture is replaced as where a brush paints: in a plane of 1024² a third of the time, and the
    list of layers is not drawn again. That way is napari's own, not public: where it is not as
    expected, or another view is shown (contours, three dimensions, asynchronous slicing), the
    layer is refreshed.

    Parameters
    ----------
    layer
        Of labels, in a viewer.
    """
    layer = getattr(layer, "__wrapped__", layer)  # plugins get a proxy that warns of private names
    try:
        texture, show = _texture(layer), layer.events.labels_update
    except (AttributeError, TypeError, ValueError, NotImplementedError):  # of another napari
        texture = None
    if texture is None:
        layer.refresh(thumbnail=False, highlight=False, extent=False)
    else:
        show(data=texture, offset=(0,) * texture.ndim)


def _texture(layer: Any) -> np.ndarray | None:
    """Write the colours of a layer into its texture's array (Y, X); None if that cannot be."""
    from napari.settings import get_settings

    raw: np.ndarray
    texture: np.ndarray
    # what painting with a brush uses, by napari's names of it
    raw, texture = layer._slice.image.raw, layer._slice.image.view
    if not layer.visible or layer.contour or layer._slice_input.ndisplay != 2:
        return None
    if get_settings().experimental.async_ or not np.may_share_memory(raw, layer.data):
        return None
    if raw.ndim != 2 or texture.shape != raw.shape or np.may_share_memory(raw, texture):
        return None
    count = int(raw.max(initial=0)) + 1
    if count > _MOST_LABELS:
        return None
    colours = layer.colormap._data_to_texture(np.arange(count, dtype=raw.dtype))
    if colours.dtype != texture.dtype:
        return None
    np.take(colours, raw, out=texture, mode="clip")
    return texture
