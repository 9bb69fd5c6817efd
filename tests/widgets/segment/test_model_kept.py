"""What of a model stays between runs, and what is said before and after them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.tasks.common.looks import look_limits, looks
from napari_cytosynth.widgets.segment.widget import SegmentWidget
from napari_cytosynth.zoo import loading
from napari_cytosynth.zoo.card import Expected
from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture
def folder(tiny_model, tmp_path):
    return save_model(tmp_path / "tiny", tiny_model.network, tiny_model.card)


@pytest.fixture
def widget(viewer, dock, folder):
    image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    viewer.add_image(image, name="noise")
    made = SegmentWidget(viewer)
    dock(made, "Segment")
    made.model.value = folder
    made.device.value = "cpu"
    return made


def run(widget):
    widget.run()
    assert widget.wait(120)
    assert widget.status.value.startswith("Done"), widget.status.value
    return widget._live.probability_layer.data.copy()


def test_the_second_run_does_not_read_the_weights_again(widget, monkeypatch):
    first = run(widget)
    monkeypatch.setattr(loading, "load_network", lambda path: pytest.fail(f"read {path} again"))
    np.testing.assert_array_equal(run(widget), first)
    assert widget.segmentation.provenance["model"]["source"] == str(widget.model.value)


def test_weights_that_were_changed_are_read_again(widget, tiny_model, folder):
    first = run(widget)
    network = tiny_model.network
    network.head.bias.data += 1
    save_model(folder, network, tiny_model.card)
    second = run(widget)
    assert (second > first).mean() > 0.9


def test_weights_that_were_removed_are_missed(viewer, widget, folder):
    run(widget)
    (folder / "model.safetensors").unlink()
    widget.run()
    widget.wait(60)
    assert widget.status.value.startswith("⚠")
    assert len(viewer.layers) == 3  # the first result stays


def test_an_unlike_image_is_noticed_before_the_run(viewer, dock, make_model, tmp_path):
    rng = np.random.default_rng(1)
    dark = [rng.random((64, 64)) ** 8 for _ in range(4)]
    model = make_model(input_looks=look_limits([looks(image) for image in dark]))
    folder = save_model(tmp_path / "dark", model.network, model.card)
    usual = viewer.add_image(dark[0], name="usual")
    inverted = viewer.add_image(-dark[1], name="inverted")
    widget = SegmentWidget(viewer)
    dock(widget, "Segment")
    widget.model.value = folder
    widget.image.value = inverted
    widget.wait(30)
    assert "contrast seems inverted" in widget._check.value
    assert widget._run_button.text == "Run anyway"
    widget.image.value = usual
    widget.wait(30)
    assert not widget._check.value
    assert widget._run_button.text == "Run"
    widget.pixel_size.value = 5.0
    widget.wait(30)
    assert "pixel size 5 µm against 0.5 µm. Resample it" in widget._check.value


def test_colours_and_an_empty_image_are_noticed(viewer, widget):
    widget.image.value = viewer.add_image(np.zeros((32, 32, 3), np.uint8), name="picture")
    widget._channel.value = 0
    widget.wait(30)
    assert "colour (RGB) image" in widget._check.value
    assert "same value everywhere" in widget._check.value


def test_a_doubtful_result_is_said_after_the_run(widget, make_model, tmp_path):
    odd = make_model(expected=Expected(foreground=(0.0, 0.001, 0.002)))
    widget.model.value = save_model(tmp_path / "odd", odd.network, odd.card)
    run(widget)
    assert "% of the area" in widget.status.value
    usual = make_model(expected=Expected(foreground=(0.0, 0.5, 1.0)))
    widget.model.value = save_model(tmp_path / "usual", usual.network, usual.card)
    run(widget)
    assert "⚠" not in widget.status.value


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ({"scale": (1, 0.5, 0.5), "units": ("pixel", "um", "um")}, "The z step is not known: "),
        ({}, "Pixel size and z step are not known: "),
    ],
)
def test_an_unknown_z_step_is_said_in_the_words_of_the_form(viewer, widget, layer, sentence):
    stack = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
    widget.image.value = viewer.add_image(stack, axis_labels="zyx", **layer)
    run(widget)
    assert sentence in widget.status.value
    assert "under “Advanced”" in widget.status.value
    assert "pixel_size" not in widget.status.value
    assert any("pixel_size=(z, y, x)" in text for text in widget.segmentation.messages)
    widget.pixel_size.value, widget.z_size.value = 0.5, 2.0
    run(widget)
    assert "known" not in widget.status.value


def test_what_stands_above_run_is_not_said_again_below(viewer, widget, make_model, tmp_path):
    dark = [np.random.default_rng(seed).random((64, 64)) ** 8 for seed in range(4)]
    model = make_model(input_looks=look_limits([looks(image) for image in dark]))
    widget.model.value = save_model(tmp_path / "dark", model.network, model.card)
    widget.image.value = viewer.add_image(-dark[1])
    run(widget)
    assert any("contrast seems inverted" in text for text in widget.segmentation.messages)
    assert "contrast seems inverted" in widget._check.value
    assert "contrast seems inverted" not in widget.status.value
