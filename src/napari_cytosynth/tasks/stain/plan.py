"""The predictions of a staining: views and samples, from which seed, and when they are enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import check_flag, check_whole
from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from napari_cytosynth.zoo.card import Inference

__all__ = ["SamplingPlan"]

UNSET = -1
"""A number of views or samples that the card of the model decides on."""
USUAL_SAMPLES = 16


@dataclass(frozen=True)
class SamplingPlan:
    """Numbers of views and samples, seed, early stopping, and forced dropout."""

    views: int
    samples: int
    seed: int
    tolerance: float | None
    keep_samples: bool
    inject_dropout: float | None

    @classmethod
    def of(
        cls,
        views: Any,
        samples: Any,
        seed: Any,
        tolerance: Any,
        keep_samples: Any,
        inject_dropout: Any,
    ) -> SamplingPlan:
        """Validate the options, and return them as plain values.

        Views and samples may be None: see :meth:`completed`.
        """
        from napari_cytosynth.inference.dropout.masks import check_sampling
        from napari_cytosynth.inference.views import MOST_VIEWS

        check_sampling(0 if samples is None else samples, seed, tolerance, inject_dropout)
        if views is not None and not 1 <= check_whole(views, "views", 1) <= MOST_VIEWS:
            raise InputError(f"views lies between 1 and {MOST_VIEWS}, not {views}.")
        return cls(
            UNSET if views is None else int(views),
            UNSET if samples is None else int(samples),
            int(seed),
            None if tolerance is None else float(tolerance),
            check_flag(keep_samples, "keep_samples"),
            None if inject_dropout is None else float(inject_dropout),
        )

    def completed(self, inference: Inference) -> SamplingPlan:
        """Return the plan with what was left open, as the card of the model says.

        A card without a curve of typical errors takes its uncertainty from samples, where
        its network has dropout.
        """
        known = inference.uncertainty
        usual = USUAL_SAMPLES if inference.dropout or self.inject_dropout else 0
        views = known.views if known else 1
        samples = known.samples if known else usual
        return replace(
            self,
            views=views if self.views == UNSET else self.views,
            samples=samples if self.samples == UNSET else self.samples,
        )

    @property
    def injected(self) -> float | None:
        """Probability of the forced dropout; None without samples."""
        return self.inject_dropout if self.samples else None
