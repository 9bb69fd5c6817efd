"""Layers of synthetic images: their names, axes, colours and place."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.tasks.common.colours import is_colour_picture, usual_colour
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.export.montage import column_count, montage

if TYPE_CHECKING:
    import numpy.typing as npt

    from .part import Part

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = ["MARK", "SyntheticLayers"]

_GAP = 2  # px between the samples of a grid
MARK = "at_region_border"
_EIGHT = np.ones((3, 3), bool)


class SyntheticLayers:
    """What a :class:`~napari_cytosynth.tasks.generate.result.Generation` shows in napari."""

    images: npt.NDArray[np.float32]
    channels: tuple[str, ...]
    seeds: tuple[int, ...]
    model: str
    objects: str
    walk: tuple[float, ...] | None
    ends: tuple[int, int] | None
    trajectory: npt.NDArray[np.floating] | None
    pixel_size_um: float | None
    masks: npt.NDArray[np.bool_] | None
    part: Part | None
    provenance: dict[str, Any]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    # -- what is seen ----------------------------------------------------------------------

    @property
    def is_rgb(self) -> bool:
        """Whether the channels are the red, green and blue of colour pictures."""
        return is_colour_picture(self.channels)

    @cached_property
    def labels(self) -> npt.NDArray[np.int32] | None:
        """int32 (N, Y, X): connected components of the masks, ids continue from image to image.

        Components that touch at a corner are one (8-connected). None without masks.
        """
        if self.masks is None:
            return None
        labels, last = np.zeros(self.masks.shape, np.int32), 0
        for plane, mask in zip(labels, self.masks, strict=True):
            found, count = ndimage.label(mask, _EIGHT)
            plane[mask] = found[mask] + last
            last += count
        return labels

    def grid(self, columns: int | None = None) -> npt.NDArray[np.float32]:
        """Lay all images side by side.

        Parameters
        ----------
        columns
            Images in a row; None (default) makes the grid about square.

        Returns
        -------
        ndarray
            float32 (C, Y, X): row by row, with 2 px of 0 between the images.
        """
        return montage(self.images, column_count(len(self), columns), _GAP)

    def contrast_limits(self, channel: int) -> tuple[float, float]:
        """Return the intensities to show as black and as bright, the same for all images.

        A stain's bright end is its own (the 99.8 % quantile of its pixels), as few of its
        pixels are bright; all else is shown from 0 to 1.
        """
        return self._limits[channel]

    @cached_property
    def marked_labels(self) -> list[npt.NDArray[np.integer]] | None:
        """The labels of each image that touch the border of a region; None if none were asked."""
        if self.labels is None or self.part is None or self.part.at_border != "mark":
            return None
        return [self.part.cut_labels(plane) for plane in self.labels]

    @cached_property
    def _limits(self) -> tuple[tuple[float, float], ...]:
        """Contrast limits of each channel, cached: an animation reads them at every step."""
        limits = []
        for number, name in enumerate(self.channels):
            bright = 1.0
            if not self.is_rgb and usual_colour(name) != "gray" and len(self):
                bright = float(np.nanquantile(self.images[:, number], 0.998))
            limits.append((0.0, min(1.0, max(bright, 0.05))))
        return tuple(limits)

    # -- layers -----------------------------------------------------------------------------

    def layer_name(self, what: str = "") -> str:
        """Return the name of a layer, with "synthetic" and the name of the model."""
        name = f"synthetic {self.model}".rstrip()
        return f"{name} – {what}" if what else name

    def to_layers(self) -> list[LayerData]:
        """Return layer data: an image for each channel, labels for the masks.

        Colour pictures are one RGB layer. The axes are ``sample``, ``y`` and ``x``. With a
        trajectory there is an axis ``step`` behind ``sample``, on which they lie at the last
        step, and further layers with the steps before it. Under
        ``metadata["napari-cytosynth"]`` lies the record, with ``synthetic``, ``seeds`` (of
        each sample; of a walk those of its ends, and the positions as ``walk``) and
        ``channel``.
        """
        steps = 0 if self.trajectory is None else self.trajectory.shape[1] - 1
        layers = self._image_layers(self.images, steps, "")
        if self.trajectory is not None and steps:
            layers += self._image_layers(self.trajectory[:, :-1], None, "steps")
        if self.labels is not None:
            placed, place = self._placed(self.labels, steps)
            attributes = {"name": self.layer_name(self.objects), **self._record(self.objects)}
            attributes |= self._marks()
            layers.append((placed, attributes | place, "labels"))
        return layers

    def grid_layers(self, columns: int | None = None) -> list[LayerData]:
        """Return layer data of all images side by side, in one plane (see :meth:`grid`)."""
        layers = self._image_layers(self.grid(columns), None, "grid")
        if self.labels is not None:
            count = column_count(len(self), columns)
            labels = montage(self.labels[:, None], count, _GAP)[0]
            attributes = {"name": self.layer_name(f"{self.objects}, grid")}
            attributes |= self._record(self.objects) | self._place("yx")
            layers.append((labels, attributes, "labels"))
        return layers

    def _image_layers(self, images: Any, step: int | None, content: str) -> list[LayerData]:
        """Return layers of an array (…, C, Y, X); see :meth:`_placed` for `step`."""
        suffix = f", {content}" if content else ""
        if self.is_rgb:
            placed, place = self._placed(_shown_colours(images), step, rgb=True)
            attributes = {"name": self.layer_name(content), "rgb": True, **self._record("rgb")}
            return [(placed, attributes | place, "image")]
        layers: list[LayerData] = []
        for number, channel in enumerate(self.channels):
            placed, place = self._placed(images[..., number, :, :], step)
            attributes = {
                "name": self.layer_name(channel + suffix),
                "contrast_limits": self.contrast_limits(number),
                **self._display(channel),
                **self._record(channel),
            }
            layers.append((placed, attributes | place, "image"))
        return layers

    def _display(self, channel: str) -> dict[str, str]:
        """Return colormap and blending of a channel; a single channel is grey."""
        if len(self.channels) == 1:
            return {"colormap": "gray"}
        return {"colormap": usual_colour(channel), "blending": "additive"}

    def _marks(self) -> dict[str, Any]:
        """Return features of the labels: which touch the border of the region, if asked."""
        if self.marked_labels is None or self.labels is None:
            return {}
        import pandas as pd

        known = np.unique(self.labels)
        known = known[known > 0]
        cut = np.isin(known, np.concatenate([*self.marked_labels, np.array([], int)]))
        return {"features": pd.DataFrame({"index": known, "label": known, MARK: cut})}

    def _record(self, channel: str) -> dict[str, Any]:
        own = {"synthetic": True, "seeds": list(self.seeds), "channel": channel}
        if self.walk is not None and self.ends is not None:
            own |= {"seeds": list(self.ends), "walk": list(self.walk)}
        return {"metadata": {KEY: self.provenance | own}}

    def _placed(
        self, array: Any, step: int | None, *, rgb: bool = False
    ) -> tuple[Any, dict[str, Any]]:
        """Return an array with the axes of its layer, and the layer's geometry.

        Parameters
        ----------
        array
            (N, Y, X), (N, S, Y, X) or (Y, X), and the colours with `rgb`.
        step
            Above 0, the array is (N, Y, X) and lies at this place of an axis ``step``.
        """
        if step:
            array = array[:, None]
        names = ("sample", "step", "y", "x") if array.ndim - rgb == 4 else ("sample", "y", "x")
        place = self._place(names if array.ndim - rgb > 2 else "yx")
        if step:
            place["translate"] = (0.0, float(step), *place.get("translate", (0.0,) * 4)[-2:])
        return array, place

    def _place(self, axes: tuple[str, ...] | str) -> dict[str, Any]:
        size, leading = self.pixel_size_um, len(axes) - 2
        place = {"scale": (size or 1.0,) * 2, "units": ("um" if size else "pixel",) * 2}
        if self.part is not None:
            place = self.part.place
        before = {"scale": 1.0, "translate": 0.0, "units": "pixel"}
        found = {name: (before[name],) * leading + own for name, own in place.items()}
        return {"axis_labels": tuple(axes), **found}


def _shown_colours(images: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return images (…, C, Y, X) with their colours last, transparent where they are empty."""
    colours = np.moveaxis(images, -3, -1)
    empty = np.isnan(colours[..., :1])
    if not empty.any():
        return colours
    filled = np.nan_to_num(colours)
    return np.concatenate([filled, (~empty).astype(filled.dtype)], -1)
