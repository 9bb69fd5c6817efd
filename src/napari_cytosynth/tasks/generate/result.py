"""The result of a generative model: synthetic images with their seeds and provenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cytosynth.tasks.common.colours import is_colour_picture, usual_colour
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.export.captions import SyntheticArrays, SyntheticFacts
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.montage import column_count, montage
from napari_cytosynth.tasks.export.saving import saving

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import pandas as pd

    from .neighbours import Nearest

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = ["Generation"]

_EIGHT = np.ones((3, 3), bool)
_GAP = 2  # px between the samples of a grid


@dataclass(eq=False, repr=False)
class Generation:
    """Images from a generative model: synthetic, not measured.

    Attributes
    ----------
    images
        float32 (N, C, Y, X) in [0, 1], without a mask's channel.
    channels
        Names of the channels.
    seeds
        Seed of each image, which reproduces it alone or among others. Both ends of a latent
        walk have theirs (of a diffusion model, with the sampler DDIM); an image in between
        has that of the nearer end, and no seed of its own.
    model
        Name of the model.
    masks
        bool (N, Y, X), of a model that makes images with their mask; else None (default).
    objects
        Name of the objects in the mask. Default: "objects".
    label
        Name of the requested class. Default: None.
    conditions
        Requested properties, in their own units. Default: none.
    walk
        Position of each image on a latent walk, (N,) from 0 at the first end to 1 at the
        second; None (default) without a walk.
    ends
        Seeds of the two ends of a latent walk; None (default) without a walk.
    trajectory
        (N, S, C, Y, X) in [0, 1], the states from noise to image, the last the image
        itself; None if they were not kept, or the model has no steps.
    pixel_size_um
        Pixel size of the training images, and so of these; None if unknown.
    nearest
        Nearest training images (see :func:`~napari_cytosynth.tasks.nearest.
        nearest_training`), once looked up.
    messages
        Warnings and notes of the run, for the user.
    provenance
        Provenance record of this result, of plain values.
    """

    images: npt.NDArray[np.float32]
    channels: tuple[str, ...]
    seeds: tuple[int, ...]
    model: str = ""
    masks: npt.NDArray[np.bool_] | None = None
    objects: str = "objects"
    label: str | None = None
    conditions: dict[str, float] = field(default_factory=dict)
    walk: tuple[float, ...] | None = None
    ends: tuple[int, int] | None = None
    trajectory: npt.NDArray[np.floating] | None = None
    pixel_size_um: float | None = None
    nearest: Nearest | None = None
    messages: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        count, _, rows, columns = self.images.shape
        size = f"{rows} × {columns} px, {', '.join(self.channels)}"
        return f"<Generation by {self.model}: {count} synthetic images of {size}>"

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    # ------------------------------------------------------------------ contents

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

    @property
    def table(self) -> pd.DataFrame:
        """Table with one row for each image.

        ``sample``, ``seed``, ``class`` and the requested conditions; of a walk,
        ``from_seed``, ``to_seed`` and ``position`` in place of the seed; of
        masks ``mask_fraction`` and ``objects``; of :attr:`nearest` ``nearest_distance``,
        ``nearest_index`` and ``suspicious``.
        """
        import pandas as pd

        table = pd.DataFrame({"sample": range(len(self))})
        if self.walk is None or self.ends is None:
            table["seed"] = list(self.seeds)
        else:
            table["from_seed"], table["to_seed"] = self.ends
            table["position"] = list(self.walk)
        if self.label is not None:
            table["class"] = self.label
        for name, value in self.conditions.items():
            table[name] = value
        if self.masks is not None and self.labels is not None:
            table["mask_fraction"] = self.masks.mean(axis=(1, 2))
            table["objects"] = [len(np.unique(plane[plane > 0])) for plane in self.labels]
        if self.nearest is not None:
            table["nearest_distance"] = self.nearest.distance
            table["nearest_index"] = self.nearest.index
            table["suspicious"] = self.nearest.suspicious
        return table

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
    def _limits(self) -> tuple[tuple[float, float], ...]:
        """Contrast limits of each channel, cached: an animation reads them at every step."""
        limits = []
        for number, name in enumerate(self.channels):
            bright = 1.0
            if not self.is_rgb and usual_colour(name) != "gray" and len(self):
                bright = float(np.quantile(self.images[:, number], 0.998))
            limits.append((0.0, min(1.0, max(bright, 0.05))))
        return tuple(limits)

    # ------------------------------------------------------------------ layers

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
            placed, place = self._placed(np.moveaxis(images, -3, -1), step, rgb=True)
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
            place["translate"] = (0.0, float(step), 0.0, 0.0)
        return array, place

    def _place(self, axes: tuple[str, ...] | str) -> dict[str, Any]:
        size = self.pixel_size_um
        return {
            "axis_labels": tuple(axes),
            "scale": tuple(size if size and axis in "yx" else 1.0 for axis in axes),
            "units": tuple("um" if size and axis in "yx" else "pixel" for axis in axes),
        }

    def add_to(self, viewer: Any) -> list[Any]:
        """Add the layers to a napari viewer and return them (in the main thread only)."""
        add = {"image": viewer.add_image, "labels": viewer.add_labels}
        added = [add[kind](data, **arguments) for data, arguments, kind in self.to_layers()]
        if self.trajectory is not None and added:
            # the step of the images; napari would begin in the middle of the noise
            viewer.dims.set_point(viewer.dims.ndim - 3, self.trajectory.shape[1] - 1)
        return added

    # ------------------------------------------------------------------ files

    @property
    def facts(self) -> SyntheticFacts:
        """Plain facts for files and captions."""
        near = () if self.nearest is None else tuple(map(bool, self.nearest.suspicious))
        return SyntheticFacts(
            self.channels,
            self._limits,
            self.seeds,
            model=self.model,
            objects=self.objects,
            label=self.label,
            conditions=dict(self.conditions),
            walk=self.walk,
            ends=self.ends,
            pixel_size_um=self.pixel_size_um,
            suspicious=near,
        )

    def _arrays(self) -> SyntheticArrays:
        return SyntheticArrays(self.images, self.masks, self.labels, self.trajectory)

    def save(
        self, path: str | Path, *, separate: bool = False, overwrite: bool = False
    ) -> list[Path]:
        """Write images, masks, table, contact sheet and record; return the files.

        Every file is marked as synthetic.

        Parameters
        ----------
        path
            A folder (made if needed) gets ``images.tif`` (its axis T counts the samples;
            float32 in [0, 1], colour pictures 8-bit RGB), ``masks.tif`` (0 and 255),
            ``labels.tif``, ``trajectory.tif`` (T: samples, Z: steps), ``samples.csv`` with
            the seeds, ``contact-sheet.png`` and ``provenance.json``; ``name.tif`` the same
            as ``name-masks.tif`` …; ``name.zarr`` one OME-Zarr with the labels inside, and
            the last three beside it. Unchanged older synthetic images of that name are
            replaced as a whole, and nothing else.
        separate
            Write a file of each image too, named by model and seed, into the folders
            ``image`` and (of masks, 0 and 255) ``mask`` beside the others: data to train on.
            Default: False.
        overwrite
            Replace other files of these names too, and those changed by hand. Default: False.

        Raises
        ------
        OutputError
            If it cannot be written there, or something else would be replaced.
        """
        from napari_cytosynth.tasks.export.results import (
            generation_images,
            single_names,
            write_generation,
        )

        arrays, facts = self._arrays(), self.facts
        singles = single_names(arrays, facts) if separate else ()
        destination = find_destination(path, "generate", generation_images(arrays), singles)
        size = arrays.images.nbytes + getattr(arrays.trajectory, "nbytes", 0)
        with saving(destination, self._own_record, size=size, overwrite=overwrite) as files:
            write_generation(files, arrays, self.table, facts)
        return destination.files

    @property
    def _own_record(self) -> dict[str, Any]:
        """The record, which says synthetic even of images that were made by hand without one."""
        return {"task": "generate"} | self.provenance | {"synthetic": True}

    def save_animation(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the trajectory, or the latent walk, as an animated GIF.

        Parameters
        ----------
        path
            Name of the file; ``.gif`` is added to a name without a suffix.
        overwrite
            Replace a file that is no film of ours too. Default: False.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InputError
            If there is neither a trajectory nor a walk.
        OutputError
            If it cannot be written there.
        """
        from napari_cytosynth.tasks.export.animation import save_animation

        record = self._own_record
        return save_animation(path, self._arrays(), self.facts, record, overwrite=overwrite)
