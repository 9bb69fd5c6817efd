"""Function, command line and widget find the same objects, where the user chose nothing."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth import phantoms
from napari_cytosynth.cli import main
from napari_cytosynth.zoo.model_files import save_model


@pytest.fixture(scope="module")
def image():
    return phantoms.fluorescent_nuclei((160, 160), count=25, touching=0.6, seed=4).image


def from_command(image, model, folder, *options):
    tifffile.imwrite(folder / "image.tif", image)
    line = ["segment", str(folder / "image.tif"), "--model", str(model), "--device", "cpu"]
    assert main([*line, "--out", str(folder / "out"), "--overwrite", *options]) == 0
    return tifffile.imread(folder / "out" / "labels.tif")


def from_widget(image, model, viewer):
    from napari_cytosynth.widgets.segment.widget import SegmentWidget

    viewer.add_image(image, name="image")
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.model.value = model
    shown = widget.min_size.value, widget.split_touching.value
    widget.device.value = "cpu"
    widget.run()
    assert widget.wait(120)
    assert widget.status.value.startswith("Done"), widget.status.value
    assert (widget.min_size.value, widget.split_touching.value) == shown
    return viewer.layers[-1].data, shown


@pytest.mark.filterwarnings("ignore:Public access to Window:FutureWarning")
@pytest.mark.parametrize("name", ["fluo-nuclei-unet", "em-mitochondria-unet", "tiny", "version 1"])
def test_all_three_give_the_same_labels(
    make_napari_viewer, make_model, version_1, image, name, tmp_path
):
    model = name
    if name == "tiny":
        tiny = make_model(threshold=0.45, min_size=12, pixel_size_um=None)
        model = save_model(tmp_path / "tiny", tiny.network, tiny.card)
    elif name == "version 1":
        model = version_1("distance")
    result = cytosynth.segment(image, model, device="cpu")
    np.testing.assert_array_equal(from_command(image, model, tmp_path), result.labels)
    labels, shown = from_widget(image, model, make_napari_viewer())
    np.testing.assert_array_equal(labels, result.labels)
    assert shown == (result.options.min_size, result.options.split_touching)
    joined = cytosynth.segment(image, model, device="cpu", split_touching=False)
    without = from_command(image, model, tmp_path, "--no-split-touching")
    np.testing.assert_array_equal(without, joined.labels)
    separates = cytosynth.load_model(model).card.inference.separates_objects
    assert (result.labels.max() > joined.labels.max()) == separates
