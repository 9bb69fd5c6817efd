"""What a user sees of a run of the Generate widget."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from napari_cytosynth.errors import InputError

KEY = "napari-cytosynth"
NAMES = ["synthetic fake – DNA", "synthetic fake – AGP"]


def names(viewer):
    return [layer.name for layer in viewer.layers]


@pytest.mark.binding
def test_run_adds_a_stack_for_each_channel_marked_as_synthetic(viewer, ran, fake):
    assert names(viewer) == NAMES
    layer = viewer.layers[0]
    np.testing.assert_allclose(layer.data[:, 0, 0], [0.10, 0.11, 0.12, 0.13])
    assert tuple(layer.axis_labels) == ("sample", "y", "x")
    assert tuple(layer.scale) == (1, 0.5, 0.5)
    record = layer.metadata[KEY]
    assert record["synthetic"]
    assert record["seeds"] == [10, 11, 12, 13]
    assert [layer.colormap.name for layer in viewer.layers] == ["cyan", "magenta"]
    assert ran.status.value == "Done: 4 synthetic images. All went well."
    assert fake.runs[0]["seed"] == 10
    assert {fake.runs[0][name] for name in ("size", "steps", "sampler", "guidance")} == {None}


def test_the_sample_in_view_is_named_with_its_seed(viewer, ran):
    assert ran.in_view.value == "In view: sample 0 (0 to 3), seed 10."
    viewer.dims.set_point(0, 2)
    assert ran.in_view.value == "In view: sample 2 (0 to 3), seed 12."
    ran._panel.take_to.native.click()
    assert ran.seed_to.value == 12


def test_the_images_emerge_while_the_model_runs(viewer, make_generate_widget, fake, qtbot):
    fake.hold_at = (0, 1)
    widget = make_generate_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=10_000)
    assert names(viewer) == NAMES
    layer = viewer.layers[0]
    assert layer.metadata[KEY]["synthetic"]
    np.testing.assert_allclose(layer.data[:, 0, 0], [0.1 / 3, 0.11 / 3, 0, 0], rtol=1e-5)
    assert viewer.dims.point[0] == 0
    fake.hold_at = (2, 2)
    qtbot.waitUntil(lambda: layer.data[3, 0, 0] > 0.08, timeout=10_000)
    assert layer.data[1, 0, 0] == pytest.approx(0.11)
    fake.gate.set()
    assert widget.wait(20)
    assert names(viewer) == NAMES
    assert viewer.layers[0] is layer


def test_cancel_keeps_what_is_finished(viewer, make_generate_widget, fake):
    fake.hold_at = (2, 2)
    widget = make_generate_widget()
    widget._run_button.native.click()
    assert fake.held.wait(10)
    widget._run_button.native.click()
    assert widget.wait(20)
    assert len(viewer.layers[0].data) == 2
    assert widget.status.value.startswith("Stopped: 2 of 4 images are finished and kept.")
    assert widget.generation.seeds == (10, 11)
    assert widget._run_button.text == "Generate"
    assert widget._run_button.enabled


def test_cancel_before_the_first_image_leaves_all_as_it_was(
    viewer, ran, make_generate_widget, fake
):
    before = list(viewer.layers)
    fake.hold_at = (0, 2)
    ran.run()
    assert fake.held.wait(10)
    ran.cancel()
    assert ran.wait(20)
    assert list(viewer.layers) == before
    assert all(layer.visible for layer in before)
    assert ran.status.value == "Stopped. Your layers are as they were."
    assert ran.generation is not None


def test_cancel_while_the_model_is_fetched(viewer, make_generate_widget, fake):
    def fetch(source, device, *, progress):
        for _ in range(500):
            fake.held.set()
            progress(0, 0, "Fetching the model")
            fake.gate.wait(0.01)
        raise AssertionError("Cancel was not heard")

    widget = make_generate_widget()
    widget._tasks = dataclasses.replace(widget._tasks, load_model=fetch)
    widget.run()
    assert fake.held.wait(10)
    widget.cancel()
    assert widget.wait(20)
    assert widget.status.value == "Stopped. Your layers are as they were."


def test_a_second_run_lies_over_the_hidden_first(viewer, ran):
    ran.seed.value = 20
    ran.run()
    assert ran.wait(20)
    assert [layer.visible for layer in viewer.layers] == [False, False, True, True]
    assert viewer.layers[2].data[0, 0, 0] == pytest.approx(0.2)


def test_masks_become_labels_over_the_image(viewer, make_generate_widget, fake):
    fake.masks = True
    widget = make_generate_widget()
    widget.seed.value = 49
    widget.run()
    assert widget.wait(20)
    labels = viewer.layers[-1]
    assert labels._type_string == "labels"
    assert [plane.max() > 0 for plane in labels.data] == [False, False, True, True]
    assert labels.metadata[KEY]["synthetic"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("This model knows no classes."), "⚠ This model knows no classes."),
        (RuntimeError("shapes differ"), "RuntimeError: shapes differ"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_an_error_is_a_sentence_and_leaves_nothing_behind(
    viewer, make_generate_widget, fake, error, sentence
):
    widget = make_generate_widget()
    fake.error = error
    widget.run()
    assert widget.wait(20)
    assert sentence in widget.status.value
    assert not viewer.layers
    fake.error = None
    widget.run()
    assert widget.wait(20)
    assert names(viewer) == NAMES


def test_layers_may_go_during_a_run(viewer, make_generate_widget, fake, qtbot):
    fake.hold_at = (0, 2)
    widget = make_generate_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=10_000)
    viewer.layers.remove(NAMES[0])
    widget.run()
    assert "under way" in widget.status.value
    fake.gate.set()
    assert widget.wait(20)
    assert names(viewer) == NAMES[1:]
    assert widget.generation is not None
    viewer.layers.clear()
    assert widget.generation is None
    assert not widget.show_as_grid.enabled


def test_closing_the_dock_during_a_run_takes_its_layers_away(
    viewer, make_generate_widget, fake, qtbot
):
    fake.hold_at = (0, 2)
    widget = make_generate_widget()
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=10_000)
    viewer.window.remove_dock_widget(widget.native)
    widget.wait(20)
    assert not viewer.layers
