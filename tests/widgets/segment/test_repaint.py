"""Labels written in place look as napari's refresh shows them, and are refreshed where unsure."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils._proxies import PublicOnlyProxy
from napari.utils.colormaps import DirectLabelColormap

from napari_cytosynth.widgets.segment.repaint import repaint

FIRST, SECOND = np.zeros((2, 60, 80), np.int32)
FIRST[10:30, 10:40] = 1
SECOND[5:25, 20:60], SECOND[30:50, 5:20], SECOND[40:55, 40:70] = 1, 300, 7


@pytest.fixture
def layer(make_napari_viewer):
    """A layer of its own array, in a window: before it is drawn, there is no texture."""
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_labels(FIRST.copy())
    viewer.screenshot(canvas_only=True, flash=False)
    return layer


def count_refreshes(layer, monkeypatch):
    calls, refresh = [], layer.refresh
    monkeypatch.setattr(layer, "refresh", lambda **options: (calls.append(options), refresh()))
    return calls


def texture(layer):
    return layer._slice.image.view.copy()


def set_colours(layer, colours):
    if colours == "direct":
        layer.colormap = DirectLabelColormap(
            color_dict={None: "gray", 0: "transparent", 1: "red", 300: "blue"}
        )
    elif colours == "selected":
        layer.selected_label, layer.show_selected_label = 300, True


def test_a_layer_that_napari_hands_to_a_plugin_is_painted_without_a_warning(layer) -> None:
    sent = []
    layer.events.labels_update.connect(lambda event: sent.append(event.data))
    layer.data[...] = SECOND
    repaint(PublicOnlyProxy(layer))
    assert len(sent) == 1


@pytest.mark.parametrize("colours", ["cyclic", "direct", "selected"])
def test_the_texture_is_that_of_a_refresh(layer, monkeypatch, colours) -> None:
    set_colours(layer, colours)
    sent = []
    layer.events.labels_update.connect(lambda event: sent.append(event.data.copy()))
    calls = count_refreshes(layer, monkeypatch)
    layer.data[...] = SECOND
    repaint(layer)
    assert not calls
    (shown,) = sent
    layer.refresh()
    np.testing.assert_array_equal(shown, texture(layer))
    assert len(np.unique(shown)) == (2 if colours == "selected" else 4)


def test_the_screen_is_that_of_a_refresh(make_napari_viewer) -> None:
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_labels(FIRST.copy())
    before = viewer.screenshot(canvas_only=True, flash=False)
    layer.data[...] = SECOND
    repaint(layer)
    painted = viewer.screenshot(canvas_only=True, flash=False)
    layer.refresh()
    np.testing.assert_array_equal(painted, viewer.screenshot(canvas_only=True, flash=False))
    assert (painted != before).any()


def test_the_plane_in_view_of_a_stack_is_painted(make_napari_viewer, monkeypatch) -> None:
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_labels(np.stack([FIRST, FIRST, FIRST]))
    viewer.dims.set_current_step(0, 1)
    viewer.screenshot(canvas_only=True, flash=False)
    calls = count_refreshes(layer, monkeypatch)
    layer.data[1] = SECOND
    repaint(layer)
    assert not calls
    painted = texture(layer)
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(0, 1)
    np.testing.assert_array_equal(painted, texture(layer))


@pytest.mark.parametrize("view", ["contour", "3-D", "hidden", "async"])
def test_another_view_is_refreshed(make_napari_viewer, monkeypatch, view) -> None:
    from napari.settings import get_settings

    viewer = make_napari_viewer()
    layer = viewer.add_labels(FIRST.copy())
    if view == "contour":
        layer.contour = 1
    elif view == "3-D":
        viewer.dims.ndisplay = 3
    elif view == "hidden":
        layer.visible = False
    else:
        monkeypatch.setattr(get_settings().experimental, "async_", True)
    calls = []
    monkeypatch.setattr(layer, "refresh", lambda **options: calls.append(options))
    layer.data[...] = SECOND
    repaint(layer)
    assert calls == [{"thumbnail": False, "highlight": False, "extent": False}]


class StandIn(SimpleNamespace):
    """What `repaint` uses of a layer of napari 0.6.2 to 0.9, without napari."""

    def __init__(self):
        self.calls, data = [], SECOND.copy()
        image = SimpleNamespace(raw=data, view=np.zeros(data.shape, np.uint8))
        super().__init__(
            data=data,
            visible=True,
            contour=0,
            _slice_input=SimpleNamespace(ndisplay=2),
            _slice=SimpleNamespace(image=image),
            colormap=SimpleNamespace(_data_to_texture=lambda values: values.astype(np.uint8)),
            events=SimpleNamespace(labels_update=lambda **_: self.calls.append("texture")),
            refresh=lambda **_: self.calls.append("refresh"),
        )


def refuse(*_):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("change", "way"),
    [
        (lambda layer: None, "texture"),
        (lambda layer: delattr(layer, "_slice"), "refresh"),
        (lambda layer: delattr(layer._slice.image, "view"), "refresh"),
        (lambda layer: setattr(layer._slice.image, "view", None), "refresh"),
        (lambda layer: setattr(layer._slice.image, "raw", SECOND.copy()), "refresh"),
        (lambda layer: setattr(layer._slice.image, "view", layer.data), "refresh"),
        (lambda layer: delattr(layer.colormap, "_data_to_texture"), "refresh"),
        (lambda layer: setattr(layer.colormap, "_data_to_texture", refuse), "refresh"),
        (lambda layer: setattr(layer.colormap, "_data_to_texture", np.float32), "refresh"),
        (lambda layer: delattr(layer.events, "labels_update"), "refresh"),
        (lambda layer: layer._slice.image.view.setflags(write=False), "refresh"),
        (lambda layer: layer.data.__setitem__((0, 0), 1 << 21), "refresh"),
    ],
)
def test_where_napari_is_not_as_expected_the_layer_is_refreshed(change, way) -> None:
    layer = StandIn()
    change(layer)
    repaint(layer)
    assert layer.calls == [way]
