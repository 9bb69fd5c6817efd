"""The plots, in a window: what is picked in them is selected in the viewer, and back."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtWidgets import QApplication

from napari_cytosynth.widgets.look.lasso import inside

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    return viewer


@pytest.fixture
def plots(widget, qtbot):
    library = pytest.importorskip("pyqtgraph")
    library.setConfigOption("mouseRateLimit", -1)  # or moves that follow soon are left out
    widget.plot_button.native.click()
    found = widget.plots
    found.first.setCurrentText("area_px")
    found.second.setCurrentText("own")
    qtbot.wait_until(lambda: found.scatter.width() > 150 and found.scatter.height() >= 80)
    qtbot.wait_until(lambda: not widget._soon.isActive())
    QApplication.processEvents()
    return found


def place(plot, x, y):
    """Where a point of a plot is in its widget."""
    QApplication.processEvents()
    scene = plot.getViewBox().mapViewToScene(QPointF(x, y))
    return plot.mapFromScene(scene)


def numbers(plots):
    return sorted(int(n) for n in plots._points.data["data"])


def lit(plots):
    return [int(n) for n, size in zip(*(plots._points.data[k] for k in ("data", "size")),
                                      strict=True) if size > 7]  # fmt: skip


def test_a_point_is_clicked(widget, plots, qtbot, labels):
    assert numbers(plots) == [1, 2, 4, 9]  # the third has no area
    qtbot.mouseClick(plots.scatter.viewport(), LEFT, pos=place(plots.scatter, 400, 4))
    assert widget.selected == {4}
    assert labels.selected_label == 4
    assert lit(plots) == [4]


def test_what_is_selected_in_the_viewer_is_lit_and_what_is_hidden_is_left_out(
    widget, plots, labels, settle
):
    labels.selected_label = 2
    assert lit(plots) == [2]
    assert plots._lit_bars.opts["height"].sum() == 1
    widget.filters.add("area_px").low.setValue(90)
    settle(widget)
    assert numbers(plots) == [1, 2, 4]
    assert plots._bars.opts["height"].sum() == 3


@pytest.mark.binding
def test_a_lasso_selects(widget, plots, qtbot):
    view, scatter = plots.scatter.viewport(), plots.scatter
    corners = [(90, 0.8), (110, 0.8), (110, 2.2), (90, 2.2)]
    before = scatter.viewRange()
    qtbot.mousePress(view, LEFT, pos=place(scatter, *corners[0]))
    for corner in corners[1:]:
        qtbot.mouseMove(view, place(scatter, *corner))
        QApplication.processEvents()
    qtbot.mouseRelease(view, LEFT, pos=place(scatter, *corners[-1]))
    assert widget.selected == {1, 2}
    assert widget.row.text_of("selected") == "2 objects"
    assert sorted(lit(plots)) == [1, 2]
    assert scatter.viewRange() == before  # it does not pan


def test_a_bar_is_clicked(widget, plots, qtbot):
    qtbot.mouseClick(plots.histogram.viewport(), LEFT, pos=place(plots.histogram, 99, 0.5))
    assert widget.selected == {1, 2}


def test_points_have_the_colours_of_the_column(widget, plots, settle):
    widget.colour_by.value = "area_px"
    settle(widget)
    colours = dict(zip(plots._points.data["data"], plots._points.data["brush"], strict=True))
    assert colours[4].color().getRgb()[:3] == pytest.approx((253, 231, 37), abs=3)


def test_axes_have_the_numbers_of_the_table(plots):
    plots.second.setCurrentText("confidence")
    plots.scatter.setYRange(0.2, 0.9, padding=0)
    axis = plots.scatter.getAxis("left")
    QApplication.processEvents()
    assert max(axis.range) < 1
    assert axis.labelString().count("(x") == 0


def test_they_fit_beside_the_viewer_on_a_small_screen(viewer, plots, qtbot):
    viewer.window._qt_window.resize(1280, 720)
    QApplication.processEvents()
    assert viewer.window._qt_window.height() <= 720


def test_closing_the_widget_closes_the_plots(viewer, widget, plots):
    viewer.window.remove_dock_widget(widget.native)
    assert "Look: plots" not in viewer.window.dock_widgets


def test_plots_that_were_closed_open_again(viewer, widget, plots, settle):
    viewer.window.remove_dock_widget(plots)
    widget.select(2)
    widget.show_plots()
    assert "Look: plots" in viewer.window.dock_widgets


def test_a_missing_library_is_the_line_that_installs_it(widget, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyqtgraph", None)
    widget.show_plots()
    assert widget.status.value == (
        '⚠ Plots need the package pyqtgraph: pip install "napari-cytosynth[plots]".'
    )


def test_a_polygon_of_two_corners_holds_nothing_and_nan_lies_nowhere():
    places = np.array([[1.0, 1.0], [np.nan, 1.0], [5.0, 5.0]])
    square = np.array([[0, 0], [0, 2], [2, 2], [2, 0.0]])
    assert inside(places, square).tolist() == [True, False, False]
    assert not inside(places, square[:2]).any()


@pytest.mark.parametrize("themes", [("light", "dark"), ("dark", "light")])
def test_the_plots_follow_the_theme(viewer, widget, plots, themes, qtbot):
    for theme in themes:
        viewer.theme = theme
        QApplication.processEvents()
        own = plots.palette().color(plots.backgroundRole())
        assert (own.lightness() > 128) == (theme == "light")
        for plot in (plots.histogram, plots.scatter):
            assert plot.backgroundBrush().color() == own
            text = plot.getAxis("left").textPen().color()
            assert abs(text.lightness() - own.lightness()) > 100


def test_a_window_of_720_pixels_has_room_for_table_and_plots(viewer, widget, plots):
    widget.show_table()
    QApplication.processEvents()
    assert viewer.window._qt_window.minimumSizeHint().height() <= 720
    assert viewer.window._qt_window.height() <= 720
