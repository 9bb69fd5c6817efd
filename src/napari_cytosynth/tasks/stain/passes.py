"""The passes of a network over one plane: views without dropout, samples with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_cytosynth.inference.views import ViewStatistics, predict_views

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from napari_cytosynth.inference.dropout.sampler import Sampled, Sampler
    from napari_cytosynth.progress import Progress

    from .plan import SamplingPlan

    Floats = npt.NDArray[np.float32]
    OnPasses = Callable[[int, "Drawn"], None]

__all__ = ["Drawn", "Passes"]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Mean and spreads of the passes over one plane, in units of the network's output.

    Attributes
    ----------
    mean
        float32 (K, Y, X): over the views, or over the samples where there is one view only.
    view_std, sample_std
        Standard deviation over the views and over the samples; None without.
    views, samples
        Their numbers.
    kept
        The samples (samples, K, Y, X) if they were to be kept, else None.
    stopped
        Whether the user had enough before all were there. Default: False.
    """

    mean: Floats
    view_std: Floats | None
    sample_std: Floats | None
    views: int
    samples: int
    kept: Floats | None = None
    stopped: bool = False


@dataclass(frozen=True, eq=False)
class Passes:
    """The passes that a plan asks for, over one plane after another."""

    sampler: Sampler
    plan: SamplingPlan

    def run(
        self,
        plane: Floats,
        on_pass: OnPasses | None,
        enough: Callable[[], bool] | None,
        progress: Progress,
    ) -> Drawn:
        """Run over one plane (C, Y, X) of scaled pixels; views first, then samples.

        Parameters
        ----------
        plane
            Scaled pixels.
        on_pass
            Called with the number of passes so far and what they give: after each view and
            sample, but not of a single prediction.
        enough
            Polled between passes; once it is true, no more are made (two samples at least).
        progress
            Called between tiles; may raise Cancelled.
        """
        if self.plan.views == 1:
            return self._only_samples(plane, on_pass, enough, progress)
        seen = self._views(plane, on_pass, enough, progress)
        if not self.plan.samples:
            return Drawn(seen.mean, seen.std, None, seen.count, 0, stopped=self._cut(seen))
        return self._views_and_samples(plane, seen, on_pass, enough, progress)

    def _cut(self, seen: ViewStatistics) -> bool:
        return seen.count < self.plan.views

    def _only_samples(
        self,
        plane: Floats,
        on_pass: OnPasses | None,
        enough: Callable[[], bool] | None,
        progress: Progress,
    ) -> Drawn:
        def show(count: int, mean: Floats, std: Floats | None) -> None:
            assert on_pass is not None
            on_pass(count, Drawn(mean, None, std, 1, count))

        drawn = self._sample(plane, show if on_pass else None, enough, progress)
        stopped = drawn.stopped == "enough"
        return Drawn(drawn.mean, None, drawn.std, 1, drawn.count, drawn.samples, stopped)

    def _views(
        self,
        plane: Floats,
        on_pass: OnPasses | None,
        enough: Callable[[], bool] | None,
        progress: Progress,
    ) -> ViewStatistics:
        views, both = self.plan.views, self.plan.samples > 0

        def show(count: int, mean: Floats, std: Floats | None) -> None:
            assert on_pass is not None
            on_pass(count, Drawn(mean, std, None, count, 0))

        def half(done: int, total: int, message: str, /) -> None:
            progress(done, 2 * total if both else total, message)

        def predict(seen: Any, report: Progress) -> Floats:
            found: Floats = self.sampler.predict(seen, activation="linear", progress=report)
            return found

        return predict_views(
            predict, plane, views, on_view=show if on_pass else None, enough=enough, progress=half
        )

    def _views_and_samples(
        self,
        plane: Floats,
        seen: ViewStatistics,
        on_pass: OnPasses | None,
        enough: Callable[[], bool] | None,
        progress: Progress,
    ) -> Drawn:
        def show(count: int, _: Floats, std: Floats | None) -> None:
            assert on_pass is not None
            on_pass(seen.count + count, Drawn(seen.mean, seen.std, std, seen.count, count))

        def second_half(done: int, total: int, message: str, /) -> None:
            progress(total + done, 2 * total, message)

        drawn = self._sample(plane, show if on_pass else None, enough, second_half)
        stopped = drawn.stopped == "enough" or self._cut(seen)
        kept = drawn.samples
        return Drawn(seen.mean, seen.std, drawn.std, seen.count, drawn.count, kept, stopped)

    def _sample(
        self,
        plane: Floats,
        on_sample: Callable[[int, Floats, Floats | None], None] | None,
        enough: Callable[[], bool] | None,
        progress: Progress,
    ) -> Sampled:
        plan = self.plan
        return self.sampler.run(
            plane,
            samples=plan.samples,
            seed=plan.seed,
            tolerance=plan.tolerance,
            keep_samples=plan.keep_samples,
            on_sample=on_sample,
            enough=enough,
            progress=progress,
        )
