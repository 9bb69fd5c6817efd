from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from napari.layers import Image
from skimage.color import rgb2lab

from napari_cytosynth.tasks.common.colours import PALETTE, rgb_of, stain_colours, usual_colour

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


def seen(colour, eyes):
    """The colour (CIELAB) as such eyes see it."""
    rgb = np.asarray(rgb_of(colour), float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(np.asarray(EYES[eyes]) @ linear, 0, 1)
    again = np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)
    return rgb2lab(again[None, None])[0, 0]


def nearest(colours, eyes):
    return min(np.linalg.norm(seen(a, eyes) - seen(b, eyes)) for a, b in combinations(colours, 2))


@pytest.mark.parametrize("eyes", EYES)
def test_the_colours_stay_apart_for_all_eyes(eyes):
    assert nearest(PALETTE[:5], eyes) > 30
    assert nearest(PALETTE, eyes) > 20
    assert min(seen(colour, eyes)[0] for colour in PALETTE) > 45  # bright on black; pure blue: 32


def test_red_green_and_blue_would_not():
    """The measure fails for the colours that microscopes are often shown in."""
    rgb_of_old = {"yellow": (1, 1, 0), "green": (0, 1, 0)}
    old = [f"#{''.join(f'{255 * v:02x}' for v in rgb)}" for rgb in rgb_of_old.values()]
    assert min(nearest(old, eyes) for eyes in EYES) < 20


def test_the_stains_of_known_kits_differ():
    five = stain_colours(("DNA", "ER", "RNA", "AGP", "Mito"))
    assert five == ["cyan", "yellow", "#ff9933", "magenta", "#ff3366"]
    assert stain_colours(("dapi", "map2", "nfh", "PI")) == ["cyan", "yellow", "magenta", "#ff9933"]
    assert stain_colours(("nuclei", "membrane")) == ["cyan", "magenta"]


def test_unknown_stains_take_what_is_left_in_order():
    assert stain_colours(("water", "DNA", "oil")) == ["magenta", "cyan", "yellow"]
    assert stain_colours(("DNA", "DAPI")) == ["cyan", "magenta"]  # of one kind, still apart
    many = stain_colours([f"marker {i}" for i in range(9)])
    assert many[:6] == list(PALETTE)
    assert set(many) == set(PALETTE)
    assert usual_colour("water") == "gray"


def test_napari_knows_every_colour():
    for colour in PALETTE:
        bright = Image(np.zeros((2, 2)), colormap=colour).colormap.colors[-1, :3]
        np.testing.assert_allclose(bright, rgb_of(colour), atol=1e-3)
