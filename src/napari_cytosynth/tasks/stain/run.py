"""A run of a staining model over the planes of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.arguments import check_texts, shown
from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.axes import plane_slices
from napari_cytosynth.tasks.common.planes import engine_record, is_constant
from napari_cytosynth.tasks.common.provenance import record
from napari_cytosynth.tasks.common.resample import to_shape

from .focal_run import FocalRun
from .part import PartOfPlane
from .passes import Passes
from .plan import SamplingPlan
from .result import Staining
from .units import Units

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from napari_cytosynth.inference.dropout.sampler import Sampler
    from napari_cytosynth.progress import Progress

    from .passes import Drawn, OnPasses

    Floats = npt.NDArray[np.float32]
    OnUpdate = Callable[[tuple[int, ...], int, Floats, Floats | None], None]

__all__ = ["StainingRun"]

PATCHED_PIXELS = 9 * 64 * 64
NUCLEUS = 40.0  # px: as far beside a region nuclei are seen whole


@dataclass(eq=False)
class StainingRun(FocalRun):
    """One run of a staining model over the planes of an image."""

    plan: SamplingPlan = field(default_factory=lambda: SamplingPlan(1, 0, 0, None, False, None))

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
        """Prepare the network; arguments as for the sampler."""
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
        spreads = (plan.views > 1) + (plan.samples > 0 and self.units.knows_errors)
        arrays = 1 + self.has_uncertainty + spreads + (plan.samples if plan.keep_samples else 0)
        needed = 4 * arrays * len(self.units.names) * math.prod(self.whole_shape)
        plane = 4 * channels * math.prod(self.shape or self.reader.plane_shape)
        needed += 0 if self.region is None else 4 * len(self.units.names) * self._seen_pixels()
        if plan.views > 1:
            needed += 4 * plane
        if plan.keep_samples:  # those of a plane too, before they are in the stain's units
            needed += plan.samples * plane
        if plan.tolerance is not None:  # pixels of all samples, on which the error is estimated
            needed += 4 * plan.samples * channels * PATCHED_PIXELS
        self.require_memory(needed, channels)

    @property
    def has_uncertainty(self) -> bool:
        """Whether there is any: from the card's curve, or from samples."""
        return self.units.knows_errors or self.plan.samples > 0

    def allocate(self) -> None:
        """Make the arrays of the result."""
        shape = (len(self.units.names), *self.whole_shape)
        count = self.plan.samples
        self.mean = np.zeros(shape, np.float32)
        self.std = np.zeros(shape, np.float32) if self.has_uncertainty else None
        self.view_std = np.zeros(shape, np.float32) if self.plan.views > 1 else None
        # without a curve, it is the uncertainty itself
        apart = count > 0 and self.units.knows_errors
        self.sample_std = np.zeros(shape, np.float32) if apart else None
        self.samples: Floats | None = None
        if count and self.plan.keep_samples:
            self.samples = np.zeros((count, *shape), np.float32)
        # of what the network saw beside the region, too: objects are separated with it
        self.beside: dict[tuple[int, ...], Floats] = {}
        for array in (self.mean, self.std, self.view_std, self.sample_std, self.samples):
            self._blank_outside(array)
        self.counts: list[int] = []
        self.view_counts: list[int] = []
        self.cut_short = False

    def _blank_outside(self, array: Floats | None) -> None:
        """Fill an array with NaN outside of the region: a stain of 0 there would mean dark."""
        if array is None or self.region is None:
            return
        for place in map(self.place, self.indices):
            plane = array[(..., *plane_slices(self.axes, place))]  # a view
            plane[..., ~self.region.mask(place)] = np.nan

    def _seen_pixels(self) -> int:
        return sum(self.part(index).pixels for index in self.indices if not self.misses(index))

    def part(self, index: tuple[int, ...]) -> PartOfPlane:
        """Return the part of a plane that the network has to see."""
        own, place = self.reader.plane_shape, self.place(index)
        box = None
        if self.region is not None and not self.sampler.needs_whole_plane:
            box = self.box_in(index, self.shape or own, self.sampler.geometry, NUCLEUS)
        return PartOfPlane(place, own, self.shape, box, self.region)

    def execute(
        self, tick: Progress, on_update: OnUpdate | None, enough: Callable[[], bool] | None
    ) -> None:
        """Stain all planes."""
        passes = Passes(self.sampler, self.plan)
        for index, plane, report in self.iter_planes(tick):
            if self.misses(index):
                report(1, 1, "no region here")
                continue
            if is_constant(plane):
                # the network's response to an empty plane is no prediction
                self.add_messages(
                    "A plane has the same value everywhere: its stains were left at 0"
                    + (
                        ", and their uncertainty too, which says nothing."
                        if self.has_uncertainty
                        else "."
                    )
                )
                report(1, 1, "empty plane")
                continue
            part = self.part(index)
            seen, update = part.cut(self.scaled(plane)), self._update(part, on_update)
            drawn = passes.run(seen, update, enough, report)
            self._keep(part, drawn)
            self.counts.append(drawn.samples)
            self.view_counts.append(drawn.views)
            if drawn.stopped:
                # as many in all planes, so that a stack is uniform
                self.cut_short, enough = True, None
                passes = Passes(
                    self.sampler, replace(self.plan, views=drawn.views, samples=drawn.samples)
                )
        self.add_messages(*self.sampler.messages, *self._warnings())

    def scaled(self, plane: npt.NDArray[Any]) -> Floats:
        """Return a plane (C, Y, X) as the network sees it: scaled, on the network's grid."""
        scaled = self.normalised(plane)
        return scaled if self.shape is None else to_shape(scaled, self.shape)

    def _update(self, part: PartOfPlane, on_update: OnUpdate | None) -> OnPasses | None:
        """Return the callable that shows a plane after each pass, in the image's grid and units."""
        if on_update is None:
            return None

        def update(count: int, so_far: Drawn) -> None:
            self.check_result(so_far.mean)
            sigma = self.units.sigma(so_far)
            on_update(
                part.place,
                count,
                part.on_grid(self.units.mean(so_far.mean)),
                None if sigma is None else part.on_grid(sigma),
            )

        return update

    def _keep(self, part: PartOfPlane, drawn: Drawn) -> None:
        where = (slice(None), *plane_slices(self.axes, part.place))
        self.check_result(drawn.mean)
        mean = self.units.mean(drawn.mean)
        self.mean[where] = part.on_grid(mean)
        if self.region is not None:
            self.beside[part.place] = mean
        kept = (
            (self.std, self.units.sigma(drawn)),
            (self.view_std, self.units.spread(drawn.view_std)),
            (self.sample_std, self.units.spread(drawn.sample_std)),
        )
        for whole, values in kept:
            if whole is not None and values is not None:
                whole[where] = part.on_grid(values)
        if self.samples is not None and drawn.kept is not None:
            for number, sample in enumerate(drawn.kept):
                self.samples[(number, *where)] = part.on_grid(self.units.mean(sample))

    def stains_seen(self, part: PartOfPlane, mean: Floats) -> Floats:
        """Return the stains (C, y, x) of a part on the network's grid.

        Parameters
        ----------
        part
            Of a plane.
        mean
            (C, …): those of the result.
        """
        if part.place in self.beside:
            return part.as_shown(self.beside[part.place])
        plane = mean[(slice(None), *plane_slices(self.axes, part.place))]
        return plane if self.shape is None else to_shape(plane, self.shape)

    def _warnings(self) -> list[str]:
        """Return warnings about the uncertainty and the number of samples."""
        return [*self._about_uncertainty(), *self._about_counts()]

    def _about_uncertainty(self) -> list[str]:
        inference = self.model.card.inference
        if not self.has_uncertainty:
            return []
        if self.plan.injected is not None:
            return ["The uncertainty comes from dropout injection, uncalibrated."]
        if not self.units.calibrated:
            return [
                "The uncertainty is not calibrated for this model: it shows where to doubt, not "
                "how large the errors are."
            ]
        fitted = inference.sigma_samples
        if self.counts and fitted and self.count < fitted // 2:
            return [
                f"The uncertainty was calibrated with {fitted} samples; with "
                f"{self.count} it is noisier than that."
            ]
        return []

    def _about_counts(self) -> list[str]:
        if self.counts and self.count < max(self.counts):
            return [f"Samples in each plane: {self.count} to {max(self.counts)}."]
        if self.counts and self.count < self.plan.samples:
            return [f"Stopped after {self.count} of {self.plan.samples} samples."]
        if self.view_counts and min(self.view_counts) < self.plan.views:
            return [f"Stopped after {min(self.view_counts)} of {self.plan.views} views."]
        return []

    @property
    def count(self) -> int:
        """Smallest number of samples drawn in a plane."""
        return min(self.counts, default=0)

    def result(self, parameters: dict[str, Any]) -> Staining:
        """Return the result as it is by now, with the arguments for its record."""
        plan, inference = self.plan, self.model.card.inference
        # stopped early: this many samples reproduce the result if all planes have as many
        same = self.cut_short and len({*zip(self.counts, self.view_counts, strict=True)}) == 1
        own = {
            "views": min(self.view_counts) if same else plan.views,
            "samples": self.count if same else plan.samples,
            "seed": plan.seed,
            "stains": self.selected_stains,
            "tolerance": None if same else plan.tolerance,
            "keep_samples": plan.keep_samples,
            "inject_dropout": plan.injected,
            **self.focal_parameters(),
            **self.region_parameters(),
        }
        engine = engine_record(self.sampler) | {"samples": sorted(set(self.counts))}
        # an empty plane has no samples
        kept = self.samples[: self.count] if self.samples is not None and self.count else None
        return Staining(
            mean=self.mean,
            std=self.std,
            view_std=self.view_std,
            sample_std=self.sample_std,
            channels=self.units.names,
            axes="C" + self.axes,
            calibrated=self.std is not None and self.units.calibrated,
            count=self.count,
            views=min(self.view_counts, default=plan.views),
            samples=kept,
            unit=inference.output_unit,
            display_range=self.units.display_range,
            provenance=record("stain", self.model, self.source, own | parameters, engine)
            | self.focal_record(),
            region=self.region,
            run=self,
            **self.placement_arguments(),
        )
