"""The result of a segmentation: probabilities, and objects at any threshold."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_callable
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.layers import Source, voxel_size
from napari_cytosynth.tasks.common.placement import Placement
from napari_cytosynth.tasks.common.provenance import KEY
from napari_cytosynth.tasks.correct import Corrections
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.formats import ImageFacts
from napari_cytosynth.tasks.export.results import write_segmentation
from napari_cytosynth.tasks.export.saving import saving
from napari_cytosynth.tasks.measure.images import channel_images
from napari_cytosynth.tasks.measure.table import measure

from .by_hand import CorrectedPlanes
from .confidence import DOUBTFUL, count_doubtful
from .result_check import TrainingFacts
from .runs import count_in_runs

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import pandas as pd

    from napari_cytosynth.progress import Progress

__all__ = ["Segmentation"]


@dataclass(eq=False, repr=False)
class Segmentation(CorrectedPlanes):
    """Segmentation of an image: probabilities, and objects at a threshold.

    Attributes
    ----------
    probability
        float32 in [0, 1], of the image's shape without its channel axis; (Y, X) for a single
        plane.
    axes
        Letters of its axes, for example ``"TZYX"``.
    options
        Threshold, minimum size and further options of :attr:`labels`.
    extra
        Further output channels of the same shape, for splitting touching objects.
    splitting
        How the model splits touching objects by seeds. Default: None.
    owned
        Who owns each pixel, of models whose flows separate touching objects. Default: None.
    objects
        Name of the objects: nuclei, mitochondria … Default: "objects".
    model_threshold
        The model's own threshold. Default: 0.5.
    region
        To which the result is limited; its probability is 0 outside. Default: None, the whole.
    pixel_size
        Along Y and X in µm, or None if unknown.
    z_size
        Distance of the planes along Z in µm. Default: None, unknown.
    source, source_axes
        The image, and the letters of its axes.
    position
        Index of the plane into the axes that count planes, if it is a single one.
    channel
        Index into the axis ``C`` of the (first) input channel. Default: 0.
    messages
        Warnings and notes of the run, for the user.
    training
        What the model was trained on, and in what the image is unlike it, for :attr:`doubt`.
        Default: nothing is known.
    doubted
        Objects of the virtual stain that was segmented, or their Labels layer: the table then has
        the column ``doubt``. Default: None.
    corrections
        What was corrected by hand; it acts on objects, at every threshold. Default: nothing.
    """

    objects: str = "objects"
    pixel_size: tuple[float, ...] | None = None
    z_size: float | None = None
    source_axes: str = "YX"
    channel: int = 0
    training: TrainingFacts = field(default_factory=TrainingFacts)
    doubted: Any = None

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.probability.shape))
        return f"<Segmentation of {self.objects}: {self.axes} {shape}, threshold {self.threshold}>"

    @property
    def threshold(self) -> float:
        """Threshold of :attr:`labels`."""
        return self.options.threshold

    @cached_property
    def table(self) -> pd.DataFrame:
        """Table of every object's shape, size and position (see :func:`measure`)."""
        return self.measure()

    def measure(
        self, intensity: Any = None, uncertainty: Any = None, doubt: Any = None, **more: Any
    ) -> pd.DataFrame:
        """Return the table, with intensities and uncertainties in the objects.

        Parameters
        ----------
        intensity, uncertainty
            What to measure intensities in, and, where the image is a virtual stain, its
            uncertainty (see :func:`~napari_cytosynth.tasks.measure.measure`): layers, which are
            measured where they lie, or arrays of the shape of `probability`. Default: None.
        doubt
            Objects of that virtual stain, or their Labels layer, for their doubt. None (default):
            :attr:`doubted`, if any.
        **more
            ``ratios``, ``neighbours``, ``parents``, ``children``, ``progress``: as those of
            :func:`~napari_cytosynth.tasks.measure.measure`.

        Raises
        ------
        InputError
            If their shape or their position does not fit.
        """
        place = self.placement
        table = measure(
            self._placed_source(self.labels),
            self._placed(intensity),
            voxel_size(self.pixel_size, self.z_size if "Z" in self.axes else None),
            axes=place.layer_axes,
            probability=place.placed(self.probability),
            uncertainty=self._placed(uncertainty),
            doubt=self.doubted if doubt is None else doubt,
            by_plane=not self.links_planes,
            **more,
        )
        # a single plane of a stack has leading axes in its layers only
        leading = [axis.lower() for axis in place.layer_axes if axis not in self.axes + "C"]
        table = table.drop(columns=leading)
        if self.confidence is not None:
            after = list(table).index("mean_probability") + 1
            table.insert(after, "confidence", self.confidence[table["label"].to_numpy()])
        if self.region is not None and self.region.at_border == "mark":
            table["at_region_border"] = table["label"].isin(self._at_region_border()).to_numpy()
        if self.corrections.done:
            names = self.correction_names
            table["correction"] = [names.get(label, "") for label in table["label"]]
        return table

    def _at_region_border(self) -> npt.NDArray[np.integer]:
        """Return the labels of objects that touch the border of the region, in any plane."""
        assert self.region is not None
        along = self.along_z if self.links_planes else None
        found = [
            self.region.touched(plane, self.labels[plane_slices(self.axes, plane)], along)
            for plane in self.plane_indices()
        ]
        return np.unique(np.concatenate(found))

    def misfit(self, image: Any) -> str:
        """Return why intensities cannot be measured in an image or a layer; empty where they can.

        Nothing is read of it.
        """
        shape = np.broadcast_to(np.int8(0), self.probability.shape)
        try:
            axes = self.placement.layer_axes
            channel_images(self._placed(image), self._placed_source(shape), axes)
        except InputError as error:
            return str(error)
        return ""

    def _placed_source(self, array: Any) -> Source:
        place = self.placement
        return Source(place.placed(array), geometry=place.geometry if self.source.geometry else {})

    def _placed(self, image: Any) -> Any:
        """Return arrays with the axes of the layers; layers say themselves where they lie."""
        if isinstance(image, dict):
            return {name: self._placed(one) for name, one in image.items()}
        array = not hasattr(image, "scale") and getattr(image, "shape", None)
        return self.placement.placed(image) if array == self.probability.shape else image

    @cached_property
    def confidence(self) -> npt.NDArray[np.float64] | None:
        """Confidence in each object, by its label from 0 (NaN) on; None where it is unknown.

        It is measured at the model's threshold, and the same at all; of labels that were
        corrected, it is the mean over their pixels.
        """
        if not self.corrections.done:
            return self.confidence_of(self.labels)
        planes = ((at, self.labels[plane_slices(self.axes, at)]) for at in self.plane_indices())
        return self.mean_confidence(planes, int(self.labels.max(initial=0)))

    @cached_property
    def doubt(self) -> str:
        """Sentence for the user where image or result are unlike those of the training, else "".

        The image was looked at before the run; the objects are held against those of the
        validation images: how much of the image they cover, their sizes, the mean confidence.
        Hiding what is doubtful makes no result better: ``min_confidence`` does not matter.
        """
        if not self.training.known:
            return ""  # before anything is measured for it
        own = replace(self, corrections=Corrections()) if self.corrections else self
        everything = own.at_threshold(min_confidence=0) if self.options.min_confidence else own
        diameter = self.base_provenance.get("parameters", {}).get("diameter")
        pixels = None if self.region is None else self.pixel_count
        return self.training.doubt(everything, everything.table, self.objects, diameter, pixels)

    @cached_property
    def doubtful_counts(self) -> list[int] | None:
        """Number of doubtful objects, of a confidence below 0.5; None where it is unknown.

        Of each run along Z, where planes are linked; else a single number.
        """
        if self.confidence is not None and self.links_planes:
            return count_in_runs(self.labels, self.axes, self.confidence < DOUBTFUL)
        found = count_doubtful(self.confidence)
        return None if found is None else [found]

    @property
    def hidden_counts(self) -> list[int] | None:
        """Number of objects that ``min_confidence`` left out, as :attr:`doubtful_counts`."""
        _ = self.labels  # which are counted as they are made
        return self._hidden if self.has_confidence else None

    def at_threshold(
        self, threshold: float | None = None, *, progress: Progress | None = None, **options: Any
    ) -> Segmentation:
        """Return the result at another threshold; the network is not run.

        Parameters
        ----------
        threshold
            In [0, 1]; None (default) keeps it.
        progress
            Makes the labels now and is called after each plane; it may raise
            :class:`~napari_cytosynth.errors.Cancelled`. None (default) makes them when used.
        **options
            ``min_size``, ``fill_holes``, ``split_touching``, ``drop_border``,
            ``link_planes``, ``min_confidence``; those not named stay as they are.

        Raises
        ------
        InputError
            If a value or a name is impossible.
        """
        if threshold is not None:
            options["threshold"] = threshold
        unknown = set(options) - set(asdict(self.options))
        if unknown:
            raise InputError(f"There is no such option: {', '.join(sorted(unknown))}.")
        check_callable(progress, "progress")
        result = replace(self, options=replace(self.options, **options))
        if self.owned is not None:
            self.owned.check(result.options)
        if progress is not None:
            result.__dict__["labels"] = result._label_all(progress)
        return result

    @cached_property
    def run_counts(self) -> list[int]:
        """Number of objects of each run along Z, where planes are linked."""
        return count_in_runs(self.labels, self.axes)

    # ------------------------------------------------------------------ layers and files

    @property
    def placement(self) -> Placement:
        """Axes and geometry of the result's layers."""
        # probabilities by themselves, without an image, lie where they are
        source_axes = self.source_axes if self.source.data.size else self.axes
        return Placement(
            self.source, source_axes, self.axes, self.position, self.channel,
            self.pixel_size, self.z_size,
        )  # fmt: skip

    @property
    def layer_axes(self) -> str:
        """Letters of the axes of the layers that :meth:`to_layers` returns."""
        return self.placement.layer_axes

    def to_layers(self) -> list[tuple[Any, dict[str, Any], str]]:
        """Return layer data: the probability as an image, the objects as labels.

        Both carry the source's geometry and, under ``metadata["napari-cytosynth"]``, the
        record; the labels have the table as ``features``. Their names begin with what they are
        and end with the image's. The result of one plane of a
        stack has leading axes of length 1, so that it lies where the plane lies,
        and a channel axis behind others that count planes stays with length 1
        (see :attr:`layer_axes`).
        """
        suffix = f" – {self.source.name}" if self.source.name else ""
        shared = {"metadata": {KEY: self.provenance}, **self.placement.geometry}
        probability = {
            "name": f"probability{suffix}",
            "contrast_limits": (0.0, 1.0),
            "colormap": "magma",
            "blending": "additive",
            **shared,
        }
        labels = {"name": f"{self.objects}{suffix}", "features": self.table, **shared}
        return [
            (self.placement.placed(self.probability), probability, "image"),
            (self.placement.placed(self.labels), labels, "labels"),
        ]

    def add_to(self, viewer: Any) -> list[Any]:
        """Add both layers to a napari viewer and return them (in the main thread only)."""
        add = {"image": viewer.add_image, "labels": viewer.add_labels}
        return [add[kind](data, **arguments) for data, arguments, kind in self.to_layers()]

    def save(
        self, path: str | Path, *, stem: str = "", zarr: bool = False, overwrite: bool = False
    ) -> list[Path]:
        """Write probability, labels, table and record; return the files.

        An unchanged older segmentation there is replaced as a whole; if it was of another
        image, :attr:`messages` says so. Nothing else is replaced, and never the image itself.

        Parameters
        ----------
        path
            A folder (made if needed) gets ``probability.tif``, ``labels.tif``,
            ``table.csv`` and ``provenance.json``; ``name.tif`` the same as
            ``name-labels.tif`` …; ``name.zarr`` one OME-Zarr with the labels inside. With
            corrections by hand, ``annotated.tif`` has 1 where :attr:`annotated` is true.
        stem
            What the names of the files in the folder begin with, for several results in one:
            ``a`` gives ``a-probability.tif``, ``a-labels.tif`` … Default: "", nothing.
        zarr
            With a `stem`: write the OME-Zarr group of that name instead of TIFFs, such as a
            field of a plate. Default: False.
        overwrite
            Replace other files of these names too, and labels that were corrected by hand.
            Default: False.

        Raises
        ------
        OutputError
            If it cannot be written there, or something else would be replaced.
        """
        images = ("probability", "labels", *(("annotated",) if self.corrections else ()))
        destination = find_destination(path, "segment", images, stem=stem, zarr=zarr)
        size = voxel_size(self.pixel_size, self.z_size)
        facts = ImageFacts(self.axes, size, objects=self.objects)
        space = 4 * math.prod(self.probability.shape)
        options: dict[str, Any] = {"size": space, "overwrite": overwrite}
        with saving(destination, self.provenance_to_save(), self.source.files, **options) as files:
            known = self.annotated if self.corrections else None
            write_segmentation(files, self.probability, self.labels, self.table, facts, known)
        self.messages.extend(files.messages)
        return destination.files
