"""The size of the objects in the Segment widget: measured when asked, offered, never imposed."""

from __future__ import annotations

import threading
from itertools import product

import numpy as np
import pytest

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.segment.object_size import ObjectSize
from napari_cytosynth.widgets.segment.object_size import size_in_words
from napari_cytosynth.widgets.segment.widget import SegmentWidget
from napari_cytosynth.zoo.model_files import save_model

OWN = 20.0


@pytest.fixture
def folder(make_model, tmp_path):
    model = make_model(diameter=OWN)
    return save_model(tmp_path / "tiny", model.network, model.card)


@pytest.fixture
def widget(viewer, make_widget, blobs, folder):
    viewer.add_image(blobs, name="cells")
    viewer.add_image(blobs, name="others")
    widget = make_widget()
    widget.image.value = viewer.layers["cells"]
    widget.model.value = folder
    return widget


@pytest.fixture
def measuring(widget):
    """Return a function that measures with a stand-in that finds a diameter."""
    calls = []

    def measure(diameter, doubt=""):
        def stand_in(**arguments):
            calls.append(arguments)
            return ObjectSize(OWN, diameter, (), doubt)

        widget._size._measure = stand_in
        widget._size.measure.native.click()
        assert widget._size.jobs.wait(20)
        return calls

    return measure


def offered(widget):
    return not widget._size.rerun.native.isHidden()


def test_a_model_that_knows_no_size_offers_none(widget, make_widget, make_model, tmp_path):
    assert not widget._size.native.isHidden()
    model = make_model(pixel_size_um=None)
    widget.model.value = save_model(tmp_path / "other", model.network, model.card)
    assert widget._size.native.isHidden()
    widget.diameter.value = 40
    assert widget._size.chosen() is None


def test_the_offer_says_how_much_larger_and_one_press_runs_at_that_size(widget, network, measuring):
    calls = measuring(41.8)
    assert calls[0]["planes"] == ()
    assert calls[0]["image"].name == "cells"
    assert "2.1 times as large" in widget._size.sentence.value
    assert "41.8 px, not 20" in widget._size.sentence.value
    assert offered(widget)
    assert widget._size.rerun.text == "Run at half size"
    assert network.runs == []  # nothing is imposed
    assert widget.diameter.value == 0
    widget._size.rerun.native.click()
    assert widget.wait(20)
    assert [run["diameter"] for run in network.runs] == [41.8]
    assert widget.diameter.value == 41.8
    assert not offered(widget)


@pytest.mark.parametrize(
    ("diameter", "doubt", "words"),
    [(22.0, "", "near enough"), (None, "no two scales agree.", "could not be measured")],
)
def test_nothing_is_offered_without_need_or_evidence(widget, measuring, diameter, doubt, words):
    measuring(diameter, doubt)
    assert words in widget._size.sentence.value
    assert not offered(widget)


def test_another_image_or_model_forgets_the_offer(widget, viewer, measuring, folder):
    measuring(60.0)
    widget.diameter.value = 60
    assert not offered(widget)  # the user decided
    measuring(60.0)
    assert offered(widget)
    widget.image.value = viewer.layers["others"]
    assert not offered(widget)
    assert widget.diameter.value == 0
    measuring(60.0)
    widget.model.value = "fake/model"
    assert not offered(widget)


def test_a_run_without_a_diameter_leaves_the_image_as_it_is(widget, network):
    widget.run()
    assert widget.wait(20)
    assert network.runs[0]["diameter"] is None


def test_objects_far_from_the_models_are_pointed_out_after_a_run(viewer, widget, network):
    squares = np.zeros((64, 64), np.float32)
    squares[4::12, 4::12] = 0.9
    viewer.layers["cells"].data = np.maximum(squares, np.roll(squares, 1, 1))
    widget.run()
    assert widget.wait(20)
    assert "1.6 px across" in widget._size.sentence.value
    assert not offered(widget)
    widget.diameter.value = 2
    widget.run()
    assert widget.wait(20)
    assert widget._size.sentence.value == ""


def test_an_image_that_was_resampled_is_compared_at_the_models_pixel_size(
    viewer, dock, network, make_model, tmp_path, monkeypatch
):
    def run(image, model, *, resample, **options):
        found = network.segment(image, model, resample=resample, **options)
        found.base_provenance["parameters"]["resample"] = resample
        return found

    squares = np.zeros((256, 256), np.float32)
    for row, column in product(range(4, 250, 60), repeat=2):
        squares[row : row + 36, column : column + 36] = 0.9  # 41 px across: 20 of the model's
    viewer.add_image(squares, name="cells", scale=(0.25, 0.25), units=("µm", "µm"))
    model = make_model(diameter=OWN, pixel_size_um=0.5)
    widget = SegmentWidget(viewer, run, lambda *_: [])
    dock(widget, "Segment")
    widget.model.value = save_model(tmp_path / "sized", model.network, model.card)
    for resample in (True, False):
        widget.resample.value = resample
        widget.run()
        assert widget.wait(20)
        assert bool(widget._size.sentence.value) is not resample


def test_a_result_is_not_compared_with_a_model_chosen_during_its_run(
    viewer, widget, network, make_model, tmp_path
):
    squares = np.zeros((64, 64), np.float32)
    squares[4::12, 4::12] = 0.9
    viewer.layers["cells"].data = np.maximum(squares, np.roll(squares, 1, 1))
    other = make_model(diameter=300.0, pixel_size_um=None)
    network.gate.clear()
    widget.run()
    assert network.inside.wait(10)
    widget.model.value = save_model(tmp_path / "large", other.network, other.card)
    network.gate.set()
    assert widget.wait(20)
    assert widget._size.sentence.value == ""


def test_a_measurement_is_cancelled_with_the_same_button(widget):
    inside = threading.Event()

    def endless(progress, **_):
        while True:
            progress(1, 7, "Measuring the size of the objects")
            inside.set()

    widget._size._measure = endless
    widget._size.measure.native.click()
    assert inside.wait(20)
    assert widget._size.measure.text == "Cancel"
    assert widget.busy
    widget._size.measure.native.click()
    assert widget._size.jobs.wait(20)
    assert widget._size.measure.text == "Measure"
    assert widget._size.sentence.value == ""


def test_what_prevents_a_measurement_is_shown(viewer, widget):
    def refuse(**_):
        raise InputError("There is nothing to measure.")

    widget._size._measure = refuse
    widget._size.measure.native.click()
    assert widget._size.jobs.wait(20)
    assert widget._size.sentence.value == "⚠ There is nothing to measure."
    viewer.layers.clear()
    widget._size.measure.native.click()
    assert "Open an image first" in widget._size.sentence.value


@pytest.mark.parametrize(
    ("scale", "words"),
    [(0.48, "half size"), (0.34, "a third of its size"), (2.1, "twice its size"),
     (1.62, "1.6 times its size"), (0.25, "0.25 times its size")],
)  # fmt: skip
def test_factors_are_put_in_words(scale, words):
    assert size_in_words(scale) == words
