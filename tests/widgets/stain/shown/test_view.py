"""What is shown after a run: one stain on black, tick boxes, and all side by side."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.widgets.common.canvas import grid_of, name_overlay_of

DNA, AGP, DNA_SIGMA, AGP_SIGMA = (
    f"{n}{r} · virtual · cells" for r in ("", " σ") for n in ("DNA", "AGP")
)


@pytest.fixture
def cells(viewer, blobs):
    return viewer.add_image(blobs, name="cells")


@pytest.fixture
def widget(cells, make_stain_widget):
    made = make_stain_widget()
    made.samples.value = 2
    return made


@pytest.fixture
def ran(widget):
    widget.run()
    assert widget.wait(20)
    return widget


def visible(viewer):
    return {layer.name for layer in viewer.layers if layer.visible}


def ticked(widget):
    boxes = dict(widget.ticks.stains)
    boxes |= {name: getattr(widget.ticks, name) for name in ("sigma", "source", "side_by_side")}
    return {name for name, box in boxes.items() if box.value}


def test_after_a_run_the_first_stain_is_alone_on_black(viewer, cells, widget):
    other = viewer.add_image(cells.data, name="other")
    labels = viewer.add_labels(np.zeros((64, 64), int), name="masks")
    viewer.add_shapes([[0, 0], [40, 40]], name="region", face_color="white")  # would be added
    widget.image.value = cells
    widget.run()
    assert widget.wait(20)
    assert visible(viewer) == {DNA, "masks"}
    assert (other.visible, labels.visible) == (False, True)
    assert ticked(widget) == {"DNA"}
    assert viewer.layers.selection.active == viewer.layers[DNA]
    assert [layer.colormap.name for layer in list(viewer.layers)[4:6]] == ["cyan", "magenta"]


def test_tick_boxes_change_the_layer_list(viewer, ran):
    ran.ticks.stains["AGP"].value = True
    assert visible(viewer) == {DNA, AGP}
    ran.ticks.sigma.value = True
    assert visible(viewer) == {DNA, AGP, DNA_SIGMA, AGP_SIGMA}
    ran.ticks.stains["DNA"].value = False
    assert visible(viewer) == {AGP, AGP_SIGMA}
    ran.ticks.stains["AGP"].value = False
    assert visible(viewer) == {AGP_SIGMA}  # of the one picked last: alone
    ran.ticks.sigma.value = False
    ran.ticks.source.value = True
    assert visible(viewer) == {"cells"}


def test_eye_icons_change_the_tick_boxes(viewer, ran):
    viewer.layers[AGP].visible = True
    viewer.layers["cells"].visible = True
    assert ticked(ran) == {"DNA", "AGP", "source"}
    viewer.layers[DNA].visible = False
    viewer.layers[AGP_SIGMA].visible = True
    assert ticked(ran) == {"AGP", "source", "sigma"}
    viewer.layers[AGP_SIGMA].visible = False
    assert ticked(ran) == {"AGP", "source"}


def test_renamed_and_deleted_layers_break_nothing(viewer, ran):
    viewer.layers[DNA].name = "mine"
    ran.ticks.stains["DNA"].value = False
    assert not viewer.layers["mine"].visible
    viewer.layers["mine"].visible = True
    viewer.layers.remove(AGP)
    viewer.layers.remove("cells")
    assert ticked(ran) == {"DNA"}
    assert not ran.ticks.stains["AGP"].enabled
    assert not ran.ticks.source.enabled
    ran.ticks.side_by_side.value = True
    assert visible(viewer) == {"mine"}
    viewer.layers.clear()
    assert not grid_of(viewer).enabled
    assert ticked(ran) == set()
    assert not ran.ticks.side_by_side.enabled


def name_shown(layer):
    """Whether the name of a layer lies on it; None with napari 0.6, which has no such thing."""
    overlay = name_overlay_of(layer)
    return None if overlay is None else overlay.visible


def test_side_by_side_shows_all_and_restores_all(viewer, ran):
    grid = grid_of(viewer)
    grid.stride, before = 3, visible(viewer)
    ran.ticks.side_by_side.value = True
    assert visible(viewer) == {"cells", DNA, AGP}
    assert (grid.enabled, grid.stride, tuple(grid.shape)) == (True, 1, (-1, -1))
    assert name_shown(viewer.layers[DNA]) in (True, None)
    assert ticked(ran) == {"DNA", "AGP", "source", "side_by_side"}
    ran.ticks.sigma.value = True
    assert visible(viewer) == {"cells", DNA, AGP, DNA_SIGMA, AGP_SIGMA}
    ran.ticks.stains["AGP"].value = False
    assert visible(viewer) == {"cells", DNA, DNA_SIGMA}
    ran.ticks.side_by_side.value = False
    assert visible(viewer) == before
    assert (grid.enabled, grid.stride) == (False, 3)
    assert not name_shown(viewer.layers[DNA])
    assert ticked(ran) == {"DNA"}


def test_the_grid_button_of_napari_ends_side_by_side_too(viewer, ran):
    before = visible(viewer)
    ran.ticks.side_by_side.value = True
    grid_of(viewer).enabled = False
    assert visible(viewer) == before
    assert not ran.ticks.side_by_side.value


def test_closing_the_dock_ends_side_by_side(viewer, ran):
    ran.ticks.side_by_side.value = True
    viewer.window.remove_dock_widget(ran.native)
    assert not grid_of(viewer).enabled
    viewer.layers[AGP].visible = True  # nobody listens any more


def test_another_image_begins_with_the_stain_picked_last(viewer, ran, blobs):
    ran.ticks.stains["AGP"].value = True
    ran.ticks.sigma.value = True
    other = viewer.add_image(blobs, name="other")
    ran.image.value = other
    ran.run()
    assert ran.wait(20)
    assert visible(viewer) == {"AGP · virtual · other"}
    assert ticked(ran) == {"AGP"}


def test_before_a_run_there_is_nothing_to_tick(viewer, widget, tiny_folder):
    widget.model.value = tiny_folder
    assert list(widget.ticks.stains) == ["DNA", "AGP"]
    assert not any(box.enabled for box in widget.ticks.stains.values())
    assert not widget.ticks.side_by_side.enabled


def test_the_plugins_own_viewer_is_followed_too(viewer, blobs, stainer):
    """napari hands plugins a proxy of the viewer, whose layers are proxies."""
    viewer.add_image(blobs, name="cells")
    _, widget = viewer.window.add_plugin_dock_widget("napari-cytosynth", "Stain")
    widget._stain = stainer.stain
    widget.model.value = "fake/model"
    widget.samples.value = 2
    widget.run()
    assert widget.wait(20)
    assert visible(viewer) == {DNA}
    viewer.layers[AGP].visible = True
    assert ticked(widget) == {"DNA", "AGP"}
    widget.ticks.side_by_side.value = True
    assert visible(viewer) == {"cells", DNA, AGP}
    widget.ticks.side_by_side.value = False
    widget.compare_with.value = viewer.layers["cells"]
    assert widget.wait(20)
    assert visible(viewer) == {"DNA difference · virtual − cells"}
