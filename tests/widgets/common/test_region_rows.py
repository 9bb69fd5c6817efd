"""“only inside” in Segment, Stain and Measure, in a real window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosynth.widgets.measure import MeasureWidget
from napari_cytosynth.zoo.model_files import save_model

SQUARE = np.array([[8, 10], [8, 40], [30, 40], [30, 10]], float)


@pytest.fixture
def image(viewer):
    pixels = np.random.default_rng(0).random((48, 64), dtype=np.float32)
    return viewer.add_image(pixels, name="noise", scale=(0.5, 0.5), units=("um", "um"))


@pytest.fixture
def shapes(viewer, image):
    return viewer.add_shapes(
        [SQUARE * 0.5], shape_type="rectangle", name="edge", units=("um", "um")
    )


@pytest.fixture
def segment(viewer, shapes, image, dock, tiny_model, tmp_path):
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    folder = save_model(tmp_path / "tiny", tiny_model.network, tiny_model.card)
    widget = SegmentWidget(viewer)
    dock(widget, "Segment")
    widget.image.value, widget.model.value, widget.device.value = image, folder, "cpu"
    return widget


def inside():
    mask = np.zeros((48, 64), bool)
    mask[8:31, 10:41] = True
    return mask


def run(widget):
    widget.run()
    assert widget.wait(120)
    return widget.status.value


def test_segment_runs_only_inside_and_follows_the_slider_there(viewer, segment, shapes):
    assert segment.at_border.native.isHidden()
    segment.region.value = shapes
    assert not segment.at_border.native.isHidden()
    segment.at_border.value = "mark"
    assert run(segment).startswith("Done")
    found = segment.segmentation
    assert not found.probability[~inside()].any()
    share = 100 * np.count_nonzero(found.labels) / inside().sum()
    assert f"{share:.3g} % of the region" in segment.readout.value
    labels = viewer.layers[-1]
    assert labels.features["at_region_border"].any()
    assert found.provenance["parameters"]["region"]["name"] == "edge"
    segment.threshold.value = round(float(np.median(found.probability[inside()])), 3)
    assert segment.wait(60)
    assert (labels.data[inside()] > 0).any()
    assert not labels.data[~inside()].any()
    assert "at_region_border" in labels.features


def test_cut_objects_are_left_out_while_the_slider_moves(viewer, segment, shapes):
    segment.region.value, segment.at_border.value = shapes, "drop"
    run(segment)
    found = segment.segmentation
    edge = inside()
    edge[9:30, 11:40] = False
    segment.threshold.value = round(float(np.quantile(found.probability[inside()], 0.8)), 3)
    labels = viewer.layers[-1].data
    assert labels.any()
    assert not labels[edge].any()  # at once, before it settles
    assert segment.wait(60)
    assert not viewer.layers[-1].data[edge].any()


def test_a_layer_that_is_deleted_meanwhile_does_not_stop_the_run(viewer, segment, shapes):
    segment.region.value = shapes
    segment.run()
    viewer.layers.remove(shapes)
    assert segment.wait(120)
    assert segment.status.value.startswith("Done")
    assert not segment.segmentation.probability[~inside()].any()
    assert segment.region.value is None


def test_bad_regions_are_explained(viewer, segment):
    segment.region.value = viewer.add_shapes(name="nothing", ndim=2)
    assert "“nothing” is empty" in run(segment)
    lines = viewer.add_shapes([[[0, 0], [9, 9]]], shape_type="line", name="line")
    segment.region.value = lines
    assert "lines or paths" in run(segment)
    far = viewer.add_shapes([SQUARE + 500], shape_type="polygon", name="far")
    segment.region.value = far
    assert "No pixel of this plane of the image lies in the region “far”" in run(segment)


def test_measure_counts_only_inside(viewer, shapes, dock):
    objects = np.zeros((48, 64), int)
    objects[10:14, 12:16], objects[20:24, 36:50], objects[40:44, 50:54] = 3, 5, 7
    labels = viewer.add_labels(objects, name="cells", scale=(0.5, 0.5), units=("um", "um"))
    widget = MeasureWidget(viewer)
    dock(widget, "Measure")
    widget.objects.value, widget.region.value = labels, shapes
    run(widget)
    assert labels.features.set_index("label")["area_px"].to_dict() == {3: 16, 5: 20}
    widget.at_border.value = "mark"
    run(widget)
    assert labels.features.set_index("label")["at_region_border"].to_dict() == {3: False, 5: True}
    widget.at_border.value = "drop"
    run(widget)
    assert labels.features["label"].tolist() == [3]
    widget.region.value = None
    run(widget)
    assert len(labels.features) == 3
    assert "at_region_border" not in labels.features
    widget.region.value = viewer.add_shapes(name="nothing", ndim=2)
    assert "is empty" in run(widget)


@pytest.fixture
def stain(viewer, shapes, image, dock, tiny_stainer, tmp_path):
    from napari_cytosynth.widgets.stain.widget import StainWidget

    folder = save_model(tmp_path / "stainer", tiny_stainer.network, tiny_stainer.card)
    widget = StainWidget(viewer)
    dock(widget, "Stain")
    widget.image.value, widget.model.value, widget.device.value = image, folder, "cpu"
    widget.samples.value = 2
    return widget


def test_a_stain_is_nan_outside_and_the_layer_may_go_meanwhile(viewer, stain, shapes):
    assert stain.at_border.native.isHidden()
    stain.region.value = shapes
    assert not stain.at_border.native.isHidden()
    stain.run()
    viewer.layers.remove(shapes)
    assert stain.wait(120)
    assert stain.status.value.startswith("Done")
    for stained in (
        viewer.layers["DNA · virtual · noise"],
        viewer.layers["DNA σ · virtual · noise"],
    ):
        np.testing.assert_array_equal(np.isfinite(stained.data), inside())
        assert np.isfinite(stained.contrast_limits).all()
    assert stain.staining.provenance["parameters"]["region"]["name"] == "edge"
    assert stain.region.value is None
    stain.run()  # of the whole image, in the same layers
    assert stain.wait(120)
    assert np.isfinite(viewer.layers["DNA · virtual · noise"].data).all()


def test_a_bad_region_is_explained_before_a_stain_runs(viewer, stain):
    stain.region.value = viewer.add_shapes(name="empty")
    stain.run()
    assert stain.wait(120)
    assert "“empty” is empty" in stain.status.value
    assert len(viewer.layers) == 3
