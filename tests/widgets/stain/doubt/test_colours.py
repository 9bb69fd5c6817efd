"""Outlines from calm to loud, as all eyes see them on black and on nuclei."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from napari.utils.colormaps import ensure_colormap
from skimage.color import rgb2lab

from napari_cytosynth.widgets.stain.doubt.colours import DOUBT_COLOURS, UNKNOWN_COLOURS

# Machado, Oliveira and Fernandes 2009, severity 1, for linear red, green and blue
EYES = {
    "all cones": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
NUCLEI = np.array([[0, level, level] for level in np.linspace(0, 1, 21)])  # black to cyan


def seen(rgb, eyes):
    """Colours (CIELAB) as such eyes see them."""
    rgb = np.asarray(rgb, float)[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(linear @ np.asarray(EYES[eyes]).T, 0, 1)
    return rgb2lab(np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055))


def nearest(colours, eyes):
    """How near a colour comes to any shade of the nuclei."""
    apart = seen(colours, eyes)[:, None] - seen(NUCLEI, eyes)[None]
    return np.linalg.norm(apart, axis=-1).min()


@pytest.mark.parametrize("eyes", EYES)
def test_outlines_are_seen_on_black_and_on_nuclei(eyes):
    steps = ensure_colormap(DOUBT_COLOURS).map(np.linspace(0, 1, 11))
    assert nearest(steps, eyes) > 20
    assert nearest(ensure_colormap(UNKNOWN_COLOURS).map(np.array([0.0, 1.0])), eyes) > 15


@pytest.mark.parametrize("eyes", EYES)
def test_they_grow_louder_with_the_doubt(eyes):
    steps = seen(ensure_colormap(DOUBT_COLOURS).map(np.linspace(0, 1, 5)), eyes)
    assert np.linalg.norm(steps[-1] - steps[0]) > 45
    assert all(np.linalg.norm(b - a) > 10 for a, b in pairwise(steps))
    assert (np.diff(steps[:, 0]) > 0).all()  # brighter, step by step


def test_the_colours_of_traffic_lights_would_fail():
    green_to_red = np.array([[0, 1, 0], [1, 0, 0]])
    assert min(nearest(green_to_red, eyes) for eyes in EYES) < 20
