"""The Segment and Measure widgets with a real, tiny network: folder in, objects out."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture
def folder(tiny_model, tmp_path):
    return save_model(tmp_path / "tiny", tiny_model.network, tiny_model.card)


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    return rng.random((2, 48, 64), dtype=np.float32)


@pytest.mark.filterwarnings("ignore:Public access to Window:FutureWarning")
def test_a_folder_runs_and_the_threshold_needs_no_second_run(viewer, folder, image):
    from napari_cytosynth.widgets.measure import MeasureWidget
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    source = viewer.add_image(
        image, name="noise", scale=(1, 0.5, 0.5), units=("s", "µm", "µm"), axis_labels="tyx"
    )
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.model.value = folder
    assert "A tiny random network · 0.5 µm/px · 0.0" in widget._about.value
    assert "CC0-1.0" in widget._about.value
    widget.device.value = "cpu"
    widget.run()
    assert widget.wait(120)
    assert widget.status.value.startswith("Done"), widget.status.value
    probability, labels = viewer.layers[1:]
    np.testing.assert_allclose(labels.extent.world, source.extent.world)
    middle = float(np.median(probability.data))
    widget.threshold.value = round(middle, 3)
    dragged = labels.data[0] > 0
    assert widget.wait(120)
    np.testing.assert_array_equal(labels.data > 0, probability.data >= widget.threshold.value)
    np.testing.assert_array_equal(labels.data[0] > 0, dragged)
    assert len(labels.features) == labels.data.max() > 0
    assert {"index", "area_px", "area_um2"} <= set(labels.features)
    assert f"threshold={widget.threshold.value}" in widget.as_python()
    assert labels.metadata["napari-cytosynth"]["parameters"]["threshold"] == widget.threshold.value
    before = labels.features
    labels.features = {}
    other = MeasureWidget(viewer)
    viewer.window.add_dock_widget(other)
    other.run()
    assert other.wait(60)
    assert f"Measured {len(before)} objects" in other.status.value
    assert list(labels.features["area_um2"]) == list(before["area_um2"])


def test_one_channel_of_a_colour_image_can_be_chosen(viewer, folder, image):
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    colour = np.repeat(image[0][..., None], 3, axis=-1)
    viewer.add_image(colour, name="colour", rgb=True)
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.model.value = folder
    assert widget.axes.value == "YXC"
    assert widget._channel.choices == (None, 0, 1, 2)
    widget.run()
    assert widget.wait(120)
    assert "sees only one of its colours. Choose it" in widget.status.value
    widget._channel.value = 1
    widget.run()
    assert widget.wait(120)
    assert widget.status.value.startswith("Done"), widget.status.value
    assert viewer.layers[-1].data.shape == (48, 64)


def test_a_folder_without_a_model_is_refused_with_a_sentence(viewer, image, tmp_path):
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    viewer.add_image(image)
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.model.value = tmp_path
    widget.run()
    assert widget.wait(60)
    assert widget.status.value.startswith("⚠")
    assert "Traceback" not in widget.status.value
    assert len(viewer.layers) == 1


def test_what_the_user_did_not_set_is_as_the_card_says(viewer, make_model, image, tmp_path):
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    own, other = make_model(threshold=0.4, min_size=9), make_model(splitting=None, threshold=0.6)
    folders = [save_model(tmp_path / str(n), m.network, m.card) for n, m in enumerate((own, other))]
    viewer.add_image(image[0], name="noise")
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.model.value = folders[0]
    options = (widget.threshold, widget.min_size, widget.split_touching)
    assert [part.value for part in options] == [0.4, 9, True]
    widget.split_touching.value = False
    assert widget._panel.chosen_options() == {
        "threshold": None,
        "min_size": None,
        "split_touching": False,
        "fill_holes": False,
        "drop_border": False,
        "link_planes": True,
        "min_confidence": 0.0,
    }
    widget.run()
    assert widget.wait(120)
    used = widget.segmentation.options
    assert (used.threshold, used.min_size, used.split_touching) == (0.4, 9, False)
    assert widget.split_touching.value is False
    widget.model.value = folders[1]
    widget.run()
    assert widget.wait(120)
    used = widget.segmentation.options
    assert (used.threshold, used.min_size, used.split_touching) == (0.6, 0, False)
    assert [part.value for part in options] == [0.6, 0, False]


def test_a_converted_model_of_cellpose_runs_at_the_size_of_its_training(viewer, cellpose_model):
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    viewer.add_image(np.random.default_rng(0).random((70, 60), np.float32), name="noise")
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.model.value = cellpose_model
    assert widget.diameter.native.text() == "54, as in training"
    widget.run()
    assert widget.wait(120)
    assert widget.status.value.startswith("Done"), widget.status.value
    probability, labels = viewer.layers[1:]
    assert "taken to be about 54 px" in widget.status.value
    middle = float(np.median(probability.data))
    widget.threshold.value = round(middle, 3)  # live, without another run
    assert widget.wait(120)
    assert (probability.data[labels.data > 0] >= widget.threshold.value).all()
    assert not widget._size.sentence.value
    widget.diameter.value = 30  # as it is
    widget.run()
    assert widget.wait(120)
    assert "resampled" not in widget.status.value
