"""What leaves the Look widget: objects and figures, of what is seen."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox

import napari_cytosynth as cytosynth
from napari_cytosynth.tasks.export.records import embedded_record
from napari_cytosynth.widgets.common.canvas import camera_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    return viewer


@pytest.fixture
def ask(monkeypatch):
    """Return a function that answers the next questions for a file."""

    def answer(path, kind=""):
        monkeypatch.setattr(
            "napari_cytosynth.widgets.look.saving.panel.QFileDialog.getSaveFileName",
            lambda *_: (str(path), kind),
        )

    return answer


def outlines(file):
    group = ET.parse(file).find(f".//{SVG}g[@id='outlines']")
    return len(list(group.iter(f"{SVG}use"))) or len(list(group.iter(f"{SVG}path")))


def texts(file):
    return [one.text for one in ET.parse(file).iter(f"{SVG}text")]


def test_objects_that_pass_are_saved_with_their_rows(widget, pixels, settle, ask, tmp_path):
    widget.filters.add("area_px").low.setValue(90)
    settle(widget)
    ask(tmp_path / "cells", "GeoJSON for QuPath (*.geojson)")
    widget.saving.objects_button.native.click()
    assert widget.wait(30)
    assert widget.status.value == f"Saved 3 objects to {tmp_path / 'cells.geojson'}"
    found = cytosynth.read_objects(tmp_path / "cells.geojson")
    assert np.array_equal(found.labels, np.where(np.isin(pixels, [1, 2, 4]), pixels, 0))
    assert found.table["kind"].tolist() == ["a", "b", "b"]
    assert found.provenance["filters"] == [{"column": "area_px", "between": [90.0, 400.0]}]
    ask(tmp_path / "cells.csv")
    widget.saving.objects_button.native.click()
    assert widget.wait(30)
    assert (tmp_path / "cells.csv").read_text().count("\n") == 4


def test_frames_of_a_table_with_time_points_are_saved_as_such(
    viewer, make_look, pixels, settle, tmp_path
):
    import pandas as pd

    rows = pd.DataFrame({"label": [1, 1, 2], "t": [0, 1, 0], "own": [1.0, 2, 3]})
    film = np.stack([pixels * (pixels < 3), pixels * (pixels == 1)])
    viewer.add_labels(film, features=rows, name="film")
    widget = make_look()
    settle(widget)
    widget.saving.save_objects(tmp_path / "film.geojson")
    assert widget.wait(30)
    found = cytosynth.read_objects(tmp_path / "film.geojson")
    assert found.axes == "TYX"
    assert np.array_equal(found.labels, film)
    widget.filters.add("own").low.setValue(2)  # object 1 passes at its second time point alone
    settle(widget)
    assert "the planes whose rows pass" in widget.shown_count.value
    widget.saving.save_objects(tmp_path / "some.geojson")
    assert widget.wait(30)
    passing = np.stack([film[0] * (film[0] == 2), film[1]])
    assert np.array_equal(cytosynth.read_objects(tmp_path / "some.geojson").labels, passing)
    widget.saving.keep_shown()
    assert widget.wait(30)
    assert np.array_equal(viewer.layers["film kept"].data, passing)


def test_the_figure_shows_what_is_in_the_view(
    viewer, widget, labels, pixels, settle, ask, tmp_path
):
    pytest.importorskip("pyqtgraph")
    labels.scale, labels.units = (0.5, 0.5), ("um", "um")
    image = viewer.add_image(pixels * 3.0, name="DNA", scale=(0.5, 0.5), units=("um", "um"))
    viewer.layers.move(viewer.layers.index(image), 0)
    viewer.add_points([[3, 3]], name="spots")
    viewer.add_image(pixels, name="hidden", visible=False)
    widget.colour_by.value = "area_px"
    widget.filters.add("area_px").low.setValue(90)
    widget.show_plots()
    settle(widget)
    widget.select(4)
    viewer.reset_view()
    viewer.screenshot(canvas_only=True)  # it is drawn
    ask(tmp_path / "seen", "PNG and SVG (*.png *.svg)")
    widget.saving.figure_button.native.click()
    assert widget.wait(60)
    files = [tmp_path / "seen.png", tmp_path / "seen.svg"]
    assert widget.status.value == f"Saved {files[0]} and {files[1]}. Not in the figure: “spots”."
    assert outlines(files[1]) == 3
    said = texts(files[1])
    assert {"10 µm", "DNA", "outlines: cells", "selected", "objects"} <= set(said)
    assert "3 of 5 objects · 90 ≤ area_px ≤ 400" in said
    record = embedded_record(files[0])
    assert [one["name"] for one in record["images"]] == ["DNA"]
    assert record["selected"] == [4]
    assert record["histogram"] == "area_px"
    assert record["region"] == [[0, 80], [0, 100]]


def test_the_figure_is_of_the_part_that_the_window_shows(viewer, widget, settle, tmp_path):
    camera_of(viewer).center, camera_of(viewer).zoom = (50, 20), 40
    settle(widget)
    viewer.screenshot(canvas_only=True)
    widget.saving.save_figure(tmp_path / "part.svg")
    assert widget.wait(60)
    rows, columns = embedded_record(tmp_path / "part.svg")["region"]
    assert rows[0] > 30
    assert rows[1] < 70
    assert columns[1] < 60
    assert outlines(tmp_path / "part.svg") == 1
    assert "pixel size is unknown" in widget.status.value


def test_labels_outside_of_the_view_are_a_sentence(viewer, widget, tmp_path):
    camera_of(viewer).center = (5000, 5000)
    viewer.screenshot(canvas_only=True)
    widget.saving.save_figure(tmp_path / "a")
    assert widget.status.value.startswith("⚠ The labels are not in the view")


def test_own_colours_are_those_of_the_layer_and_the_plane_that_of_the_view(
    viewer, make_look, pixels, table, settle, tmp_path
):
    stack = np.stack([pixels * 0, pixels, pixels * (pixels == 2)])
    layer = viewer.add_labels(stack, features=table, name="stack")
    widget = make_look()
    settle(widget)
    viewer.dims.set_point(0, 2)
    viewer.screenshot(canvas_only=True)
    widget.saving.save_figure(tmp_path / "a.svg")
    assert widget.wait(60)
    assert outlines(tmp_path / "a.svg") == 1
    colour = (layer.colormap.map(np.array([2]))[0, :3] * 255).round().astype(int)
    assert "#{:02x}{:02x}{:02x}".format(*colour) in (tmp_path / "a.svg").read_text()
    assert "5 objects · plane 2 (from 0)" in texts(tmp_path / "a.svg")
    viewer.dims.order = (1, 0, 2)
    widget.saving.save_figure(tmp_path / "b.svg")
    assert widget.status.value.startswith("⚠ The figure shows a plane along Y and X")


def test_what_cannot_be_written_is_a_sentence_and_the_widget_goes_on(widget, tmp_path, ask):
    (tmp_path / "file").write_text("mine")
    for save in (widget.saving.save_objects, widget.saving.save_figure):
        save(tmp_path / "file" / "a.geojson")
        assert widget.wait(60)
        assert widget.status.value.startswith("⚠ “")
        assert "cannot be written: a file of that name is in the way" in widget.status.value
    if hasattr(os, "geteuid") and os.geteuid():
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        widget.saving.save_figure(locked / "a")
        assert widget.wait(60)
        assert "you may not write there" in widget.status.value
    ask("")
    widget.status.value = ""
    widget.saving.objects_button.native.click()
    widget.saving.figure_button.native.click()
    assert widget.status.value == ""
    assert widget.saving.figure_button.enabled


def test_nothing_passes_nothing_is_saved(widget, settle, tmp_path):
    widget.filters.add("area_px").histogram.set_range(500, 600)
    settle(widget)
    widget.saving.save_objects(tmp_path / "a.geojson")
    assert widget.status.value == "⚠ No object passes the filters: there is nothing to write."


def test_without_labels_nothing_can_be_saved(viewer, make_look):
    widget = make_look()
    assert not widget.saving.figure_button.enabled
    widget.saving.save_figure("nowhere")
    assert widget.status.value.startswith("⚠ There is no labels layer")


def test_files_of_which_qt_does_not_know_are_replaced_only_if_wanted(
    widget, ask, monkeypatch, tmp_path
):
    asked, answers = [], [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(
        QMessageBox, "question", lambda *given: (asked.append(given[-1]), answers.pop(0))[1]
    )
    (tmp_path / "cells.geojson").write_text("mine")
    ask(tmp_path / "cells", "GeoJSON for QuPath (*.geojson)")
    widget.saving.objects_button.native.click()
    assert (tmp_path / "cells.geojson").read_text() == "mine"
    widget.saving.objects_button.native.click()
    assert widget.wait(30)
    assert asked == ["cells.geojson is there. Replace?"] * 2
    assert "Feature" in (tmp_path / "cells.geojson").read_text()


def test_another_kind_gives_the_offered_name_another_ending(widget, ask, tmp_path):
    ask(tmp_path / "cells.geojson", "Table (*.csv)")
    widget.saving.objects_button.native.click()
    assert widget.wait(30)
    assert [file.name for file in tmp_path.glob("cells*")] == ["cells.csv"]
