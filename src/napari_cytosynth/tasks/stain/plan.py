"""The samples of a staining: how many, from which seed, and when enough are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_cytosynth.arguments import check_flag

__all__ = ["SamplingPlan"]


@dataclass(frozen=True)
class SamplingPlan:
    """Number and seed of the samples, early stopping, and forced dropout."""

    samples: int
    seed: int
    tolerance: float | None
    keep_samples: bool
    inject_dropout: float | None

    @classmethod
    def of(
        cls, samples: Any, seed: Any, tolerance: Any, keep_samples: Any, inject_dropout: Any
    ) -> SamplingPlan:
        """Validate the options, and return them as plain values."""
        from napari_cytosynth.inference.dropout.masks import check_sampling

        check_sampling(samples, seed, tolerance, inject_dropout)
        return cls(
            int(samples),
            int(seed),
            None if tolerance is None else float(tolerance),
            check_flag(keep_samples, "keep_samples"),
            None if inject_dropout is None else float(inject_dropout),
        )

    @property
    def injected(self) -> float | None:
        """Probability of the forced dropout; None without samples."""
        return self.inject_dropout if self.samples else None
