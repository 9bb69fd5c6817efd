"""A plate of three fields."""

from __future__ import annotations

import pytest


@pytest.fixture
def plate(write_a_plate, picture, tmp_path):
    path = tmp_path / "in" / "p.zarr"
    write_a_plate(path, picture())
    return path
