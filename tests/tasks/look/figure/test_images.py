"""Images of a figure: blended as in napari, where their layers lie."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.tasks.look.figure.images import Grid, ShownImage, blend

GREY = np.stack([np.linspace(0, 1, 256)] * 3 + [np.ones(256)], axis=1).astype(np.float32)
RED = GREY * np.array([1, 0, 0, 1], np.float32)


def geometry(scale=(1.0, 1.0), translate=(0.0, 0.0), **more):
    return {"scale": np.array(scale), "translate": np.array(translate), **more}


def shown(data, colours=GREY, where=None, rgb=False, **more):
    return ShownImage(
        "image", np.asarray(data), rgb, geometry() if where is None else where, colours, (0.0, 1.0),
        **more,
    )  # fmt: skip


def grid(shape, plane=(), where=None, **more):
    return Grid(geometry() if where is None else where, plane, (0, shape[0]), (0, shape[1]), **more)


def drawn(images, where, largest=1000):
    return blend(images, where, largest, resolve_progress(lambda *_: None))


HALF, FULL = np.full((2, 2), 0.5), np.ones((2, 2))


@pytest.mark.parametrize(
    ("blending", "opacity", "expected"),
    [
        ("translucent", 1.0, [1.0, 0, 0]),
        ("translucent", 0.5, [0.75, 0.25, 0.25]),
        ("translucent_no_depth", 0.5, [0.75, 0.25, 0.25]),
        ("additive", 1.0, [1.0, 0.5, 0.5]),
        ("additive", 0.2, [0.7, 0.5, 0.5]),
        ("opaque", 0.5, [1.0, 0, 0]),
        ("minimum", 1.0, [0.5, 0, 0]),
        ("multiplicative", 1.0, [0.5, 0, 0]),
    ],
)
def test_layers_are_blended(blending, opacity, expected):
    upper = shown(FULL, RED, blending=blending, opacity=opacity)
    found = drawn([shown(HALF), upper], grid((2, 2)))
    assert found[0, 0] == pytest.approx(expected, abs=0.01)


def test_the_lowest_layer_is_seen_whatever_its_blending():
    for blending in ("minimum", "multiplicative"):
        found = drawn([shown(HALF, blending=blending)], grid((2, 2)))
        assert found[0, 0, 0] == pytest.approx(0.5, abs=0.01)


def test_limits_and_gamma_are_those_of_the_layer():
    image = ShownImage("a", np.array([[10.0, 20, 40]]), False, geometry(), GREY, (10, 30), gamma=2)
    assert drawn([image], grid((1, 3)))[0, :, 0] == pytest.approx([0, 0.25, 1], abs=0.01)


def test_colour_pictures_keep_their_colours():
    picture = np.array([[[255, 0, 128]]], np.uint8)
    found = drawn([shown(picture, rgb=True)], grid((1, 1)))
    assert found[0, 0] == pytest.approx([1, 0, 0.5], abs=0.01)


def test_an_image_lies_where_its_layer_lies():
    """Pixels twice as large, moved by one of them along X: nothing is seen where it is not."""
    data = np.array([[0.2, 0.4], [0.6, 0.8]])
    image = shown(data, where=geometry((2, 2), (0.5, 2.5)))
    found = drawn([image], grid((4, 6)))[..., 0]
    assert found[0] == pytest.approx([0, 0, 0.2, 0.2, 0.4, 0.4], abs=0.01)
    assert found[3] == pytest.approx([0, 0, 0.6, 0.6, 0.8, 0.8], abs=0.01)


def test_units_of_both_count():
    labels = geometry((0.001, 0.001), units=("mm", "mm"))
    image = shown([[0.3, 0.9]], where=geometry((1.0, 1.0), units=("um", "um")))
    found = drawn([image], grid((1, 2), where=labels))
    assert found[0, :, 0] == pytest.approx([0.3, 0.9], abs=0.01)


def test_the_plane_in_view_is_taken_of_stacks():
    stack = np.stack([np.full((2, 2), level) for level in (0.1, 0.5, 0.9)])
    where = geometry((2.0, 1, 1), (0.0, 0, 0))
    of_stack = grid((2, 2), (2,), where)
    assert drawn([shown(stack, where=where)], of_stack)[0, 0, 0] == pytest.approx(0.9, abs=0.01)
    flat = grid((2, 2), point=(2.0, 0.0, 0.0))  # labels of one plane, beside a stack
    assert drawn([shown(stack, where=where)], flat)[0, 0, 0] == pytest.approx(0.5, abs=0.01)
    plane = shown(np.full((2, 2), 0.7))  # an image of one plane is seen in all
    assert drawn([plane], of_stack)[0, 0, 0] == pytest.approx(0.7, abs=0.01)
    beyond = grid((2, 2), point=(9.0, 0.0, 0.0))
    assert drawn([shown(stack, where=where)], beyond).max() == 0


def test_large_planes_are_averaged():
    data = np.zeros((4, 6))
    data[:, ::2] = 1
    found = drawn([shown(data)], grid((4, 6)), largest=3)
    assert found.shape == (2, 3, 3)
    assert found[..., 0] == pytest.approx(np.full((2, 3), 0.5), abs=0.01)


def test_a_tilted_image_and_one_without_size_are_sentences():
    angle = np.deg2rad(10)
    tilt = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0],
                     [0, 0, 1]])  # fmt: skip
    stack = np.ones((3, 20, 20))
    tilted = shown(stack, where=geometry((1, 1, 1), (0, 0, 0), rotate=tilt))
    with pytest.raises(InputError, match="is tilted"):
        drawn([tilted], grid((20, 20), (1,), geometry((1, 1, 1), (0, 0, 0))))
    with pytest.raises(InputError, match="scale of 0"):
        drawn([shown(FULL, where=geometry((0.0, 1.0)))], grid((2, 2)))
