"""Colours of single objects of a labels layer, and the user's own given back."""

from __future__ import annotations

from functools import cache, cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np

from napari_cytosynth.errors import InputError

__all__ = ["LayerColours", "can_be_coloured", "check_numbers"]

_LARGEST = 2**28  # number of a label: its table of colours takes as many bytes
_NOTHING = np.zeros(4, np.float32)


def can_be_coloured(labels: np.ndarray) -> np.ndarray:
    """Return which numbers napari can give colours of their own, bool of shape (labels,)."""
    most = np.iinfo(np.int64).max if find_spec("numba") else _LARGEST
    found: np.ndarray = (labels > 0) & (labels <= most)
    return found


def check_numbers(labels: np.ndarray, name: str) -> None:
    """Check that the objects of a layer of some name can be coloured.

    Raises
    ------
    InputError
        A number is below 0, or too large.
    """
    if not can_be_coloured(labels).all():
        raise InputError(
            f"Objects of “{name}” have numbers below 0 or above {_LARGEST:,}, which cannot be "
            "coloured one by one. Number them anew, for example with "
            "skimage.segmentation.relabel_sequential, and measure them again."
        )


class LayerColours:
    """Shows, hides and colours single objects of a layer; its data are never touched.

    Parameters
    ----------
    layer
        Of labels. Its colormap comes back with :meth:`restore`; one that the user chooses in
        between becomes the own one.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self._own: Any = None
        self._set: Any = None

    @property
    def active(self) -> bool:
        """Whether the layer shows colours of this object."""
        return self._set is not None and self.layer.colormap is self._set

    @property
    def foreign(self) -> bool:
        """Whether somebody else has given the layer a colormap since."""
        return self._set is not None and self.layer.colormap is not self._set

    def own_colours(self, labels: np.ndarray) -> np.ndarray:
        """Return the user's colours of objects, float32 RGBA of shape (labels, 4)."""
        own = self._own if self.active else self.layer.colormap
        # napari 0.6 has the older name
        copy = own.model_copy if hasattr(own, "model_copy") else own.copy
        plain = copy(update={"use_selection": False})
        return np.asarray(plain.map(labels.astype(np.int64)), np.float32)

    def show(self, labels: np.ndarray, colours: np.ndarray, other: np.ndarray = _NOTHING) -> None:
        """Colour objects.

        Parameters
        ----------
        labels
            int of shape (objects,).
        colours
            float32 RGBA of shape (objects, 4); with alpha 0, an object is not seen.
        other
            RGBA of objects that are not among them. Default: they are not seen.
        """
        layer = self.layer
        if not self.active:
            self._own = layer.colormap
        background = self._own.background_value
        colormap = _direct_colormap()(
            color_dict={None: other, background: _NOTHING}, background_value=background
        )
        # not through the check of napari, which takes 0.4 s for 10,000 colours
        colormap.color_dict.update(zip(labels.tolist(), colours, strict=True))
        colormap.color_dict[background] = _NOTHING
        self._take_selection(colormap)
        self._set = colormap
        layer.colormap = colormap

    def restore(self) -> None:
        """Give the user's colormap back; one that was chosen since stays."""
        from napari.utils.colormaps import direct_colormap

        own, active = self._own, self.active
        self._own = self._set = None
        if not active:
            return
        self._take_selection(own)
        if not hasattr(own, "color_dict"):
            # or napari's choice “direct” would bring the colours of the objects again
            self.layer.colormap = direct_colormap()
        self.layer.colormap = own

    def _take_selection(self, colormap: Any) -> None:
        colormap.use_selection = self.layer.show_selected_label
        colormap.selection = self.layer.selected_label


@cache
def _direct_colormap() -> Any:
    """Return napari's colormap of single labels, for numbers above 65,536 too.

    Without numba, napari 0.9 refuses these where it draws, and the window freezes; a table of
    numbers up to the largest is all that it takes.
    """
    from napari.utils.colormaps import DirectLabelColormap

    class ManyLabels(DirectLabelColormap):  # type: ignore[misc]
        """Colours of single labels."""

        @cached_property
        def _array_map(self) -> np.ndarray:
            numbers: Any = self._values_mapping_to_minimum_values_set()[0]
            known = {label: value for label, value in numbers.items() if label is not None}
            if not known or min(known) < 0 or max(known) > _LARGEST:
                return np.asarray(super()._array_map)
            count = self._num_unique_colors + 2
            dtype = np.float32 if count > 2**16 else np.min_scalar_type(count)  # of textures
            found = np.zeros(max(known) + 2, dtype)  # 0: of a label that is not known
            found[np.fromiter(known, np.int64)] = np.fromiter(known.values(), np.int64)
            return found

    return ManyLabels
