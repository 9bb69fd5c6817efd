"""A structure that is guessed where the image does not show it: when the uncertainty may say so.

Made-up errors of a membrane that is visible in most places and guessed in the others, as bright
here as there. Brightness cannot tell; the spread of the views does in one case, not in the other.
"""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.metrics import auroc
from napari_cytosynth.training.stain.calibrate.rivals import (
    FieldErrors,
    choose,
    judge,
    pooled_curve,
)


def field(number: int, telling: bool, count: int = 20_000) -> tuple[FieldErrors, np.ndarray]:
    """Return errors of a field, and which of them are guessed."""
    rng = np.random.default_rng(number)
    level = rng.gamma(2.0, 0.15, count)
    guessed = rng.random(count) < 0.2
    error = rng.normal(0, 1, count) * np.where(guessed, 0.3, 0.04 + 0.1 * level)
    views = 0.03 * np.exp(rng.normal(0, 0.5, count)) * (1 + level)
    if telling:
        views[guessed] *= 5
    values = (a.astype(np.float32) for a in (error, level))
    inside = np.ones(count, bool)
    return FieldErrors(str(number), *values, inside, {"views": views.astype(np.float32)}), guessed


@pytest.mark.parametrize("telling", [True, False])
def test_sigma_tells_what_is_guessed_only_where_views_foretell_errors(telling):
    fields = [field(number, telling) for number in range(4)]
    errors = [one for one, _ in fields]
    curve = pooled_curve(errors[:3], choose(judge(errors[:3])))
    left, guessed = fields[3]
    sigma = curve.sigma(left.level, left.spreads)
    told, by_brightness = auroc(sigma, guessed), auroc(left.level, guessed)
    assert abs(by_brightness - 0.5) < 0.03
    if telling:
        assert told >= 0.8
        assert np.median(sigma[guessed]) > 2 * np.median(sigma[~guessed])
    else:
        assert curve.spreads["views"].exponent == 0
        assert abs(told - by_brightness) < 0.02
