"""Stain an image virtually: an array or layer in, a :class:`Staining` out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.layers import read_source
from napari_cytosynth.tasks.common.planes import (
    PlaneRun,
    engine_record,
    is_constant,
    known_pixel_size,
    make_reader,
)
from napari_cytosynth.tasks.common.provenance import record
from napari_cytosynth.tasks.common.resample import back_to, to_shape

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
    device: str = "auto",
    precision: str = "auto",
    tile_size: int | None = None,
    on_start: Callable[[Staining], None] | None = None,
    on_update: OnUpdate | None = None,
    enough: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Staining:
    """Predict fluorescent stains from a label-free image, and how uncertain they are.

    The uncertainty is the spread of samples that differ by the dropout of the network
    (MC dropout, Gal and Ghahramani 2016, arXiv:1506.02142), calibrated as the model's card
    says (σ-scaling, Laves et al. 2020, arXiv:2006.11584). It knows only what the model
    knows: on images unlike those of its training it may be wrong and sure.

    Parameters
    ----------
    image
        numpy, dask or zarr array or napari layer, of bool, integers or real numbers. Dask
        and zarr are read one plane at a time. NaN and infinite pixels count as 0 after
        scaling, with a message.
    model
        Whatever :func:`~napari_cytosynth.zoo.loading.load_model` takes.
    samples
        How many to draw, at least 2; 0 gives a single prediction without uncertainty.
    seed
        The same seed gives the same result.
    stains
        Names of those of the model's stains that are wanted; None for all.
    tolerance
        Stop a plane early once the relative standard error of the uncertainty is below
        this (0.1: 10 %); None draws all samples.
    keep_samples
        Keep each sample in :attr:`Staining.samples` (as large as mean and std together,
        times half their number).
    inject_dropout
        Switch dropout on with this probability, in (0, 1), in a model that was not trained
        with it; the uncertainty is then labelled uncalibrated.
    axes
        One letter for each axis, for example ``"TCYX"``: Y and X span a plane, C holds
        channels, all others count planes. None takes a layer's ``axis_labels`` if they are
        real names, and guesses otherwise.
    channels
        Indices into the axis C of the channels that the model is to see; None for all.
    pixel_size
        In µm, one number or those of Y and X; None takes the layer's.
    resample
        Bring the image to the model's pixel size first where both are known and differ by
        more than 1.5 times. The result has the image's own grid.
    planes
        Index into the axes that count planes: run on this plane only; the result is
        (C, Y, X).
    first_plane
        Such an index of the plane that is computed first; None for the first one.
    device, precision, tile_size
        See :class:`~napari_cytosynth.inference.dropout.sampler.Sampler`.
    on_start
        Called once before the first sample with the result, still empty (all 0).
    on_update
        Called after each sample with the plane's index (``()`` with `planes`), the number
        of samples so far, and mean and std (C, Y, X) of that plane as the final ones will
        be; std is None after the first sample. Not without samples.
    enough
        Polled between samples: once it is true, no more are drawn (two at least are), and
        the planes that follow get as many.
    progress
        Called between tiles and samples; None shows a bar in a console. Raising
        :class:`~napari_cytosynth.errors.Cancelled` from it stops the run there.

    Returns
    -------
    Staining

    Raises
    ------
    InputError
        If the image, its axes or a parameter cannot be used, or samples are wanted of a
        model that was trained without dropout.
    ModelError
        If the model cannot be loaded or is for another task.
    Cancelled
        From `progress`.
    """
    from napari_cytosynth.inference.dropout.masks import check_dropout, check_sampling
    from napari_cytosynth.zoo.loading import load_model

    plan = _Plan(int(samples), int(seed), tolerance, bool(keep_samples), inject_dropout)
    check_sampling(plan.samples, plan.seed, tolerance, inject_dropout)
    tick = resolve_progress(progress)
    source = read_source(image)
    loaded = load_model(model, device, progress=progress)
    card = loaded.card
    if card.inference.task != "stain":
        raise InputError(
            f"The model “{card.name}” does not stain: it is made to {card.inference.task}."
        )
    check_dropout(loaded.network, plan.samples, plan.injected, name=card.name)
    reader = make_reader(source, card, axes, channels)
    size = known_pixel_size(source, reader, pixel_size)
    run = _Run(source, reader, loaded, size, planes, plan=plan)
    run.choose(stains)
    run.start_with(first_plane)
    run.resample_if_asked(resample)
    run.make_sampler(device if device != "auto" else loaded.device, precision, tile_size)
    run.allocate()
    given = run.given(channels, resample, device, precision)
    if on_start is not None:
        on_start(run.result(given))
    run.execute(tick, on_update, enough)
    return run.result(given)


def first_plane_of(
    image: Any, card: ModelCard, *, axes: str | None = None, channels: Sequence[int] | None = None
) -> npt.NDArray[Any]:
    """Return the first plane (C, Y, X) of an image as the model would see it, unscaled.

    Parameters and errors as for :func:`stain`.
    """
    reader = make_reader(read_source(image), card, axes, channels)
    return reader.read(next(reader.indices()))


@dataclass(frozen=True)
class _Plan:
    """What is to be sampled."""

    samples: int
    seed: int
    tolerance: float | None
    keep_samples: bool
    inject_dropout: float | None

    @property
    def injected(self) -> float | None:
        """Probability of the dropout that is forced on the model; None without samples."""
        return self.inject_dropout if self.samples else None


@dataclass(eq=False)
class _Run(PlaneRun):
    """One run of a staining model over the planes of an image."""

    plan: _Plan = _Plan(0, 0, None, False, None)

    def choose(self, stains: Sequence[str] | None) -> None:
        """Check the names of the wanted stains; None takes all."""
        names = self.model.card.inference.output_channels
        wanted = list(names if stains is None else dict.fromkeys(stains))
        unknown = [name for name in wanted if name not in names]
        if unknown or not wanted:
            what = f"no stain {', '.join(unknown)}" if unknown else "no stain chosen"
            raise InputError(f"There is {what}: this model predicts {', '.join(names)}.")
        self.units = Units.of(self.model.card, wanted, injected=self.plan.injected is not None)
        self.wanted_stains = None if stains is None else wanted

    def start_with(self, first: tuple[int, ...] | None) -> None:
        """Move a plane to the front of those to compute."""
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
        for index, plane, report in self.each_plane(tick):
            if is_constant(plane):
                # whatever the network would make of nothing is no prediction
                self.say(
                    "A plane has the same value everywhere: its stains were left at 0"
                    + (", and their uncertainty too, which says nothing." if limit else ".")
                )
                report(1, 1, "empty plane")
                continue
            drawn = self._draw(index, plane, limit, on_update, enough, report)
            self._keep(self.place(index), drawn)
            self.counts.append(drawn.count)
            if drawn.stopped == "enough":
                # all planes with as many: a stack is to be of one kind
                self.cut_short, limit, enough = True, drawn.count, None
        self.say(*self.sampler.messages, *self._remarks())

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

        def tell(count: int, mean: Floats, std: Floats | None) -> None:
            assert on_update is not None
            spread = None if std is None else self._on_grid(self.units.sigma(std, mean))
            on_update(self.place(index), count, self._on_grid(self.units.mean(mean)), spread)

        return self.sampler.run(
            scaled,
            samples=limit,
            seed=self.plan.seed,
            tolerance=self.plan.tolerance,
            keep_samples=self.plan.keep_samples,
            on_sample=None if on_update is None else tell,
            enough=enough,
            progress=report,
        )

    def _on_grid(self, values: Floats) -> Floats:
        """Bring a result (C, Y, X) back to the image's own pixels."""
        return values if self.shape is None else back_to(values, self.reader.plane_shape)

    def _keep(self, place: tuple[int, ...], drawn: Sampled) -> None:
        where = (slice(None), *plane_slices(self.axes, place))
        self.mean[where] = self._on_grid(self.units.mean(drawn.mean))
        if self.std is not None and drawn.std is not None:
            self.std[where] = self._on_grid(self.units.sigma(drawn.std, drawn.mean))
        if self.samples is not None and drawn.samples is not None:
            for number, sample in enumerate(drawn.samples):
                self.samples[(number, *where)] = self._on_grid(self.units.mean(sample))

    def _remarks(self) -> list[str]:
        """Say what the user should know about the uncertainty."""
        inference = self.model.card.inference
        if not self.plan.samples:
            return []
        remarks = []
        if self.plan.injected is not None:
            remarks.append("The uncertainty comes from dropout injection, uncalibrated.")
        elif not self.units.calibrated:
            remarks.append(
                "The uncertainty is not calibrated for this model: it shows where to doubt, not "
                "how large the errors are."
            )
        elif self.counts and inference.sigma_samples and self.count < inference.sigma_samples // 2:
            remarks.append(
                f"The uncertainty was calibrated with {inference.sigma_samples} samples; with "
                f"{self.count} it is noisier than that."
            )
        if self.counts and self.count < max(self.counts):
            remarks.append(f"Samples in each plane: {self.count} to {max(self.counts)}.")
        elif self.counts and self.count < self.plan.samples:
            remarks.append(f"Stopped after {self.count} of {self.plan.samples} samples.")
        return remarks

    @property
    def count(self) -> int:
        """Samples drawn in each plane at least."""
        return min(self.counts, default=0)

    def result(self, parameters: dict[str, Any]) -> Staining:
        plan, inference = self.plan, self.model.card.inference
        # stopped by hand: as many samples give the same result, where all planes have them
        same = self.cut_short and len(set(self.counts)) == 1
        own = {
            "samples": self.count if same else plan.samples,
            "seed": plan.seed,
            "stains": self.wanted_stains,
            "tolerance": None if same else plan.tolerance,
            "keep_samples": plan.keep_samples,
            "inject_dropout": plan.injected,
        }
        engine = engine_record(self.sampler) | {"samples": sorted(set(self.counts))}
        # of an empty plane there are none
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
            provenance=record("stain", self.model, self.source, own | parameters, engine),
            **self.result_place(),
        )
