"""The Look widget in a viewer: what passes is seen, and the layer is as before in the end."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari.utils.colormaps import DirectLabelColormap

from napari_cytosynth.widgets.common.canvas import camera_of

PINK = pytest.approx([1, 0.1, 0.6, 1])


def colour(labels, label):
    return labels.colormap.map(np.array([label]))[0].tolist()


def test_what_is_outside_vanishes_and_the_data_stay(widget, labels, pixels, seen, settle):
    own, before = labels.colormap, colour(labels, 4)
    assert widget.shown_count.value == "5 of 5 objects"
    row = widget.filters.add("area_px")
    row.low.setValue(90)
    settle(widget)
    assert seen() == [1, 2, 4]
    assert colour(labels, 4) == before  # in its own colour
    assert widget.shown_count.value == "3 of 5 objects · 1 without a value is hidden"
    second = widget.filters.add("confidence")
    second.high.setValue(0.5)
    settle(widget)
    assert seen() == [2, 4]
    assert labels.data is pixels
    row.cross.click()
    settle(widget)
    assert seen() == [2, 4]
    widget.reset_button.native.click()
    settle(widget)
    assert labels.colormap is own
    assert widget.shown_count.value == "5 of 5 objects"
    assert not widget.filters.rows


@pytest.mark.binding
def test_colours_of_a_column_and_their_bar(widget, labels, settle):
    before = labels.colormap
    widget.colour_by.value = "area_px"
    settle(widget)
    dark, bright = colour(labels, 9), colour(labels, 4)
    assert dark == pytest.approx([0.267, 0.005, 0.329, 1], abs=0.01)  # the ends of viridis
    assert bright == pytest.approx([0.993, 0.906, 0.144, 1], abs=0.01)
    assert colour(labels, 3) == pytest.approx([0.5, 0.5, 0.5, 1])
    assert widget.bar.limits == (64, 400)
    assert widget.bar.missing == 1
    widget.colour_by.value = "own"
    settle(widget)
    assert widget.bar.missing == 0
    widget.colour_by.value = None
    settle(widget)
    assert labels.colormap is before
    assert widget.bar.isHidden()


def test_text_is_not_offered_and_a_column_of_the_user_is(widget):
    offered = widget.colour_by.choices
    assert "own" in offered
    assert "kind" not in offered


def test_closing_and_another_layer_give_the_colours_back(viewer, widget, labels, pixels, settle):
    own = labels.colormap
    widget.colour_by.value = "area_px"
    settle(widget)
    other = viewer.add_labels(pixels, name="other")
    assert isinstance(labels.colormap, DirectLabelColormap)  # a new layer changes nothing
    widget.objects.value = other
    assert labels.colormap is own
    assert widget.status.value == (
        "⚠ “other” has no table yet. Measure it: Plugins > CytoSynth > Measure."
    )
    widget.objects.value = labels
    widget.colour_by.value = "area_px"
    settle(widget)
    assert labels.colormap is not own
    viewer.window.remove_dock_widget(widget.native)
    assert labels.colormap is own


def test_colours_that_the_user_chooses_meanwhile_stay(widget, labels, seen, settle):
    widget.filters.add("area_px").low.setValue(90)
    settle(widget)
    labels.new_colormap(3)
    chosen = colour(labels, 4)
    settle(widget)
    assert seen() == [1, 2, 4]
    assert colour(labels, 4) == chosen
    widget.reset_look()
    assert colour(labels, 4) == chosen
    assert colour(labels, 3)[3] == 1


def test_the_selected_label_is_followed_both_ways(widget, labels, settle):
    assert not widget.selected  # napari's own first label is no choice of the user
    widget.select(4)
    assert labels.selected_label == 4
    assert colour(labels, 4) == PINK
    assert widget.row.text_of("area_px") == "400"
    assert widget.row.text_of("kind") == "b"
    labels.selected_label = 2
    assert widget.selected == {2}
    assert widget.row.text_of("confidence") == "0.5"
    assert colour(labels, 4) != PINK
    widget.select(0)
    assert widget.row.rowCount() == 0


def test_what_is_hidden_is_not_selected(widget, settle):
    widget.filters.add("area_px").low.setValue(90)
    settle(widget)
    widget.select(9)
    assert not widget.selected


def test_the_walk_begins_with_the_least_confident(viewer, widget, settle):
    places = []
    for _ in range(5):
        widget.next_button.native.click()
        (label,) = widget.selected
        places.append((label, *camera_of(viewer).center[-2:]))
    assert [place[0] for place in places] == [4, 2, 3, 1, 9]  # the unknown one last
    assert places[0][1:] == (49.5, 19.5)
    assert widget.status.value == "5 of 5, the most doubtful first."
    widget.next_button.native.click()
    assert widget.status.value == "That was the last of 5 objects."
    widget.previous_button.native.click()
    assert widget.selected == {1}
    widget.reset_look()
    widget.filters.add("confidence").high.setValue(0.5)
    settle(widget)
    widget.step(1)
    widget.step(1)
    assert widget.selected == {2}
    assert widget.status.value.startswith("2 of 2")
    widget.select(4)
    assert widget.status.value == ""


def test_doubt_is_walked_from_the_highest_and_without_either_a_sentence(widget, labels, settle):
    labels.features = pd.DataFrame({"label": [1, 2, 3], "doubt": [0.1, 0.9, 0.5]})
    settle(widget)
    widget.step(1)
    assert widget.selected == {2}
    labels.features = pd.DataFrame({"label": [1, 2, 3], "area_px": [1, 9, 5]})
    settle(widget)
    widget.step(1)
    assert widget.status.value.startswith("⚠ The table has no column “confidence” or “doubt”")


def test_what_passes_becomes_a_layer_with_its_rows(viewer, widget, labels, pixels, settle):
    labels.scale = (2, 3)
    widget.filters.add("area_px").low.setValue(90)
    settle(widget)
    widget.saving.keep_button.native.click()
    assert widget.wait(20)
    new = viewer.layers["cells kept"]
    assert np.array_equal(new.data, np.where(np.isin(pixels, [1, 2, 4]), pixels, 0))
    assert new.features["label"].tolist() == [1, 2, 4]
    assert new.features["kind"].tolist() == ["a", "b", "b"]
    assert new.get_status((90, 60), world=True)["coordinates"].count("kind: b")
    assert new.scale.tolist() == [2, 3]
    record = new.metadata["napari-cytosynth"]
    assert record["filters"] == [{"column": "area_px", "between": [90.0, 400.0]}]
    assert widget.objects.value is labels
    assert widget.status.value == "“cells kept” holds 3 objects with their rows."
    widget.filters.rows[0].histogram.set_range(500, 600)
    widget.saving.keep_button.native.click()
    assert widget.status.value == "⚠ No object passes the filters: there is nothing to write."


def test_without_a_layer_it_says_so_and_a_deleted_one_keeps_its_look(
    viewer, make_look, labels, settle
):
    widget, own = make_look(), labels.colormap
    widget.colour_by.value = "area_px"
    settle(widget)
    viewer.layers.remove(labels)
    assert widget.status.value.startswith("⚠ There is no labels layer")
    assert labels.colormap is own
    assert not widget.saving.keep_button.enabled
    widget.saving.keep_shown()
    widget.step(1)
    widget.select(4)
    viewer.layers.append(labels)
    assert widget.shown_count.value == "5 of 5 objects"


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ({}, "has no table yet"),
        ({"label": []}, "has no rows"),
        ({"kind": ["a", "b"]}, "has no column with numbers"),
        ({"area": [np.nan, np.nan]}, "has no column with numbers"),
        ({"label": [1.5, 2], "area": [1, 2]}, "must hold the whole number"),
    ],
)
def test_a_table_that_cannot_be_used_gets_a_sentence(widget, labels, settle, features, sentence):
    own = labels.colormap
    widget.colour_by.value = "area_px"
    widget.filters.add("area_px")
    settle(widget)
    labels.features = pd.DataFrame(features)
    settle(widget)
    assert sentence in widget.status.value
    assert labels.colormap is own
    assert not widget.add_button.enabled


def test_a_new_table_keeps_the_filters_that_it_can(widget, labels, table, seen, settle):
    widget.filters.add("area_px").low.setValue(90)
    widget.filters.add("own").low.setValue(2)
    settle(widget)
    assert seen() == [2, 4]
    labels.features = table.drop(columns="own")
    settle(widget)
    assert seen() == [1, 2, 4]
    assert widget.status.value == (
        "⚠ The table has no numbers in own any more: its filter was removed."
    )


def test_labels_that_were_edited_after_the_table_get_a_sentence(widget, labels, settle):
    assert widget.status.value == ""
    labels.data[labels.data == 9] = 0
    labels.data_setitem((np.array([70]), np.array([5])), 12)
    settle(widget)
    assert widget.status.value == (
        "⚠ Labels and table differ: 1 object has no row (hidden once there is a filter), "
        "1 row has no object in the labels. Measure the labels again."
    )
    before = colour(labels, 12)
    widget.select(4)
    assert colour(labels, 12) == before  # still seen
    widget.select(12)
    assert widget.row.text_of("row") == "none: measure the labels again"
    widget.filters.add("area_px")
    settle(widget)
    assert colour(labels, 12)[3] == 0
    widget.select(1)
    widget.step(1)
    assert widget.status.value == "⚠ Object 9 has a row, but is not in the labels any more."


def test_several_rows_of_an_object_are_told_of(widget, labels, seen, settle):
    labels.features = pd.DataFrame({"label": [1, 1, 2], "t": [0, 1, 0], "area_px": [10, 30, 25.0]})
    widget.colour_by.value = None
    settle(widget)
    widget.filters.add("area_px").low.setValue(28)
    settle(widget)
    assert seen() == [1]
    assert "several rows" in widget.shown_count.value


def test_a_pyramid_is_looked_at(viewer, make_look, pixels, table, settle):
    layer = viewer.add_labels([pixels, pixels[::2, ::2]], multiscale=True, features=table)
    widget = make_look()
    settle(widget)
    widget.step(1)
    assert widget.wait(20)
    assert widget.selected == {4}
    assert camera_of(viewer).center[-2:] == (49.5, 19.5)
    widget.filters.add("confidence").high.setValue(0.5)
    settle(widget)
    widget.saving.keep_button.native.click()
    assert widget.wait(20)
    assert set(np.unique(viewer.layers[-1].data)) == {0, 2, 4}
    assert layer.multiscale
