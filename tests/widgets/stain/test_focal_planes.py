"""The row of the Stain widget for models of several focal planes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.zoo.card import FocalPlanes
from napari_cytosynth.zoo.model_files import save_model

KNOWN = FocalPlanes(contrast=[0.02, 0.01, 0.03], asymmetry=[0.5, 0.0, -0.5])
CONTRASTS = (0.04, 0.02, 0.015, 0.01, 0.018, 0.031, 0.04)


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    planes = []
    for z, contrast in enumerate(CONTRASTS):
        values = np.clip(rng.normal(0, 1, (48, 56)), -2.5, 2.5)
        values[rng.random(values.shape) < 0.01] = np.sign(3 - z) * 6
        planes.append(20000 * (1 + contrast * values))
    return np.stack(planes).astype(np.uint16)


@pytest.fixture
def folder(make_stainer, tmp_path):
    def save(name="stacked", **inference):
        values = {"input_channels": ["z-", "z0", "z+"], "focal_planes": KNOWN} | inference
        model = make_stainer(name=name, pixel_size_um=None, **values)
        return save_model(tmp_path / name, model.network, model.card)

    return save


@pytest.fixture
def make_real_widget(make_stain_widget):
    from napari_cytosynth.tasks.stain.task import stain

    return lambda check=lambda *_: []: make_stain_widget(stain, check)


@pytest.fixture
def widget(viewer, stack, folder, make_real_widget):
    viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    made = make_real_widget()
    made.model.value = folder()
    made.samples.value = 0
    assert made.wait(60)
    return made


def shown(part):
    return part.native.isVisibleTo(part.native.window())


def test_the_row_shows_what_would_be_taken_before_the_run(widget):
    row = widget.focal_planes
    assert row.automatic.value
    assert row.known == (1, 3, 5)
    assert row.chosen is None
    assert [box.enabled for box in row.boxes[:3]] == [False] * 3
    assert [box.tooltip[:2] for box in row.boxes[:3]] == ["z-", "z0", "z+"]
    assert not shown(row.boxes[3])
    assert shown(row)
    assert not shown(widget.planes)  # there is one result, whatever the plane in view


def test_a_run_takes_them_and_the_result_is_seen_in_every_plane(viewer, widget, stack):
    widget.run()
    assert widget.wait(60)
    assert widget.staining.focal_planes == ((1, 3, 5),)
    layer = viewer.layers["DNA · virtual · cells"]
    for z in (0, 6):
        viewer.dims.set_point(0, z)
        assert layer._slice.image.raw.shape == (48, 56)
        np.testing.assert_array_equal(layer._slice.image.raw, widget.staining.mean[0])
    assert "focal_planes=[1, 3, 5]" in widget.as_python()
    assert any("automatically" in text for text in widget.staining.messages)


def test_planes_chosen_by_hand_are_taken(widget):
    row = widget.focal_planes
    row.automatic.value = False
    assert [box.enabled for box in row.boxes[:3]] == [True] * 3
    assert [box.max for box in row.boxes[:3]] == [6] * 3
    row.chosen = (0, 2, 4)
    widget.run()
    assert widget.wait(60)
    assert widget.staining.focal_planes == ((0, 2, 4),)
    row.chosen = (4, 2, 2)
    widget.run()
    assert widget.wait(60)
    assert "all different" in str(widget.status.value)
    row.chosen = None
    widget.wait(60)
    widget.run()
    assert widget.wait(60)
    assert widget.staining.focal_planes == ((1, 3, 5),)


def test_a_stack_that_ends_at_focus_says_so_before_the_run(viewer, stack, folder, make_real_widget):
    viewer.add_image(stack[3:], name="half", axis_labels=("z", "y", "x"))
    widget = make_real_widget()
    widget.model.value = folder()
    assert widget.wait(60)
    row = widget.focal_planes
    assert "seems to end near focus" in row.note.value
    assert shown(row.note)
    assert row.known is None
    row.automatic.value = False
    assert not shown(row.note)


def test_the_row_is_for_such_models_and_stacks_alone(viewer, stack, folder, make_real_widget):
    plane = viewer.add_image(stack[0], name="plane")
    widget = make_real_widget()
    one = folder("one", input_channels=["brightfield"], focal_planes=None)
    widget.model.value = one
    assert widget.wait(60)
    assert not shown(widget.focal_planes)
    layer = viewer.add_image(stack, name="stack", axis_labels=("z", "y", "x"))
    widget.image.value = layer
    assert widget.wait(60)
    assert not shown(widget.focal_planes)
    assert shown(widget.planes)
    widget.model.value = folder()
    assert widget.wait(60)
    assert shown(widget.focal_planes)
    widget.image.value = plane
    assert widget.wait(60)
    assert not shown(widget.focal_planes)
    widget.image.value = layer
    widget.model.value = one
    assert widget.wait(60)
    assert not shown(widget.focal_planes)
    widget.samples.value = 0
    widget.run()
    assert widget.wait(60)
    assert widget.staining.mean.shape == (2, 7, 48, 56)


def test_frames_keep_their_slider_and_the_frame_in_view_is_run(
    viewer, stack, folder, make_real_widget
):
    film = np.stack([stack, stack[::-1]])
    viewer.add_image(film, name="film", axis_labels=("t", "z", "y", "x"))
    widget = make_real_widget()
    widget.model.value = folder()
    widget.samples.value = 0
    assert widget.wait(60)
    assert shown(widget.planes)
    viewer.dims.set_point(0, 1)
    widget.planes.value = "current plane"
    widget.run()
    assert widget.wait(60)
    assert widget.staining.focal_planes == ((5, 3, 1),)
    assert widget.staining.mean.shape == (2, 48, 56)
    widget.planes.value = "whole stack"
    widget.run()
    assert widget.wait(60)
    assert widget.staining.mean.shape == (2, 2, 48, 56)


def test_the_check_sees_the_planes_that_are_taken(viewer, stack, folder, make_real_widget):
    seen = []

    def check(plane, card, size):
        seen.append(np.asarray(plane))
        return []

    viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    widget = make_real_widget(check)
    widget.model.value = folder()
    assert widget.wait(60)
    np.testing.assert_array_equal(seen[-1], stack[[1, 3, 5]])
    widget.focal_planes.chosen = (0, 1, 2)
    assert widget.wait(60)
    np.testing.assert_array_equal(seen[-1], stack[:3])


def test_another_model_of_one_plane_gives_a_second_opinion(widget, folder):
    widget.samples.value = 4
    widget.run()
    assert widget.wait(60)
    other = folder("one", input_channels=["brightfield"], focal_planes=None)
    widget.other_model.value = other
    widget.ask_other()
    assert widget.wait(60)
    assert "nuclei in DNA" in widget.opinion.value
