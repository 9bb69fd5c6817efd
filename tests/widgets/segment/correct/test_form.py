"""What a user corrects in the Segment widget, and what becomes of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_cytosynth.errors import InputError


def labels(widget):
    return widget._live.labels_layer.data


def features(widget):
    return widget._live.labels_layer.features.set_index("label")


def test_a_correction_shows_at_once_and_then_in_the_table(ran):
    ran.correct("delete", [(33, 33)])
    assert labels(ran)[33, 33] == 0  # before anything else was computed
    assert labels(ran)[7, 7]
    assert ran.wait(20)
    assert len(features(ran)) == 1
    assert ran.readout.value.startswith("1 object")
    assert ran._hand.sentence.value == "1 correction"


def test_corrections_hold_while_the_slider_moves_and_after(ran):
    ran.correct("merge", [(7, 7), (33, 33)])
    assert ran.wait(20)
    assert len(features(ran)) == 1
    assert features(ran)["correction"].tolist() == ["merged"]
    ran.threshold.value = 0.05
    shown = labels(ran)
    assert shown[7, 7] == shown[33, 33] != shown[55, 7] > 0
    assert ran.readout.value.startswith("2 objects")
    assert ran.wait(20)
    assert labels(ran)[7, 7] == labels(ran)[33, 33]
    assert len(features(ran)) == 2


def test_undo_and_redo(ran):
    before = labels(ran).copy()
    ran.correct("cut", [(2, 10), (18, 10)])
    assert ran.wait(20)
    assert len(features(ran)) == 3
    cut = labels(ran).copy()
    ran._hand.undo.native.click()
    assert ran.wait(20)
    assert np.array_equal(labels(ran), before)
    assert "correction" not in ran._live.labels_layer.features
    assert not ran._hand.undo.enabled
    ran._hand.redo.native.click()
    assert ran.wait(20)
    assert np.array_equal(labels(ran), cut)
    ran._hand.undo.native.click()
    ran.correct("accept", [(7, 7)])
    assert ran.wait(20)
    assert not ran._hand.redo.enabled  # another branch


def test_columns_of_the_user_stay_with_their_objects(ran):
    layer = ran._live.labels_layer
    layer.features = layer.features.assign(kind=["left", "right"])
    ran.correct("cut", [(2, 10), (18, 10)])
    assert ran.wait(20)
    kinds = features(ran)["kind"]
    assert kinds[1] == "left"
    assert kinds[2] == "right"
    assert kinds.isna().sum() == 1  # the new part


@pytest.mark.parametrize(
    ("kind", "points"), [("delete", [(33, 33)]), ("merge", [(7, 7), (33, 33)])]
)
def test_columns_of_the_user_come_back_with_an_object(ran, kind, points):
    layer = ran._live.labels_layer
    layer.features = layer.features.assign(kind=["left", "right"])
    ran.correct(kind, points)
    assert ran.wait(20)
    assert features(ran)["kind"].tolist() == ["left"]
    ran.undo()
    assert ran.wait(20)
    assert features(ran)["kind"].tolist() == ["left", "right"]


def test_a_new_object_has_no_columns_of_one_that_was_taken_back(ran):
    ran.correct("cut", [(2, 10), (18, 10)])
    assert ran.wait(20)
    layer = ran._live.labels_layer
    layer.features = layer.features.assign(kind=["a", "b", "c"])
    ran.undo()
    assert ran.wait(20)
    ran.correct("paint", [(50, 5), (50, 15), (60, 15), (60, 5)])
    assert ran.wait(20)
    assert features(ran)["kind"].isna().tolist() == [False, False, True]


def test_undo_and_redo_end_at_the_first_and_the_last(ran):
    before = labels(ran).copy()
    ran.correct("delete", [(33, 33)])
    for _ in range(3):
        ran.undo()
    assert ran.wait(20)
    assert np.array_equal(labels(ran), before)
    for _ in range(3):
        ran.redo()
    assert ran.wait(20)
    assert not labels(ran)[33, 33]
    assert ran._hand.sentence.value == "1 correction"


def test_a_linked_stack_is_corrected_while_the_slider_moves(viewer, make_widget, blobs):
    stack = np.stack([blobs, blobs, blobs])
    viewer.add_image(stack, name="stack", axis_labels=("z", "y", "x"))
    widget = make_widget()
    widget.axes.value = "ZYX"
    widget.run()
    assert widget.wait(20)
    viewer.dims.set_point(0, 0)
    widget.correct("delete", [(7, 7)])
    assert widget.wait(20)
    assert not labels(widget)[:, 7, 7].any()
    viewer.dims.set_point(0, 2)  # the object was deleted in another plane
    widget.threshold.value = 0.6
    assert not labels(widget)[2, 7, 7]
    assert labels(widget)[2, 33, 33]
    assert "1 in this plane · 1 in the stack" in _settled(widget)


def _settled(widget):
    """The sentence once all is counted; before, it does not claim a number of the stack."""
    assert "2 in the stack" not in widget.readout.value
    assert widget.wait(20)
    return widget.readout.value


def test_an_object_is_painted_and_cut_at_the_corner_of_the_image(ran):
    ran.correct("paint", [(-3, 59), (-3, 66), (4, 66), (4, 59)])
    assert ran.wait(20)
    assert labels(ran)[0, 63]
    ran.correct("cut", [(-3, 61), (8, 61)])
    assert ran.wait(20)
    assert labels(ran)[0, 59] != labels(ran)[0, 63] > 0


def test_a_painted_object_snaps_to_what_the_network_saw(ran, blobs):
    ran.correct("paint", [(50, 5), (50, 15), (60, 15), (60, 5)])
    assert ran.wait(20)
    assert np.array_equal(labels(ran) == 3, blobs == np.float32(0.3))
    assert features(ran)["correction"][3] == "painted"


def test_what_is_without_effect_at_a_threshold_is_said(ran):
    ran.threshold.value = 0.2
    assert ran.wait(20)
    ran.correct("accept", [(55, 7)])
    assert ran.wait(20)
    assert "without effect" not in ran._hand.sentence.value
    ran.threshold.value = 0.5
    assert ran.wait(20)
    assert ran._hand.sentence.value.startswith("1 correction, 1 of them without effect")
    ran.threshold.value = 0.2
    assert ran.wait(20)
    assert ran._hand.sentence.value == "1 correction"
    assert features(ran)["correction"].tolist().count("accepted") == 1


def test_another_run_keeps_corrected_labels(viewer, ran):
    ran.correct("delete", [(33, 33)])
    assert ran.wait(20)
    corrected = ran._live.labels_layer
    ran.run()
    assert ran.wait(20)
    assert corrected in viewer.layers
    assert corrected.data[33, 33] == 0
    assert ran._live.labels_layer is not corrected
    assert labels(ran)[33, 33]
    assert "are kept" in ran.status.value
    assert not ran._hand.undo.enabled
    ran.run()  # these were not corrected
    assert ran.wait(20)
    assert sum(layer._type_string == "labels" for layer in viewer.layers) == 2


def test_labels_that_napari_painted_in_are_not_corrected_silently(ran):
    ran._live.labels_layer.paint((33, 33), 0)
    with pytest.raises(InputError, match="napari's brush"):
        ran.correct("delete", [(7, 7)])


def test_without_a_result_it_says_what_to_do(viewer, make_widget, blobs):
    viewer.add_image(blobs)
    widget = make_widget()
    with pytest.raises(InputError, match="press Run first"):
        widget.correct("delete", [(7, 7)])
    assert not widget._hand.tools["cut"].enabled
    widget.undo()
    widget.redo()
    widget.save_corrected()


def test_saved_with_what_is_known(ran, tmp_path):
    ran.correct("accept", [(7, 7)])
    ran._hand.looked_at.value = True
    assert ran.wait(20)
    ran.save_corrected(tmp_path / "made")
    assert ran.wait(20)
    assert ran.status.value.startswith("Saved ")
    assert tifffile.imread(tmp_path / "made" / "annotated.tif").all()
    record = json.loads((tmp_path / "made" / "provenance.json").read_text())
    assert record["corrections"]["done"][0]["kind"] == "accept"
    assert record["corrections"]["looked_at"] == [[]]
    (tmp_path / "file").write_text("")
    ran.save_corrected(tmp_path / "file" / "under")
    assert ran.wait(20)
    assert ran.status.value.startswith("⚠")


def test_planes_are_corrected_and_looked_at_by_themselves(viewer, make_widget, blobs):
    viewer.add_image(np.stack([blobs, blobs]), name="film", axis_labels=("t", "y", "x"))
    widget = make_widget()
    widget.axes.value = "TYX"
    widget.run()
    assert widget.wait(20)
    viewer.dims.set_point(0, 1)
    widget.correct("delete", [(7, 7)])
    widget._hand.looked_at.value = True
    assert widget.wait(20)
    assert labels(widget)[1, 7, 7] == 0
    assert labels(widget)[0, 7, 7]
    viewer.dims.set_point(0, 0)
    assert not widget._hand.looked_at.value
    viewer.dims.set_point(0, 1)
    assert widget._hand.looked_at.value
    assert widget.segmentation.annotated[1].all()
    assert not widget.segmentation.annotated[0].any()


def test_when_the_layers_go_the_tools_go(viewer, ran):
    ran._hand.choose("cut")
    viewer.layers.clear()
    assert ran._hand.tool == ""
    assert not ran._hand.tools["cut"].enabled
    assert ran._gestures._on_press not in viewer.mouse_drag_callbacks
