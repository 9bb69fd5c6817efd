from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.inference.dropout.running_statistics import relative_error_of_std


def test_the_error_of_the_std_is_that_of_normal_samples():
    random = np.random.default_rng(0)
    for count in (10, 40):
        found = relative_error_of_std(random.normal(size=(count, 2, 4000)))
        assert found == pytest.approx(1 / np.sqrt(2 * (count - 1)), rel=0.08)
    assert relative_error_of_std(np.ones((5, 2, 10))) == 0
