"""The way from nucleus to nucleus, the most doubtful first."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.widgets.common.canvas import camera_of

DNA, OUTLINES = "DNA · virtual · cells", "DNA · doubt of nuclei"


def centre(viewer):
    return tuple(camera_of(viewer).center)[-2:]


def world(layer, place):
    return tuple(layer.data_to_world(place)[-2:])


def test_the_camera_goes_to_the_most_doubtful_first_and_back(viewer, found, centres):
    camera_of(viewer).zoom = 40.0
    panel = found.doubt
    assert (panel.previous.enabled, panel.next.enabled) == (False, True)
    for number, (nucleus, doubt) in enumerate([(0, "0.90"), (2, "0.60"), (1, "0.20")], start=1):
        panel.next.native.click()
        assert centre(viewer) == pytest.approx(world(viewer.layers[DNA], centres[nucleus]))
        assert camera_of(viewer).zoom == 40  # as the user has it
        assert panel.row.value.startswith(f"{number} of 3 · doubt {doubt} · 25 µm² · brightness ")
    assert not panel.next.enabled
    found.look_at_next()
    assert panel.row.value.startswith("3 of 3")
    panel.previous.native.click()
    assert panel.row.value.startswith("2 of 3 · doubt 0.60")


def test_a_nucleus_that_would_be_too_small_is_brought_nearer(viewer, found):
    camera_of(viewer).zoom = 0.1
    found.look_at_next()
    across = 0.5 * np.sqrt(4 * 100 / np.pi)
    assert camera_of(viewer).zoom * across == pytest.approx(60, rel=0.01)


def test_the_nucleus_that_is_meant_has_a_thick_line(viewer, found):
    line = viewer.layers[OUTLINES]
    whole = line.data
    found.look_at_next()
    assert np.isfinite(line.data[3, 9])
    assert np.isnan(whole[3, 9])
    assert np.isnan(line.data[28, 34])
    found.look_at_next()
    assert np.isnan(line.data[3, 9])
    assert np.isfinite(line.data[48, 9])
    found.hide_doubtful.value = 67
    assert np.isnan(line.data[48, 9])
    found.look_at_next(-1)
    assert found.doubt.row.value.endswith("hidden now")
    assert np.isnan(line.data[3, 9])


def test_layers_that_were_moved_are_followed_and_deleted_ones_told_of(viewer, found):
    for name in (DNA, OUTLINES):
        viewer.layers[name].translate = (100, 200)
    found.look_at_next()
    assert centre(viewer) == pytest.approx((100 + 9.5 / 2, 200 + 9.5 / 2))
    viewer.layers.remove(OUTLINES)
    found.look_at_next()
    assert found.doubt.row.value.startswith("2 of 3")
    viewer.layers.remove(DNA)
    found.look_at_next()
    assert found.doubt.row.value.startswith("⚠ The layers of this nucleus were deleted")


@pytest.mark.parametrize("only", [False, True])
def test_planes_of_a_film_are_gone_to(
    viewer, blobs, make_stain_widget, run, only, finder, find, centres
):
    empty = blobs * 0
    viewer.add_image(np.stack([empty, blobs, empty]), name="cells")
    widget = make_stain_widget()
    if only:
        viewer.dims.set_current_step(0, 1)
        widget.planes.value = "current plane"
    find(run(widget))
    viewer.dims.set_current_step(0, 2)
    widget.look_at_next()
    assert viewer.dims.current_step[0] == 1
    assert centre(viewer) == pytest.approx(centres[0])
    widget.hide_doubtful.value = 33
    data = viewer.layers[DNA].data
    plane = data[0 if only else 1]
    assert np.isnan(plane[9, 9])
    assert np.isfinite(plane[34, 34])
    if not only:
        assert np.isfinite(data[0]).all()
        assert " · z 1" in widget.doubt.row.value or " · t 1" in widget.doubt.row.value
