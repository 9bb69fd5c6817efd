"""The result of a virtual staining: predicted intensities and their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.colours import stain_colours
from napari_cytosynth.tasks.common.layers import Source, voxel_size
from napari_cytosynth.tasks.common.placement import Placement
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.formats import ImageFacts
from napari_cytosynth.tasks.export.results import write_staining
from napari_cytosynth.tasks.export.saving import saving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.common.region import RegionMasks

    from .objects.result import StainedObjects
    from .objects.source import StainRun

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = ["Staining"]

_PREDICTED = "virtual stain (predicted, not measured)"
_FRACTION_SHOWN = {"uncertainty": 0.5, "sample spread": 0.1}
"""What is shown at full brightness, as a fraction of the stain's range: samples differ little."""


@dataclass(eq=False, repr=False)
class Staining:
    """Virtual stains of an image with their uncertainty: predicted, not measured.

    Attributes
    ----------
    mean
        float32 (C, …) of the image's shape without its own channel axis, one channel for
        each stain, in the units of the stained images that the model was trained on;
        (C, Y, X) for a single plane.
    std
        Uncertainty of the same shape and units, one standard deviation: the typical error at
        that brightness, widened by the spreads where the model's card says so; of a card
        without a curve of typical errors, the samples' (calibrated) spread, or None without
        samples.
    channels
        Names of the stains.
    axes
        Letters of the axes of `mean`, for example ``"CTYX"``.
    calibrated
        Whether `std` was calibrated: on unseen images of the kind that the model was
        trained on, about 68 % of the errors were below it. Default: False.
    count
        Samples drawn in each plane, at least; 0 (default) for a single prediction.
    views
        Flips and rotations that `mean` is the mean of. Default: 1.
    view_std, sample_std
        Standard deviation over the views and over the samples, of the shape and units of
        `mean`; None (default) without, and where the samples' is `std` itself.
    samples
        The samples themselves, (T, C, …); None (default) if not kept.
    unit
        Unit of the intensities, or "" (default).
    display_range
        For each stain, the intensities to show as black and as bright; empty if unknown.
    pixel_size
        Along Y and X in µm, or None if unknown.
    z_size
        Distance of planes along Z in µm. Default: None, unknown.
    source, source_axes
        The image, and the letters of its axes.
    position
        Index of the plane into the axes that count planes, if it is a single one.
    channel
        Index into the axis ``C`` of the source of the (first) input channel. Default: 0.
    focal_planes
        For a model of several focal planes that took them from the axis Z: for each plane of
        the result, in order, their indices along Z in the order of the model's channels. Empty
        (default) otherwise.
    messages
        Warnings and notes of the run, for the user.
    provenance
        Provenance record of this result, of plain values.
    region
        To which the result is limited: outside, `mean`, `std` and all others are NaN. Default:
        None, the whole image.
    run
        The run that made it, whose network :meth:`objects` uses again; None of a result that
        was made otherwise.
    """

    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32] | None
    channels: tuple[str, ...]
    axes: str
    calibrated: bool = False
    count: int = 0
    views: int = 1
    view_std: npt.NDArray[np.float32] | None = None
    sample_std: npt.NDArray[np.float32] | None = None
    samples: npt.NDArray[np.float32] | None = None
    unit: str = ""
    display_range: tuple[tuple[float, float], ...] = ()
    pixel_size: tuple[float, ...] | None = None
    z_size: float | None = None
    source: Source = field(default_factory=lambda: Source(np.zeros((0, 0))))
    source_axes: str = "YX"
    position: tuple[int, ...] | None = None
    channel: int = 0
    focal_planes: tuple[tuple[int, ...], ...] = ()
    messages: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    region: RegionMasks | None = None
    run: StainRun | None = None

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.mean.shape))
        names = ", ".join(self.channels)
        return f"<Staining of {names}: {self.axes} {shape}, {self.count} samples>"

    @property
    def placement(self) -> Placement:
        """Axes and geometry of the result's layers."""
        axes = self.axes.removeprefix("C")
        return Placement(
            self.source, self.source_axes, axes, self.position, self.channel,
            self.pixel_size, self.z_size, bool(self.focal_planes),
        )  # fmt: skip

    def plane_indices(self) -> Iterator[tuple[int, ...]]:
        """Yield the index of each plane into the leading axes; ``()`` for a single plane."""
        shape = zip(self.axes, self.mean.shape, strict=True)
        return iter(np.ndindex(*(size for axis, size in shape if axis not in "CYX")))

    def objects(
        self, stain: str | None = None, *, progress: Progress | None = None
    ) -> StainedObjects:
        """Find the objects (nuclei) of a virtual stain, and how doubtful each of them is.

        Parameters
        ----------
        stain
            One of :attr:`channels`. None (default): the first for which the model's card tells
            doubtful objects, or the one that shows nuclei.
        progress
            Called after each pass over a plane; None (default) shows a bar in a console.
            Raising :class:`~napari_cytosynth.errors.Cancelled` from it stops it.

        Raises
        ------
        InputError
            If there is no such stain, or none is known to show nuclei.
        ModelError
            If the segmentation model cannot be loaded.
        """
        from .objects.task import find_objects

        return find_objects(self, stain, progress=progress)

    # ------------------------------------------------------------------ layers and files

    def to_layers(self) -> list[LayerData]:
        """Return layer data: for each stain the mean and, where known, the uncertainty.

        First all means, of which the first is visible, then all uncertainties, hidden: several
        additive stains at once are a white glare. Last, hidden, the spreads of dropout samples
        where these are not the uncertainty itself. They carry the source's geometry; under
        ``metadata["napari-cytosynth"]`` lies the record, with ``stain`` (its name), ``role``
        (``mean``, ``uncertainty`` or ``sample spread``), ``calibrated`` and, for a mean,
        ``uncertainty_layer``: the name of the layer that belongs to it.
        """
        layers = [self._layer(i, "mean", values) for i, values in enumerate(self.mean)]
        if self.std is not None:
            layers += [self._layer(i, "uncertainty", values) for i, values in enumerate(self.std)]
        if self.sample_std is not None and self.count > 1:
            spreads = enumerate(self.sample_std)
            layers += [self._layer(i, "sample spread", values) for i, values in spreads]
        return layers

    def layer_name(self, stain: str, role: str) -> str:
        """Return the name of a layer, such as “DNA · virtual · brightfield” or “DNA σ · virtual”.

        The stain comes first, as lists cut long names off.

        Parameters
        ----------
        stain
            Name of the stain.
        role
            ``mean``, ``uncertainty`` or ``sample spread``.
        """
        first = {"uncertainty": f"{stain} σ", "sample spread": f"{stain} samples"}.get(role, stain)
        source = [self.source.name] if self.source.name else []
        return " · ".join([first, "virtual", *source])

    def _layer(self, number: int, role: str, values: npt.NDArray[np.float32]) -> LayerData:
        stain = self.channels[number]
        calibrated = self.calibrated and role != "sample spread"
        record = self.provenance | {"stain": stain, "role": role, "calibrated": calibrated}
        if role == "mean" and self.std is not None:
            record["uncertainty_layer"] = self.layer_name(stain, "uncertainty")
        attributes = {
            "name": self.layer_name(stain, role),
            "colormap": stain_colours(self.channels)[number] if role == "mean" else "magma",
            "blending": "additive",
            "visible": role == "mean" and number == 0,
            "metadata": {KEY: record},
            **self.placement.geometry,
        }
        if self.display_range:
            low, high = self.display_range[number]
            attributes["contrast_limits"] = (low, high)
            if role != "mean":
                attributes["contrast_limits"] = (0.0, _FRACTION_SHOWN[role] * (high - low))
        return self.placement.placed(values), attributes, "image"

    def add_to(self, viewer: Any) -> list[Any]:
        """Add the layers to a napari viewer and return them (in the main thread only)."""
        return [viewer.add_image(data, **arguments) for data, arguments, _ in self.to_layers()]

    def save(
        self,
        path: str | Path,
        *,
        objects: StainedObjects | None = None,
        stem: str = "",
        zarr: bool = False,
        overwrite: bool = False,
    ) -> list[Path]:
        """Write mean, uncertainty, samples (if kept), objects and record; return the files.

        Parameters
        ----------
        path
            A folder (made if needed) gets ``mean.tif``, ``std.tif``, ``samples.tif`` and
            ``provenance.json``; ``name.tif`` the same as ``name-std.tif`` …; ``name.zarr``
            one OME-Zarr of the mean with the uncertainty inside. An unchanged older virtual
            stain of that name is replaced as a whole: its ``std.tif`` or ``samples.tif`` that
            the new one lacks is removed. If it was of another image, :attr:`messages` says
            so. Nothing else is replaced, and never the image itself.
        objects
            Objects of this stain, as :meth:`objects` found them, for ``labels.tif`` (in an
            OME-Zarr its labels) and ``table.csv``, with their doubt and the ends of their
            intervals where these are known. Default: None.
        stem
            What the names of the files in the folder begin with, for several results in one:
            ``a`` gives ``a-mean.tif``, ``a-std.tif`` … Default: "", nothing.
        zarr
            With a `stem`: write the OME-Zarr group of that name instead of TIFFs, such as a
            field of a plate. Default: False.
        overwrite
            Replace other files of these names too, and those changed by hand. Default: False.

        Raises
        ------
        InputError
            If `objects` are none, or those of another virtual stain.
        OutputError
            If it cannot be written there, or something else would be replaced.
        """
        if objects is not None:
            self._check(objects)
        arrays: dict[str, Any] = {"mean": self.mean, "std": self.std, "samples": self.samples}
        descriptions = {name: f"{_PREDICTED}: {self._description(name)}" for name in arrays}
        facts = ImageFacts(self.axes, voxel_size(self.pixel_size, self.z_size), self.channels)
        record, table = self.provenance, None
        if objects is not None:
            arrays["labels"], table = objects.labels, objects.table
            descriptions["labels"] = f"{objects.objects} in a {_PREDICTED} of {objects.stain}"
            facts = replace(facts, objects=objects.objects)
            record = record | {"objects": objects.summary}
        present = [name for name, array in arrays.items() if array is not None]
        others = None if objects is not None else ()
        destination = find_destination(path, "stain", present, others=others, stem=stem, zarr=zarr)
        size = sum(4 * math.prod(arrays[name].shape) for name in present)
        options: dict[str, Any] = {"size": size, "overwrite": overwrite}
        with saving(destination, record, self.source.files, **options) as files:
            write_staining(files, arrays, descriptions, facts, table)
        self.messages.extend(files.messages)
        return destination.files

    def _check(self, objects: Any) -> None:
        from .objects.result import StainedObjects

        if not isinstance(objects, StainedObjects):
            raise InputError("objects: give those that stained.objects() returns.")
        if objects.staining is not self:
            raise InputError("These objects were found in another virtual stain: save that one.")

    def _description(self, name: str) -> str:
        unit = f", in {self.unit}" if self.unit else ""
        if name != "std":
            return ("single samples" if name == "samples" else "mean") + unit
        kind = "calibrated" if self.calibrated else "uncalibrated"
        return f"{kind} uncertainty, one standard deviation{unit}"
