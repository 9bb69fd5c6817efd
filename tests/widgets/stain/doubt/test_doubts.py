"""Doubtful nuclei in the widget: found in the background, outlined, walked through, hidden."""

from __future__ import annotations

import threading
from dataclasses import replace
from time import thread_time

import numpy as np
import pytest

from napari_cytosynth.errors import ModelError
from napari_cytosynth.widgets.stain.shown.canvas import camera_of

KEY = "napari-cytosynth"
DNA, OUTLINES = "DNA · virtual · cells", "DNA · doubt of nuclei"
CENTRES = [(9.5, 9.5), (34.5, 34.5), (54.5, 9.5)]  # of the squares, with doubts 0.9, 0.2, 0.6
UM = {"scale": (0.5, 0.5), "units": ("µm", "µm")}


@pytest.fixture
def cells(viewer, blobs):
    return viewer.add_image(blobs, name="cells", **UM)


@pytest.fixture
def run(make_stain_widget, stainer, knowing_card):
    """Return a function that runs the stand-in once, with a card that knows the doubt of DNA."""

    def once(widget=None, card=None, stains=None, views=True):
        stainer.card = (card or knowing_card()) if views else None
        widget = widget or make_stain_widget()
        widget.samples.value = 2
        if stains:
            widget._chosen_stains = lambda: stains
        widget.run()
        assert widget.wait(20)
        return widget

    return once


def find(widget):
    widget.doubt.find.native.click()
    assert widget.wait(20)
    return widget


@pytest.fixture
def found(cells, run):
    return find(run())


def nuclei_of(viewer):
    return next(layer for layer in viewer.layers if layer._type_string == "labels")


# -- the search -------------------------------------------------------------------------------


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


def test_a_search_shows_how_far_it_is_and_can_be_cancelled(viewer, cells, run, finder, qtbot):
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


def test_an_error_is_a_sentence(cells, run, finder):
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


def test_a_search_without_success_ends_hiding_by_nuclei(viewer, found, finder):
    found.hide_doubtful.value = 33
    every = finder.objects
    finder.objects = lambda staining, stain: none_of(every(staining, stain))
    find(found)
    assert "nuclei in DNA" not in found.hidden.value
    assert "Hidden in DNA and AGP: the 33 %" in found.hidden.value


def none_of(objects):
    return replace(objects, labels=objects.labels * 0, table=objects.table.iloc[:0])


def test_no_nuclei_are_said_to_be_none(viewer, cells, run):
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


def test_an_uncalibrated_doubt_is_called_unknown(viewer, cells, run, knowing_card):
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


# -- hiding -------------------------------------------------------------------------------------


def hidden_nuclei(viewer):
    data = viewer.layers[DNA].data
    return [bool(np.isnan(data[round(y), round(x)])) for y, x in CENTRES]


def test_nuclei_are_hidden_by_doubt_and_come_back_exactly(viewer, found, cells):
    layer, lines = viewer.layers[DNA], viewer.layers[OUTLINES]
    whole, agp = layer.data, viewer.layers["AGP · virtual · cells"].data
    found.hide_doubtful.value = 33
    assert hidden_nuclei(viewer) == [True, False, False]
    assert np.isnan(layer.data[3, 9])  # its light around it goes with it
    assert layer.data[25, 25] == whole[25, 25]
    assert np.isnan(lines.data[:20, :20]).all()
    assert np.isfinite(lines.data).any()
    assert found.hidden.value.startswith(
        "Hidden: 1 of 3 nuclei in DNA (33 %), of a doubt from 0.90 on. In the calibration fields "
        "that was 15 % of the wrong nuclei. Hidden in AGP: the 33 % of the stain"
    )
    found.hide_doubtful.value = 67
    assert hidden_nuclei(viewer) == [True, False, True]
    assert "of a doubt from 0.60 on. In the calibration fields that was 63 %" in found.hidden.value
    found.hide_doubtful.value = 0
    assert layer.data is whole
    assert viewer.layers["AGP · virtual · cells"].data is agp
    assert np.isfinite(lines.data[:20, :20]).any()
    assert found.hidden.value == "Nothing is hidden."


def test_at_100_per_cent_nothing_is_left(viewer, found):
    found.hide_doubtful.value = 100
    for name in (DNA, OUTLINES):
        assert np.isnan(viewer.layers[name].data).all()
    assert "3 of 3 nuclei in DNA (100 %), and all else of DNA: nothing is left" in (
        found.hidden.value
    )
    found.hide_doubtful.value = 0
    assert np.isfinite(viewer.layers[DNA].data).all()
    np.testing.assert_array_equal(found.staining.mean[0], viewer.layers[DNA].data)


def test_a_card_without_that_figure_says_so(cells, run, knowing_card):
    widget = find(run(card=knowing_card(hidden=())))
    widget.hide_doubtful.value = 50
    assert "does not tell what share of the wrong nuclei" in widget.hidden.value


def test_without_nuclei_and_views_there_is_nothing_to_hide_by(cells, run):
    widget = run(views=False)
    assert not widget.hide_doubtful.enabled
    assert widget.hidden.value == (
        "DNA and AGP cannot be hidden by doubt: the model's card has no curve of typical errors."
    )


def test_one_view_and_a_card_that_knows_ask_for_the_search_first(
    cells, make_stain_widget, stainer, knowing_card
):
    stainer.card = knowing_card()
    one_view = lambda *args, **options: without_views(stainer.stain(*args, **options))  # noqa: E731
    widget = make_stain_widget()
    widget._stain = one_view
    widget.run()
    assert widget.wait(20)
    assert not widget.hide_doubtful.enabled
    assert widget.hidden.value == (
        "Find the nuclei first: DNA is hidden by their doubt. AGP cannot be hidden by doubt: "
        "this run had one view only."
    )
    find(widget)
    assert widget.hide_doubtful.enabled
    widget.hide_doubtful.value = 33
    assert "1 of 3 nuclei in DNA" in widget.hidden.value
    assert "AGP cannot be hidden by doubt" in widget.hidden.value


def without_views(staining):
    staining.view_std = None
    return staining


def test_data_of_the_users_own_are_left_alone(viewer, found):
    mine = np.full((64, 64), 7.0, np.float32)
    viewer.layers[DNA].data = mine
    found.hide_doubtful.value = 100
    assert viewer.layers[DNA].data is mine
    assert np.isfinite(mine).all()
    assert "DNA: not hidden, as its layer is gone or holds your own data" in found.hidden.value


def test_a_step_of_the_slider_only_looks_labels_up(viewer, make_stain_widget, run, finder):
    image = np.full((1024, 1024), 0.02, np.float32)
    image.reshape(64, 16, 64, 16)[:, 4:12, :, 4:12] = 0.9
    viewer.add_image(image, name="cells")
    finder.doubts = np.linspace(0, 1, 4096)
    widget = find(run())
    searches = len(finder.stains)
    took = []
    for percent in (10, 20, 30, 40, 50):
        start = thread_time()  # of this thread alone, on a busy machine too
        widget.hide_doubtful.value = percent
        took.append(thread_time() - start)
        assert f"({percent} %)" in widget.hidden.value
    assert len(finder.stains) == searches
    assert np.median(took) < 0.25


# -- the way through them -----------------------------------------------------------------------


def centre(viewer):
    return tuple(camera_of(viewer).center)[-2:]


def world(layer, place):
    return tuple(layer.data_to_world(place)[-2:])


def test_the_camera_goes_to_the_most_doubtful_first_and_back(viewer, found):
    camera_of(viewer).zoom = 40.0
    panel = found.doubt
    assert (panel.previous.enabled, panel.next.enabled) == (False, True)
    for number, (nucleus, doubt) in enumerate([(0, "0.90"), (2, "0.60"), (1, "0.20")], start=1):
        panel.next.native.click()
        assert centre(viewer) == pytest.approx(world(viewer.layers[DNA], CENTRES[nucleus]))
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
def test_planes_of_a_film_are_gone_to(viewer, blobs, make_stain_widget, run, only, finder):
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
    assert centre(viewer) == pytest.approx(CENTRES[0])
    widget.hide_doubtful.value = 33
    data = viewer.layers[DNA].data
    plane = data[0 if only else 1]
    assert np.isnan(plane[9, 9])
    assert np.isfinite(plane[34, 34])
    if not only:
        assert np.isfinite(data[0]).all()
        assert " · z 1" in widget.doubt.row.value or " · t 1" in widget.doubt.row.value


# -- other runs -----------------------------------------------------------------------------------


def test_another_run_begins_afresh(viewer, found, cells, run):
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


def test_a_cancelled_run_keeps_nuclei_and_what_is_hidden(viewer, found, stainer, qtbot):
    found.hide_doubtful.value = 33
    stainer.hold_at = 1
    stainer.held.clear()
    found.run()
    qtbot.waitUntil(lambda: not found.hide_doubtful.enabled, timeout=10_000)
    assert not found.doubt.find.enabled
    found.cancel()
    assert found.wait(20)
    assert hidden_nuclei(viewer) == [True, False, False]
    assert found.hide_doubtful.enabled
    assert found.doubt.find.enabled


def test_a_second_search_replaces_the_first(viewer, found, finder):
    found.hide_doubtful.value = 33
    finder.doubts = (0.1, 0.8, 0.3)
    find(found)
    assert sum(layer.name.startswith(OUTLINES) for layer in viewer.layers) == 1
    assert hidden_nuclei(viewer) == [False, True, False]
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
