from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture
def layer():
    """Return the function that makes a layer of an array that lies somewhere."""

    def make(data, name="cells", **geometry):
        ndim = geometry.pop("ndim", np.ndim(data))
        given = {
            "scale": (1,) * ndim,
            "translate": (0,) * ndim,
            "rotate": np.eye(ndim),
            "units": ("um",) * ndim,
            "axis_labels": tuple("tczyx"[-ndim:]) if ndim > 3 else tuple("zyx"[-ndim:]),
        }
        return SimpleNamespace(data=data, name=name, **(given | geometry))

    return make
