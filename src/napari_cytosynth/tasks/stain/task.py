"""Virtual staining of an image: from an array or layer to a :class:`Staining`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_callable, check_texts, shown
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.layers import known_voxel_size, read_source
from napari_cytosynth.tasks.common.planes import engine_record, is_constant, make_reader
from napari_cytosynth.tasks.common.provenance import record
from napari_cytosynth.tasks.common.resample import back_to, to_shape

from .focal_run import FocalRun, choose_at
from .plan import SamplingPlan
from .result import Staining
from .units import Units

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_cytosynth.inference.dropout.sampler import Sampled, Sampler
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.loading import Model

    Floats = npt.NDArray[np.float32]
    OnUpdate = Callable[[tuple[int, ...], int, Floats, Floats | None], None]

__all__ = ["Staining", "first_plane_of", "stain"]

PATCHED_PIXELS = 9 * 64 * 64


def stain(
    image: Any,
    model: str | Path | Model = "u2os-brightfield-pix2pixhd",
    *,
    samples: int = 16,
    seed: int = 0,
    stains: Sequence[str] | None = None,
    tolerance: float | None = None,
    keep_samples: bool = False,
    inject_dropout: float | None = None,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    resample: bool = False,
    planes: tuple[int, ...] | None = None,
    first_plane: tuple[int, ...] | None = None,
    focal_planes: Sequence[int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    on_start: Callable[[Staining], None] | None = None,
    on_update: OnUpdate | None = None,
    enough: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Staining:
    """Predict fluorescent stains and their uncertainty from a label-free image.

    The uncertainty is the standard deviation of samples that differ by the dropout of the
    network (MC dropout, Gal and Ghahramani 2016, arXiv:1506.02142), with the calibration of
    the model's card (σ-scaling, Laves et al. 2020, arXiv:2006.11584). On images unlike those
    of the training, a model may be wrong at a small uncertainty.

    Parameters
    ----------
    image
        numpy, dask or zarr array or napari layer, of bool, integers or real numbers. Dask
        and zarr are read one plane at a time. NaN and infinite pixels count as 0 after
        scaling, with a message.
    model
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes it. Default:
        ``"u2os-brightfield-pix2pixhd"``.
    samples
        Number of samples, at least 2; 0 for a single prediction without uncertainty.
        Default: 16.
    seed
        Seed of the dropout: the same seed gives the same result. Default: 0.
    stains
        Names of the selected stains of the model; None (default) for all.
    tolerance
        Stop a plane early once the relative standard error of the uncertainty is below
        this (0.1: 10 %); None (default) draws all samples.
    keep_samples
        Keep each sample in :attr:`Staining.samples` (as large as mean and std together,
        times half their number). Default: False.
    inject_dropout
        Switch dropout on with this probability, in (0, 1), in a model that was not trained
        with it; the uncertainty is then labelled uncalibrated. Default: None.
    axes
        One letter for each axis, for example ``"TCYX"``: Y and X span a plane, C holds
        channels, all others count planes. None (default) takes a layer's ``axis_labels`` if
        they are real names, and guesses otherwise.
    channels
        Indices into the axis C of the input channels; None (default) for all.
    pixel_size
        In µm, one number, those of Y and X, or those of Z, Y and X, where Z is the distance of
        planes. None (default), or a missing Z, takes the layer's.
    resample
        Resample the image to the model's pixel size where both are known and differ by
        more than 1.5 times. The result has the image's own grid. Default: False.
    planes
        Index into the axes that count planes: run on this plane only; the result is
        (C, Y, X). None (default) runs on all. Without Z where focal planes are taken from it.
    first_plane
        Index of the plane to compute first; None (default) keeps the order.
    focal_planes
        For a model of several focal planes and an image with an axis Z: the indices along Z of
        the planes that it takes, in the order of its channels; downwards if Z runs the other
        way than in its training. The result has no Z.
        None (default) takes all of a stack of just as many planes, and else chooses for each
        position: in brightfield the plane of least contrast is nearest to focus, and those
        below and above it are the ones whose contrast comes nearest to the training images'.
        Where the images show that Z runs the other way, their order is reversed. What was
        taken is in :attr:`Staining.focal_planes`, how in the messages and the record.
    device, precision, tile_size
        See :class:`~napari_cytosynth.inference.dropout.sampler.Sampler`. Default:
        ``"auto"``, ``"auto"`` and None.
    on_start
        Called once before the first sample with the result, still empty (all 0). Default: None.
    on_update
        Called after each sample with the plane's index (``()`` with `planes`), the number
        of samples so far, and mean and std (C, Y, X) of that plane as the final ones will
        be; std is None after the first sample. Not called without samples. Default: None.
    enough
        Called between samples: once it returns True, no more are drawn (two at least are),
        and the planes that follow get as many. Default: None.
    progress
        Called between tiles and samples; None (default) shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run there.

    Returns
    -------
    Staining

    Raises
    ------
    InputError
        If the image, its axes or a parameter cannot be used, or the model was trained
        without dropout and samples are requested.
    ModelError
        If the model cannot be loaded or is for another task.
    Cancelled
        From `progress`.
    """
    from napari_cytosynth.inference.cancelling import cancellable

    plan = SamplingPlan.of(samples, seed, tolerance, keep_samples, inject_dropout)
    for name, function in (("on_start", on_start), ("on_update", on_update), ("enough", enough)):
        check_callable(function, name)
    with cancellable(resolve_progress(progress)) as tick:
        source = read_source(image)
        loaded = _load_stainer(model, device, progress, plan)
        reader = make_reader(source, loaded.card, axes, channels, from_z=focal_planes is not None)
        z_size, size = known_voxel_size(source, reader.axes, pixel_size)
        run = _StainingRun(source, reader, loaded, size, planes, z_size=z_size, plan=plan)
        run.select_stains(stains)
        run.move_to_front(first_plane)
        run.set_resampling(resample)
        run.check_memory()
        run.choose_focal_planes(focal_planes, tick)
        run.make_sampler(device if device != "auto" else loaded.device, precision, tile_size)
        run.allocate()
        given = run.common_parameters(channels, resample, device, precision)
        if on_start is not None:
            on_start(run.result(given))
        run.execute(tick, on_update, enough)
        return run.result(given)


def _load_stainer(
    model: str | Path | Model, device: str, progress: Progress | None, plan: SamplingPlan
) -> Model:
    from napari_cytosynth.inference.dropout.masks import check_dropout
    from napari_cytosynth.zoo.loading import load_model

    loaded = load_model(model, device, progress=progress)
    card = loaded.card
    if card.inference.task != "stain":
        raise InputError(
            f"The model “{card.name}” does not stain: it is made to {card.inference.task}."
        )
    check_dropout(loaded.network, plan.samples, plan.injected, name=card.name)
    return loaded


def first_plane_of(
    image: Any,
    card: ModelCard,
    *,
    axes: str | None = None,
    channels: Sequence[int] | None = None,
    focal_planes: Sequence[int] | None = None,
) -> npt.NDArray[Any]:
    """Return the first plane (C, Y, X) of an image with a model's input channels, unscaled.

    Parameters and errors as for :func:`stain`.
    """
    from_z = focal_planes is not None
    reader = make_reader(read_source(image), card, axes, channels, from_z=from_z)
    first = next(reader.indices())
    choose_at(reader, first, card, focal_planes)
    return reader.read(first)


@dataclass(eq=False)
class _StainingRun(FocalRun):
    """One run of a staining model over the planes of an image."""

    plan: SamplingPlan = field(default_factory=lambda: SamplingPlan(0, 0, None, False, None))

    def select_stains(self, stains: Sequence[str] | None) -> None:
        """Validate the names of the selected stains; None selects all."""
        names = self.model.card.inference.output_channels
        if stains is not None:
            stains = check_texts(stains, "stains", f"[{names[0]!r}]")
        selected = list(names if stains is None else dict.fromkeys(stains))
        unknown = [name for name in selected if name not in names]
        if unknown or not selected:
            what = f"no stain {', '.join(map(shown, unknown))}" if unknown else "no stain chosen"
            raise InputError(f"There is {what}: this model predicts {', '.join(names)}.")
        self.units = Units.of(self.model.card, selected, injected=self.plan.injected is not None)
        self.selected_stains = None if stains is None else selected

    def move_to_front(self, first: tuple[int, ...] | None) -> None:
        """Move a plane to the front of the order; None keeps it."""
        if first is not None and self.planes is None:
            first = self.checked_index(first)
            self.indices.sort(key=lambda index: index != first)

    def make_sampler(self, device: str, precision: str, tile_size: int | None) -> None:
        from napari_cytosynth.inference.dropout.sampler import Sampler

        self.sampler: Sampler = Sampler(
            self.model.network,
            len(self.model.card.inference.input_channels),
            device=device,
            precision=precision,
            tile_size=tile_size,
            inject=self.plan.injected,
        )

    def check_memory(self) -> None:
        """Refuse a result that the memory cannot hold."""
        plan, channels = self.plan, len(self.model.card.inference.output_channels)
        arrays = 1 + (plan.samples > 0) + (plan.samples if plan.keep_samples else 0)
        needed = 4 * arrays * len(self.units.names) * math.prod(self.whole_shape)
        if plan.keep_samples:  # those of a plane too, before they are in the stain's units
            needed += 4 * plan.samples * channels * math.prod(self.shape or self.reader.plane_shape)
        if plan.tolerance is not None:  # pixels of all samples, on which the error is estimated
            needed += 4 * plan.samples * channels * PATCHED_PIXELS
        self.require_memory(needed, channels)

    def allocate(self) -> None:
        shape = (len(self.units.names), *self.whole_shape)
        count = self.plan.samples
        self.mean = np.zeros(shape, np.float32)
        self.std = np.zeros(shape, np.float32) if count else None
        self.samples: Floats | None = None
        if count and self.plan.keep_samples:
            self.samples = np.zeros((count, *shape), np.float32)
        self.counts: list[int] = []
        self.cut_short = False

    def execute(
        self, tick: Progress, on_update: OnUpdate | None, enough: Callable[[], bool] | None
    ) -> None:
        limit = self.plan.samples
        for index, plane, report in self.iter_planes(tick):
            if is_constant(plane):
                # the network's response to an empty plane is no prediction
                self.add_messages(
                    "A plane has the same value everywhere: its stains were left at 0"
                    + (", and their uncertainty too, which says nothing." if limit else ".")
                )
                report(1, 1, "empty plane")
                continue
            drawn = self._draw(index, plane, limit, on_update, enough, report)
            self._keep(self.place(index), drawn)
            self.counts.append(drawn.count)
            if drawn.stopped == "enough":
                # as many samples in all planes, so that a stack is uniform
                self.cut_short, limit, enough = True, drawn.count, None
        self.add_messages(*self.sampler.messages, *self._warnings())

    def _draw(
        self,
        index: tuple[int, ...],
        plane: npt.NDArray[Any],
        limit: int,
        on_update: OnUpdate | None,
        enough: Callable[[], bool] | None,
        report: Progress,
    ) -> Sampled:
        scaled = self.normalised(plane)
        if self.shape is not None:
            scaled = to_shape(scaled, self.shape)

        def update(count: int, mean: Floats, std: Floats | None) -> None:
            assert on_update is not None
            self.check_result(mean)
            sigma = None if std is None else self._on_grid(self.units.sigma(std, mean))
            on_update(self.place(index), count, self._on_grid(self.units.mean(mean)), sigma)

        return self.sampler.run(
            scaled,
            samples=limit,
            seed=self.plan.seed,
            tolerance=self.plan.tolerance,
            keep_samples=self.plan.keep_samples,
            on_sample=None if on_update is None else update,
            enough=enough,
            progress=report,
        )

    def _on_grid(self, values: Floats) -> Floats:
        """Return a result (C, Y, X) on the image's own grid."""
        return values if self.shape is None else back_to(values, self.reader.plane_shape)

    def _keep(self, place: tuple[int, ...], drawn: Sampled) -> None:
        where = (slice(None), *plane_slices(self.axes, place))
        self.check_result(drawn.mean)
        self.mean[where] = self._on_grid(self.units.mean(drawn.mean))
        if self.std is not None and drawn.std is not None:
            self.std[where] = self._on_grid(self.units.sigma(drawn.std, drawn.mean))
        if self.samples is not None and drawn.samples is not None:
            for number, sample in enumerate(drawn.samples):
                self.samples[(number, *where)] = self._on_grid(self.units.mean(sample))

    def _warnings(self) -> list[str]:
        """Return warnings about the uncertainty and the number of samples."""
        inference = self.model.card.inference
        if not self.plan.samples:
            return []
        warnings = []
        if self.plan.injected is not None:
            warnings.append("The uncertainty comes from dropout injection, uncalibrated.")
        elif not self.units.calibrated:
            warnings.append(
                "The uncertainty is not calibrated for this model: it shows where to doubt, not "
                "how large the errors are."
            )
        elif self.counts and inference.sigma_samples and self.count < inference.sigma_samples // 2:
            warnings.append(
                f"The uncertainty was calibrated with {inference.sigma_samples} samples; with "
                f"{self.count} it is noisier than that."
            )
        if self.counts and self.count < max(self.counts):
            warnings.append(f"Samples in each plane: {self.count} to {max(self.counts)}.")
        elif self.counts and self.count < self.plan.samples:
            warnings.append(f"Stopped after {self.count} of {self.plan.samples} samples.")
        return warnings

    @property
    def count(self) -> int:
        """Smallest number of samples drawn in a plane."""
        return min(self.counts, default=0)

    def result(self, parameters: dict[str, Any]) -> Staining:
        plan, inference = self.plan, self.model.card.inference
        # stopped early: this many samples reproduce the result if all planes have as many
        same = self.cut_short and len(set(self.counts)) == 1
        own = {
            "samples": self.count if same else plan.samples,
            "seed": plan.seed,
            "stains": self.selected_stains,
            "tolerance": None if same else plan.tolerance,
            "keep_samples": plan.keep_samples,
            "inject_dropout": plan.injected,
            **self.focal_parameters(),
        }
        engine = engine_record(self.sampler) | {"samples": sorted(set(self.counts))}
        # an empty plane has no samples
        kept = self.samples[: self.count] if self.samples is not None and self.count else None
        return Staining(
            mean=self.mean,
            std=self.std,
            channels=self.units.names,
            axes="C" + self.axes,
            calibrated=self.std is not None and self.units.calibrated,
            count=self.count,
            samples=kept,
            unit=inference.output_unit,
            display_range=self.units.display_range,
            provenance=record("stain", self.model, self.source, own | parameters, engine)
            | self.focal_record(),
            **self.placement_arguments(),
        )
