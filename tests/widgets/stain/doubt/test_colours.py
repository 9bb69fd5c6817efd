"""Outlines from calm to loud, as all eyes see them on black and on nuclei."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from napari.utils.colormaps import ensure_colormap

from napari_cytosynth.widgets.stain.doubt.colours import DOUBT_COLOURS, UNKNOWN_COLOURS

NUCLEI = np.array([[0, level, level] for level in np.linspace(0, 1, 21)])  # black to cyan


@pytest.fixture
def nearest(seen_by_all_eyes):
    """How near a colour comes to any shade of the nuclei, by eyes."""

    def find(colours):
        shades = seen_by_all_eyes(NUCLEI)
        return {
            eyes: np.linalg.norm(own[:, None] - shades[eyes][None], axis=-1).min()
            for eyes, own in seen_by_all_eyes(colours).items()
        }

    return find


def colours_of(colormap, count):
    return ensure_colormap(colormap).map(np.linspace(0, 1, count))[:, :3]


def test_outlines_are_seen_on_black_and_on_nuclei(nearest):
    assert min(nearest(colours_of(DOUBT_COLOURS, 11)).values()) > 20
    assert min(nearest(colours_of(UNKNOWN_COLOURS, 2)).values()) > 15


def test_they_grow_louder_with_the_doubt(seen_by_all_eyes):
    for eyes, steps in seen_by_all_eyes(colours_of(DOUBT_COLOURS, 5)).items():
        assert np.linalg.norm(steps[-1] - steps[0]) > 45, eyes
        assert all(np.linalg.norm(b - a) > 10 for a, b in pairwise(steps)), eyes
        assert (np.diff(steps[:, 0]) > 0).all(), eyes  # brighter, step by step


def test_the_colours_of_traffic_lights_would_fail(nearest):
    assert min(nearest([[0, 1, 0], [1, 0, 0]]).values()) < 20
