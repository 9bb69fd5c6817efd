from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from napari.layers import Image

from napari_cytosynth.tasks.common.colours import PALETTE, rgb_of, stain_colours, usual_colour


@pytest.fixture
def seen(seen_by_all_eyes):
    return lambda colours: seen_by_all_eyes([rgb_of(colour) for colour in colours])


def nearest(colours):
    """How near two of the colours (CIELAB) come to one another."""
    return min(np.linalg.norm(a - b) for a, b in combinations(colours, 2))


def test_the_colours_stay_apart_for_all_eyes(seen):
    for eyes, colours in seen(PALETTE).items():
        assert nearest(colours[:5]) > 30, eyes
        assert nearest(colours) > 20, eyes
        assert colours[:, 0].min() > 45, eyes  # bright on black; pure blue: 32


def test_red_green_and_blue_would_not(seen):
    """The measure fails for the colours that microscopes are often shown in."""
    rgb_of_old = {"yellow": (1, 1, 0), "green": (0, 1, 0)}
    old = [f"#{''.join(f'{255 * v:02x}' for v in rgb)}" for rgb in rgb_of_old.values()]
    assert min(nearest(colours) for colours in seen(old).values()) < 20


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
