"""Label images of the shapes that a decoder has to keep apart, and their flows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

SIZE = 160


def disc(y: float, x: float, radius: float, size: int = SIZE) -> np.ndarray:
    rows, columns = np.ogrid[:size, :size]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def ring(y: float, x: float, inner: float, outer: float, size: int = SIZE) -> np.ndarray:
    return disc(y, x, outer, size) & ~disc(y, x, inner, size)


def banana(size: int = SIZE) -> np.ndarray:
    """Return half a ring, 200 px long and 14 px wide."""
    return ring(size / 2, size / 2, 57, 71, size) & (np.arange(size)[:, None] < size / 2)


def star(size: int = SIZE) -> np.ndarray:
    """Return a body of 16 px with five long arms."""
    rows, columns = np.mgrid[:size, :size] - size / 2
    angle = np.arctan2(rows, columns)
    return np.hypot(rows, columns) <= 20 + 35 * np.abs(np.cos(2.5 * angle)) ** 6


@pytest.fixture(scope="session")
def scenes() -> dict[str, np.ndarray]:
    """Return label images by what is in them."""
    blank = np.zeros((SIZE, SIZE), np.int32)
    found = {}
    found["discs"] = blank + disc(40, 40, 15) + 2 * disc(40, 110, 25) + 3 * disc(110, 60, 6)
    found["tiny"] = sum(
        (n + 1) * disc(20 + 20 * (n // 7), 20 + 18 * (n % 7), 3.1) for n in range(49)
    )
    found["banana"] = banana().astype(np.int32)
    found["star"] = star().astype(np.int32)
    found["ring"] = ring(80, 80, 30, 45).astype(np.int32)
    strips = blank.copy()
    for number in range(8):  # their centres are 6 px apart
        strips[20:140, 30 + 6 * number : 36 + 6 * number] = number + 1
    found["touching strips"] = strips
    pair = np.where(disc(80, 60, 22), 1, np.where(disc(80, 100, 22), 2, 0))
    found["touching discs"] = np.where(disc(80, 80, 6), 1, pair)
    edges = [(0, 0), (0, 80), (0, 159), (80, 0), (80, 159), (159, 0), (159, 80), (159, 159)]
    found["borders"] = sum((n + 1) * disc(y, x, 18) for n, (y, x) in enumerate(edges))
    inside = ring(80, 80, 30, 45) + 2 * disc(80, 80, 12)
    found["disc in a ring"] = inside
    return {name: np.asarray(labels, np.int32) for name, labels in found.items()}


@pytest.fixture(scope="session")
def probability_of():
    """Return the function that makes a probability (Y, X) of labels: soft edges, high inside."""

    def make(labels: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
        inside = labels > 0
        distance = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
        random = np.random.default_rng(seed).normal(size=labels.shape)
        return (1 / (1 + np.exp(-2 * distance - noise * random))).astype(np.float32)

    return make
