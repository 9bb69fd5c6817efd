"""The result of a generative model: synthetic images with their seeds and provenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.tasks.export.captions import SyntheticArrays, SyntheticFacts
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.saving import saving

from .layers import MARK, SyntheticLayers

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import pandas as pd

    from .neighbours import Nearest
    from .part import Part

__all__ = ["Generation"]


@dataclass(eq=False, repr=False)
class Generation(SyntheticLayers):
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
    part
        The region that the images fill, and where it lies; they are NaN outside. None (default)
        without a region.
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
    part: Part | None = None
    nearest: Nearest | None = None
    messages: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        count, _, rows, columns = self.images.shape
        size = f"{rows} × {columns} px, {', '.join(self.channels)}"
        return f"<Generation by {self.model}: {count} synthetic images of {size}>"

    # ------------------------------------------------------------------ contents

    @property
    def table(self) -> pd.DataFrame:
        """Table with one row for each image.

        ``sample``, ``seed``, ``class`` and the requested conditions; of a walk,
        ``from_seed``, ``to_seed`` and ``position`` in place of the seed; of
        masks ``mask_fraction`` (of the region, if there is one) and ``objects``, and
        ``at_region_border``, the labels that touch the border, if they were to be marked; of
        :attr:`nearest` ``nearest_distance``, ``nearest_index`` and ``suspicious``.
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
            pixels = self.masks[0].size if self.part is None else self.part.mask.sum()
            table["mask_fraction"] = self.masks.sum(axis=(1, 2)) / pixels
            table["objects"] = [len(np.unique(plane[plane > 0])) for plane in self.labels]
        if self.marked_labels is not None:
            table[MARK] = [" ".join(map(str, found)) for found in self.marked_labels]
        if self.nearest is not None:
            table["nearest_distance"] = self.nearest.distance
            table["nearest_index"] = self.nearest.index
            table["suspicious"] = self.nearest.suspicious
        return table

    # ------------------------------------------------------------------ viewer

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
        InputError
            With `separate`, if the images are empty outside of a region.
        OutputError
            If it cannot be written there, or something else would be replaced.
        """
        if separate and self.part is not None:
            self.part.require_whole("files to train on")
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
