"""Another run of an image writes into the layers of the one before, never over what is edited."""

from __future__ import annotations

import numpy as np
import pytest

KEY = "napari-cytosynth"
DNA, AGP, DNA_SIGMA, AGP_SIGMA = NAMES = tuple(
    f"{n}{r} · virtual · cells" for r in ("", " σ") for n in ("DNA", "AGP")
)


@pytest.fixture
def cells(viewer, blobs):
    return viewer.add_image(blobs, name="cells", scale=(0.5, 0.5), units=("µm", "µm"))


@pytest.fixture
def views(stainer, knowing_card):
    stainer.card = knowing_card(doubt=False)


@pytest.fixture
def ran(cells, make_stain_widget):
    widget = make_stain_widget()
    widget.samples.value = 2
    widget.run()
    assert widget.wait(20)
    return widget


def again(widget, **options):
    for name, value in options.items():
        getattr(widget, name).value = value
    widget.run()
    assert widget.wait(20)


def visible(viewer):
    return {layer.name for layer in viewer.layers if layer.visible}


def test_the_layers_are_the_same_and_keep_their_looks_and_what_is_shown(viewer, ran, cells):
    before = list(viewer.layers)
    ran.ticks.stains["AGP"].value = True
    ran.ticks.stains["DNA"].value = False
    ran.ticks.source.value = True
    viewer.layers[AGP].colormap = "green"
    viewer.layers[AGP].opacity = 0.5
    viewer.layers[AGP].contrast_limits = (0, 0.5)
    cells.data = cells.data + 1
    again(ran, seed=9)
    assert list(viewer.layers) == before
    np.testing.assert_allclose(viewer.layers[DNA].data, 100 * cells.data)
    assert visible(viewer) == {"cells", AGP}
    layer = viewer.layers[AGP]
    assert (layer.colormap.name, layer.opacity) == ("green", 0.5)
    assert list(layer.contrast_limits) == [0, 0.5]


def test_side_by_side_stays(viewer, ran):
    ran.ticks.side_by_side.value = True
    again(ran)
    assert ran.ticks.side_by_side.value
    assert visible(viewer) == {"cells", DNA, AGP}
    ran.ticks.side_by_side.value = False
    assert visible(viewer) == {DNA}


def test_what_the_user_put_there_is_kept(viewer, ran):
    mine = np.full((64, 64), 7.0)
    viewer.layers[DNA].data = mine
    again(ran)
    assert viewer.layers[DNA].data is mine
    assert f"{DNA} [1]" in viewer.layers
    assert "is kept; the new stain is in a layer of its own" in ran.status.value
    again(ran)
    assert len(viewer.layers) == 6  # the new layer is written into from now on
    assert "is kept" not in ran.status.value


def test_a_deleted_layer_comes_again_and_a_renamed_one_keeps_its_name(viewer, ran):
    viewer.layers.remove(AGP)
    viewer.layers[DNA].name = "mine"
    again(ran)
    assert {layer.name for layer in viewer.layers} == {"cells", "mine", *NAMES[1:]}


def test_without_samples_the_old_uncertainty_goes(viewer, ran):
    again(ran, samples=0)
    assert [layer.name for layer in viewer.layers] == ["cells", DNA, AGP]
    assert "uncertainty_layer" not in viewer.layers[DNA].metadata[KEY]


def test_a_cancelled_run_gives_back_what_was_there(viewer, views, ran, stainer, qtbot, cells):
    whole = viewer.layers[DNA].data
    ran.hide_doubtful.value = 4
    ran.ticks.source.value = True
    hidden = np.isnan(viewer.layers[DNA].data)
    cells.data = cells.data + 1
    stainer.hold_at = 1
    ran.run()
    qtbot.waitUntil(lambda: viewer.layers[DNA].data.max() > 100, timeout=10_000)
    assert not ran.hide_doubtful.enabled
    ran.cancel()
    assert ran.wait(20)
    assert [layer.name for layer in viewer.layers] == ["cells", *NAMES]
    np.testing.assert_array_equal(np.isnan(viewer.layers[DNA].data), hidden)
    assert (ran.hide_doubtful.value, ran.hide_doubtful.enabled) == (4, True)
    assert visible(viewer) == {"cells", DNA}
    ran.hide_doubtful.value = 0
    assert viewer.layers[DNA].data is whole


def test_a_cancelled_first_run_shows_the_image_again(
    viewer, cells, make_stain_widget, stainer, qtbot
):
    widget = make_stain_widget()
    stainer.hold_at = 1
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=10_000)
    assert visible(viewer) == {DNA}
    widget.cancel()
    assert widget.wait(20)
    assert visible(viewer) == {"cells"}
    assert not any(box.enabled for box in widget.ticks.stains.values())


def test_another_plane_has_layers_of_its_own(viewer, make_stain_widget, blobs):
    viewer.add_image(np.stack([blobs, blobs]), name="cells")
    widget = make_stain_widget()
    widget.planes.value = "current plane"
    for plane in (0, 1, 0):
        viewer.dims.set_current_step(0, plane)
        again(widget, samples=0)
    assert [layer.name for layer in viewer.layers] == [
        "cells", DNA, AGP, f"{DNA} [1]", f"{AGP} [1]",
    ]  # fmt: skip
    assert visible(viewer) == {DNA}


def test_segment_finds_the_uncertainty_of_its_own_run(viewer, ran):
    from napari_cytosynth.widgets.common.layers import uncertainty_layer

    viewer.layers[DNA_SIGMA].name = "renamed"
    assert uncertainty_layer(viewer, viewer.layers[DNA]).name == "renamed"
    assert uncertainty_layer(viewer, viewer.layers["renamed"]) is None
    viewer.layers.remove("renamed")
    assert uncertainty_layer(viewer, viewer.layers[DNA]) is None
