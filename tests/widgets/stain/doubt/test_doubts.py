"""Doubtful nuclei in the widget: found in the background, outlined, and told of."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_cytosynth.errors import ModelError

KEY = "napari-cytosynth"
DNA, OUTLINES = "DNA · virtual · cells", "DNA · doubt of nuclei"
UM = {"scale": (0.5, 0.5), "units": ("µm", "µm")}


def nuclei_of(viewer):
    return next(layer for layer in viewer.layers if layer._type_string == "labels")


def test_before_a_search_it_says_what_there_is_to_know(cells, run):
    widget = run()
    assert widget.doubt.find.enabled
    assert widget.doubt.found.value == (
        "On the calibration images (400 nuclei in 7 fields) 30 % of the nuclei in DNA were not "
        "there, or not in that shape."
    )
    assert not widget.doubt._walk.isVisibleTo(widget.native)


def test_a_search_outlines_nuclei_by_doubt_and_keeps_the_table(viewer, found, finder):
    assert finder.threads[0] is not threading.main_thread()
    assert found.doubt.found.value.startswith("3 nuclei in DNA. By the sum of their doubts about 2")
    line = viewer.layers[OUTLINES]
    assert line.visible
    assert viewer.layers.selection.active is viewer.layers[DNA]
    levels = np.unique(line.data[np.isfinite(line.data)])
    np.testing.assert_allclose(levels, [0.2, 0.6, 0.9])
    assert np.isnan(line.data[34, 34])  # the inside is seen
    np.testing.assert_allclose(line.extent.world, viewer.layers[DNA].extent.world)
    labels = nuclei_of(viewer)
    assert not labels.visible
    assert list(labels.features["doubt"]) == [0.9, 0.2, 0.6]
    assert labels.metadata[KEY]["role"] == "objects"
    assert found.nuclei.expected_wrong == pytest.approx(1.7)
    assert found.doubt.legend.isVisibleTo(found.native)


def test_a_search_shows_how_far_it_is_and_can_be_cancelled(viewer, cells, run, finder, qtbot, find):
    widget = run()
    finder.gate.clear()
    widget.doubt.find.native.click()
    qtbot.waitUntil(lambda: "view 3 of 8" in widget.doubt.found.value, timeout=10_000)
    assert (widget.doubt.bar.value(), widget.doubt.bar.maximum()) == (3, 21)
    assert widget.doubt.find.text == "Cancel"
    assert widget.busy
    before = list(viewer.layers)
    widget.doubt.find.native.click()
    assert widget.wait(20)
    assert widget.doubt.found.value == "Stopped. Nothing was changed."
    assert list(viewer.layers) == before
    finder.gate.set()
    assert len(find(widget).nuclei.table) == 3


def test_an_error_is_a_sentence(cells, run, finder, find):
    widget = run()
    finder.error = ModelError("The model fluo-nuclei-unet cannot be loaded.")
    find(widget)
    assert widget.doubt.found.value == "⚠ The model fluo-nuclei-unet cannot be loaded."
    assert widget.doubt.find.enabled
    assert widget.nuclei is None


@pytest.mark.parametrize("gone", [[DNA], None])
def test_layers_may_go_during_a_search(viewer, cells, run, finder, gone):
    widget = run()
    finder.gate.clear()
    widget.find_nuclei()
    assert finder.held.wait(10)
    for layer in gone or list(viewer.layers):
        viewer.layers.remove(layer)
    finder.gate.set()
    assert widget.wait(20)
    if gone is None:
        assert widget.nuclei is None
        assert len(viewer.layers) == 0
        assert not widget.doubt.find.enabled
        return
    assert OUTLINES in viewer.layers
    widget.hide_doubtful.value = 50
    assert "DNA: not hidden, as its layer is gone" in widget.hidden.value


def test_the_dock_may_be_closed_during_a_search(viewer, cells, run, finder):
    widget = run()
    finder.gate.clear()
    widget.find_nuclei()
    assert finder.held.wait(10)
    viewer.window.remove_dock_widget(widget.native)
    finder.gate.set()
    widget.wait(20)
    assert OUTLINES not in viewer.layers


def test_a_search_can_begin_before_a_forgotten_one_has_ended(cells, run, finder):
    widget = run()
    finder.gate.clear()
    widget.find_nuclei()
    assert finder.held.wait(10)
    run(widget)
    widget.doubt.find.native.click()
    assert widget.doubt.find.text == "Cancel"
    finder.gate.set()
    assert widget.wait(20)
    assert len(widget.nuclei.table) == 3


def test_a_search_without_success_ends_hiding_by_nuclei(viewer, found, finder, find):
    found.hide_doubtful.value = 33
    every = finder.objects
    finder.objects = lambda staining, stain: none_of(every(staining, stain))
    find(found)
    assert "nuclei in DNA" not in found.hidden.value
    assert "Hidden in DNA and AGP: the 33 %" in found.hidden.value


def none_of(objects):
    return replace(objects, labels=objects.labels * 0, table=objects.table.iloc[:0])


def test_no_nuclei_are_said_to_be_none(viewer, cells, run, find):
    cells.data = cells.data * 0.01
    widget = find(run())
    assert widget.doubt.found.value == "No nuclei in DNA were found."
    assert OUTLINES not in viewer.layers
    assert not widget.doubt._walk.isVisibleTo(widget.native)


def test_a_result_without_a_stain_of_nuclei_has_none_to_doubt(cells, run):
    widget = run(stains=("AGP",))
    assert not widget.doubt.find.enabled
    assert widget.doubt.found.value == (
        "No stain of this result (AGP) shows nuclei: none can be doubted."
    )
    assert widget.hide_doubtful.enabled  # by the spread of its views
    widget.find_nuclei()
    assert not widget.busy


def test_an_uncalibrated_doubt_is_called_unknown(viewer, cells, run, knowing_card, find):
    widget = run(card=knowing_card(doubt=False))
    assert "no calibration of doubt for DNA" in widget.doubt.found.value
    find(widget)
    assert "doubt" not in nuclei_of(viewer).features
    assert "3 nuclei in DNA. It is not known which of these" in widget.doubt.found.value
    assert "an overlap, no probability" in widget.doubt.found.value
    assert not widget.doubt.legend.isVisibleTo(widget.native)
    line = viewer.layers["DNA · nuclei, doubt unknown"]
    assert len(np.unique(line.data[np.isfinite(line.data)])) == 1
    widget.doubt.next.native.click()
    assert widget.doubt.row.value.startswith("1 of 3 · overlap with the turned views 0.50 ·")
    widget.hide_doubtful.value = 50  # by the views, pixel by pixel
    assert "nuclei" not in widget.hidden.value
    assert "views differ most" in widget.hidden.value


def test_side_by_side_has_no_picture_of_outlines_alone(viewer, found):
    found.ticks.side_by_side.value = True
    assert not viewer.layers[OUTLINES].visible
    found.ticks.side_by_side.value = False
    assert viewer.layers[OUTLINES].visible
    assert not nuclei_of(viewer).visible


def test_another_run_begins_afresh(viewer, found, cells, run, find):
    found.look_at_next()
    found.hide_doubtful.value = 50
    cells.data = cells.data.T.copy()
    run(found)
    assert OUTLINES not in viewer.layers
    assert not [layer for layer in viewer.layers if layer._type_string == "labels"]
    assert found.nuclei is None
    assert (found.hide_doubtful.value, found.doubt.row.value) == (0, "")
    assert not found.doubt._walk.isVisibleTo(found.native)
    np.testing.assert_allclose(viewer.layers[DNA].data, 100 * cells.data)
    find(found)
    assert OUTLINES in viewer.layers
    assert len([layer for layer in viewer.layers if layer._type_string == "labels"]) == 1


def test_a_cancelled_run_keeps_nuclei_and_what_is_hidden(
    viewer, found, stainer, qtbot, hidden_nuclei
):
    found.hide_doubtful.value = 33
    stainer.hold_at = 1
    stainer.held.clear()
    found.run()
    qtbot.waitUntil(lambda: not found.hide_doubtful.enabled, timeout=10_000)
    assert not found.doubt.find.enabled
    found.cancel()
    assert found.wait(20)
    assert hidden_nuclei() == [True, False, False]
    assert found.hide_doubtful.enabled
    assert found.doubt.find.enabled


def test_a_second_search_replaces_the_first(viewer, found, finder, find, hidden_nuclei):
    found.hide_doubtful.value = 33
    finder.doubts = (0.1, 0.8, 0.3)
    find(found)
    assert sum(layer.name.startswith(OUTLINES) for layer in viewer.layers) == 1
    assert hidden_nuclei() == [False, True, False]
    found.look_at_next()
    assert found.doubt.row.value.startswith("1 of 3 · doubt 0.80")


def test_the_script_finds_the_nuclei_too(found, cells, run, qapp):
    found.copy_as_python()
    script = qapp.clipboard().text()
    assert "objects = result.objects('DNA')" in script
    run(found)
    found.copy_as_python()
    assert "objects(" not in qapp.clipboard().text()


def test_the_doubt_is_a_column_where_a_stain_is_compared(viewer, found, cells):
    labels = np.zeros((64, 64), np.int32)
    labels[4:15, 5:15], labels[50:60, 40:50] = 7, 9  # one nucleus, and a place without any
    viewer.add_labels(labels, name="mine", **UM)
    found.compare_cells.value = viewer.layers["mine"]
    found.compare_with.value = viewer.add_image(cells.data + 1, name="Hoechst", **UM)
    assert found.wait(20)
    np.testing.assert_allclose(found._panel.table["doubt"], [0.9, np.nan])


def test_measuring_the_nuclei_again_keeps_their_doubt(viewer, found, dock):
    from napari_cytosynth.widgets.measure import MeasureWidget

    measure = MeasureWidget(viewer)
    dock(measure, "Measure")
    measure.objects.value = nuclei_of(viewer)
    measure.run()
    assert measure.wait(20)
    features = nuclei_of(viewer).features
    assert list(features["doubt"]) == [0.9, 0.2, 0.6]
    assert "mean_intensity" not in features  # it is the new table
