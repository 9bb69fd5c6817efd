"""The Stain widget with the real task and tiny random networks."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.zoo.card import StainError, StainUncertainty

NAMES = tuple(f"{n}{r} · virtual · cells" for r in ("", " σ") for n in ("DNA", "AGP"))


@pytest.fixture
def cells(viewer, blobs):
    return viewer.add_image(blobs, name="cells", scale=(0.5, 0.5), units=("µm", "µm"))


@pytest.fixture
def save_stainer(make_stainer, tmp_path):
    """Return a function that saves a tiny random stainer without calibration."""
    from napari_cytosynth.zoo.card import OutputScaling
    from napari_cytosynth.zoo.model_files import save_model

    def save(dropout=0.2, name="tiny-stainer", seed=5, **inference):
        model = make_stainer(
            name=name,
            seed=seed,
            dropout=dropout,
            output_scaling=[OutputScaling(offset=100, scale=50), OutputScaling()],
            sigma_scale=None,
            sigma_floor=None,
            **inference,
        )
        return save_model(tmp_path / name, model.network, model.card)

    return save


@pytest.fixture
def make_real_widget(make_stain_widget):
    from napari_cytosynth.tasks.common.input_check import check_image
    from napari_cytosynth.tasks.stain.task import stain

    return lambda: make_stain_widget(stain, check_image)


def test_a_real_network_from_the_first_sample_to_the_second_opinion(
    viewer, cells, make_real_widget, save_stainer
):
    widget = make_real_widget()
    widget.model.value = save_stainer()
    widget.samples.value = 4
    widget.run()
    assert widget.wait(60)
    assert [layer.name for layer in viewer.layers] == [
        "cells",
        *NAMES,
    ]
    mean, sigma = viewer.layers[1].data, viewer.layers[3].data
    np.testing.assert_array_equal(mean, widget.staining.mean[0])
    assert sigma.max() > 0
    np.testing.assert_allclose(viewer.layers[1].extent.world, cells.extent.world)
    assert not widget.hide_doubtful.enabled
    assert "the model's card has no curve of typical errors" in widget.hidden.value
    widget.other_model.value = save_stainer(name="rival", seed=6)
    widget.ask_other()
    assert widget.wait(60)
    assert "differ more than is usual between the two" in widget.opinion.value


def test_views_of_a_real_network_hide_where_they_differ_most(
    viewer, cells, make_real_widget, save_stainer
):
    curve = StainError(levels=[0.0, 1.0], errors=[0.1, 0.1])
    widget = make_real_widget()
    widget.model.value = save_stainer(
        uncertainty=StainUncertainty(stains=[curve, curve], views=2, samples=2),
        sigma_slope=None,
        sigma_samples=None,
    )
    widget.run()
    assert widget.wait(60)
    assert (widget.staining.views, widget.staining.count) == (2, 2)
    data, spread = viewer.layers[NAMES[0]].data, widget.staining.view_std[0]
    widget.hide_doubtful.value = 25
    hidden = np.isnan(viewer.layers[NAMES[0]].data)
    assert spread[hidden].min() >= spread[~hidden].max()  # the typical error is the same everywhere
    assert viewer.layers["DNA samples · virtual · cells"].data.max() > 0
    widget.hide_doubtful.value = 0
    assert viewer.layers[NAMES[0]].data is data


def test_a_model_without_dropout_is_refused_unless_forced(
    viewer, cells, make_real_widget, save_stainer
):
    widget = make_real_widget()
    widget.model.value = save_stainer(dropout=0.0)
    widget.run()
    assert widget.wait(60)
    assert widget.status.value.startswith("⚠ ")
    assert len(viewer.layers) == 1
    widget.inject_dropout.value = 0.2
    widget.run()
    assert widget.wait(60)
    assert "uncalibrated" in widget.status.value
    assert len(viewer.layers) == 5


def test_a_model_for_another_task_is_refused(viewer, cells, make_real_widget, make_model, tmp_path):
    from napari_cytosynth.zoo.model_files import save_model

    model = make_model()
    save_model(tmp_path / "segmenter", model.network, model.card)
    widget = make_real_widget()
    widget.model.value = tmp_path / "segmenter"
    widget.run()
    assert widget.wait(60)
    assert widget.status.value.startswith("⚠ ")
    assert len(viewer.layers) == 1


def test_another_pixel_size_offers_to_resample(viewer, blobs, make_real_widget, save_stainer):
    viewer.add_image(blobs, name="cells", scale=(0.16, 0.16), units=("µm", "µm"))
    widget = make_real_widget()
    widget.model.value = save_stainer()
    assert widget.wait(20)
    assert "pixel size 0.16 µm against 0.5 µm. Resample it, or run anyway." in widget._check.value
    widget.resample.value = True
    assert widget.wait(20)
    assert widget._check.value == ""
    assert widget._run_button.text == "Run"


def test_objects_in_a_virtual_stain_say_how_certain_they_are(
    viewer, cells, make_real_widget, save_stainer, make_model, tmp_path
):
    from napari_cytosynth.widgets.segment.widget import SegmentWidget
    from napari_cytosynth.zoo.model_files import save_model

    widget = make_real_widget()
    widget.model.value = save_stainer()
    widget.samples.value = 3
    widget.run()
    assert widget.wait(60)
    model = make_model()
    save_model(tmp_path / "segmenter", model.network, model.card)
    segment = SegmentWidget(viewer)
    viewer.window.add_dock_widget(segment, name="Segment")
    segment.model.value = tmp_path / "segmenter"
    segment.image.value = viewer.layers[NAMES[0]]
    segment.run()
    assert segment.wait(60)
    features = next(layer.features for layer in viewer.layers if layer._type_string == "labels")
    assert (features["mean_uncertainty"] > 0).all()
    assert len(features)
