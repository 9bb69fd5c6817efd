"""The Measure widget in a real viewer: what is chosen is measured, where it lies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_cytosynth.widgets.measure import MeasureWidget


@pytest.fixture
def objects():
    found = np.zeros((40, 50), int)
    found[4:10, 4:10], found[20:30, 20:35] = 3, 5
    return found


@pytest.fixture
def images(viewer, objects):
    rng = np.random.default_rng(0)
    return [viewer.add_image(rng.random(objects.shape), name=name) for name in ("DNA", "actin")]


@pytest.fixture
def labels(viewer, images, objects):
    return viewer.add_labels(objects, name="cells")


@pytest.fixture
def widget(viewer, labels, dock):
    found = MeasureWidget(viewer)
    dock(found, "Measure")
    return found


def measured(widget):
    widget.run()
    assert widget.wait(30)
    return widget.objects.value.features


def tick(widget, qtbot, name):
    """Click the box of a layer in the list."""
    (item,) = widget.intensity.findItems(name, Qt.MatchFlag.MatchExactly)
    place = widget.intensity.visualItemRect(item)
    qtbot.mouseClick(
        widget.intensity.viewport(), Qt.MouseButton.LeftButton,
        pos=QPoint(place.left() + 10, place.center().y()),
    )  # fmt: skip


@pytest.mark.binding
def test_ticked_layers_are_measured_at_once(widget, qtbot, images):
    assert "mean_intensity" not in measured(widget)
    assert widget.ratio_of.native.isHidden()
    tick(widget, qtbot, "DNA")
    tick(widget, qtbot, "actin")
    assert set(widget.intensity.value) == set(images)
    assert not widget.ratio_of.native.isHidden()
    widget.ratio_of.value, widget.ratio_to.value = images
    table = measured(widget)
    for image in images:
        inside = image.data[widget.objects.value.data == 3]
        assert table[f"median_{image.name}_intensity"][0] == pytest.approx(np.median(inside))
    ratio = table["mean_DNA_intensity"] / table["mean_actin_intensity"]
    assert table["ratio_DNA_to_actin"].tolist() == ratio.tolist()
    assert widget.status.value == "Measured 2 objects of “cells”."


def test_the_list_follows_the_viewer_and_keeps_what_is_ticked(viewer, widget, images):
    widget.intensity.value = images[0]
    new = viewer.add_image(np.ones((40, 50)), name="new")
    assert widget.intensity.value == [images[0]]
    assert widget.intensity.count() == 3
    viewer.layers.remove(images[0])
    assert widget.intensity.value == []
    widget.intensity.value = new
    assert "mean_intensity" in measured(widget)


def test_a_layer_is_measured_where_it_lies_or_refused(viewer, widget, images, labels):
    widget.intensity.value = images[0]
    before = measured(widget)["mean_intensity"].tolist()
    images[0].translate = (0, 3)
    assert measured(widget)["mean_intensity"].tolist() != before
    expected = images[0].data[labels.data[:, 3:].nonzero()]  # the same pixels, farther right
    assert np.isfinite(expected).all()
    images[0].translate = (0, 500)
    widget.run()
    assert widget.wait(30)
    assert widget.status.value.startswith("⚠ “DNA” lies elsewhere than the labels")


def test_objects_that_reach_out_of_an_image_are_told(widget, images):
    widget.intensity.value = images[0]
    images[0].translate = (15, 0)
    table = measured(widget)
    assert np.isfinite(table["mean_intensity"]).tolist() == [False, True]
    assert "1 of the objects reach out of the images" in widget.status.value


def test_columns_of_the_user_stay(widget, labels):
    labels.features = pd.DataFrame({"index": [5, 3], "kind": ["large", "small"]})
    assert measured(widget)["kind"].tolist() == ["small", "large"]
    assert measured(widget)["kind"].tolist() == ["small", "large"]


def test_nuclei_in_cells_are_counted_in_both_tables(viewer, widget, labels):
    nuclei = np.zeros((40, 50), int)
    nuclei[5:8, 5:8], nuclei[22:25, 22:25], nuclei[22:25, 29:33] = 1, 2, 3
    own = viewer.add_labels(nuclei, name="nuclei")
    labels.features = pd.DataFrame({"label": [3, 5], "area_px": [36, 150], "kind": ["a", "b"]})
    widget.objects.value, widget.parents.value = own, labels
    assert measured(widget)["parent"].tolist() == [3, 5, 5]
    assert labels.features["children_nuclei"].tolist() == [1, 2]
    assert labels.features["kind"].tolist() == ["a", "b"]
    assert "“cells” has the number of objects in each" in widget.status.value
    viewer.layers.remove(labels)
    assert widget.parents.value is None
    assert "parent" not in measured(widget)


@pytest.mark.parametrize("known", [True, False])
def test_in_a_region_only_what_was_measured_is_counted(viewer, widget, labels, known):
    nuclei = np.zeros((40, 50), int)
    nuclei[5:8, 5:8], nuclei[22:25, 22:25], nuclei[22:25, 29:33] = 1, 2, 3
    own = viewer.add_labels(nuclei, name="nuclei")
    viewer.add_shapes([[[19, 19], [19, 30], [39, 30], [39, 19]]], name="part")
    if known:
        labels.features = pd.DataFrame({"label": [3, 5], "area_px": [36, 150]})
    widget.objects.value, widget.parents.value = own, labels
    widget.region.value = viewer.layers["part"]
    assert measured(widget)["parent"].tolist() == [5, 5]
    counts = labels.features["children_nuclei"]
    assert np.isnan(counts.iloc[0])  # it lies outside: nothing is known of it
    assert counts.iloc[1] == 2
    widget.at_border.value = "drop"
    assert measured(widget)["parent"].tolist() == [5]
    assert labels.features["children_nuclei"].iloc[1] == 1


def test_neighbours_are_found_if_wanted(widget):
    assert "touching" not in measured(widget)
    widget.neighbours.value = True
    assert measured(widget)["next_label"].tolist() == [5, 3]


def test_time_is_linked_and_shown_as_tracks(viewer, widget, objects):
    assert widget.link_time.native.isHidden()
    moving = np.stack([np.roll(objects, 2 * t, 1) * (t + 1) for t in range(3)])
    film = viewer.add_labels(moving, name="film")
    widget.objects.value = film
    assert not widget.axes.native.isHidden()
    assert widget.axes.value == "ZYX"
    widget.axes.value = "TYX"
    assert not widget.link_time.native.isHidden()
    widget.link_time.value = True
    assert not widget.max_distance.native.isHidden()
    for _ in range(2):  # the second run replaces the layer of the first
        table = measured(widget)
        assert table.groupby("track")["area_px"].nunique().tolist() == [1, 1]
        assert [layer.name for layer in viewer.layers if "tracks" in layer.name] == [
            "tracks – film"
        ]
    assert "Linked to 2 tracks." in widget.status.value


def test_show_table_opens_the_table_of_the_chosen_layer(viewer, widget, labels):
    measured(widget)
    widget.show_table()
    looks = [w for name, w in viewer.window.dock_widgets.items() if name.startswith("Look (")]
    (look,) = looks
    assert look.objects.value is labels
    assert look.table.model.rowCount() == 2
    other = viewer.add_labels(labels.data, name="other", features=labels.features[:1])
    widget.objects.value = other
    widget.show_table()  # once more opens no second one
    assert look.objects.value is other
    assert look.table.model.rowCount() == 1
    assert [n for n in viewer.window.dock_widgets if n.startswith("Look (")] == [
        "Look (napari-cytosynth)"
    ]


def test_a_measurement_can_be_cancelled(widget, monkeypatch):
    widget.run()
    widget.run()
    assert widget.wait(30)
    assert widget.status.value in ("Stopped.", "Measured 2 objects of “cells”.")
