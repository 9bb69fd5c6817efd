"""Image and result of a file as layers: where they lie, what they carry, what is replaced."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import silent
from napari_cytosynth.widgets.batch.opening import OpenedLayers, load_layers
from napari_cytosynth.widgets.common.canvas import camera_of

KEY = "napari-cytosynth"


@pytest.fixture
def bright():
    """(48, 64) image of two bright squares on a dark ground."""
    image = np.random.default_rng(0).random((48, 64)).astype(np.float32) / 10
    image[5:15, 5:15] = image[20:40, 30:50] = 0.9
    return image


def write(path, data, axes="YX", **more):
    size = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(path, data, metadata={"axes": axes, **size, **more}, ome=True)
    return path


def opened(path, out, model, **parameters):
    result = cytosynth.batch(path, out, model=model, **parameters)
    (outcome,) = result.outcomes
    assert outcome.state == "done", outcome.sentence
    return load_layers(outcome, out, silent)


def test_a_segmentation_lies_on_its_image(tmp_path, bright, tiny_model):
    path = write(tmp_path / "a.tif", bright)
    layers = opened(path, tmp_path / "out", tiny_model)
    assert [kind for *_, kind in layers] == ["image", "image", "labels"]
    assert [about["name"] for _, about, _ in layers] == [
        "a.tif", "probability – a.tif", "labels – a.tif",
    ]  # fmt: skip
    assert {about["scale"] for _, about, _ in layers} == {(0.5, 0.5)}
    assert {about["units"] for _, about, _ in layers} == {("µm", "µm")}
    result = cytosynth.segment(bright, tiny_model, pixel_size=0.5)
    labels, about, _ = layers[2]
    np.testing.assert_array_equal(labels, result.labels)
    assert list(about["features"]["label"]) == list(result.table["label"])
    assert list(about["features"]["index"]) == list(result.table["index"])
    assert about["metadata"][KEY]["task"] == "segment"
    assert KEY not in layers[0][1].get("metadata", {})
    assert not layers[1][1]["visible"]


def test_a_stain_has_a_layer_for_each_channel_in_its_colour(tmp_path, bright, tiny_stainer):
    path = write(tmp_path / "a.tif", bright)
    result = cytosynth.batch(
        path, tmp_path / "out", task="stain", model=tiny_stainer, samples=2, seed=1
    )
    layers = load_layers(result.outcomes[0], tmp_path / "out", silent)
    names = [about["name"] for _, about, _ in layers]
    assert names == [
        "a.tif", "DNA · virtual · a.tif", "AGP · virtual · a.tif", "DNA σ · virtual · a.tif",
        "AGP σ · virtual · a.tif",
    ]  # fmt: skip
    assert [about.get("visible", True) for _, about, _ in layers] == [True, True, *[False] * 3]
    assert layers[1][1]["colormap"] != layers[2][1]["colormap"]
    assert layers[3][1]["metadata"][KEY]["role"] == "uncertainty"
    here = cytosynth.stain(bright, tiny_stainer, samples=2, seed=1, pixel_size=0.5)
    for number in range(2):
        np.testing.assert_allclose(layers[1 + number][0], here.mean[number], rtol=1e-5)


def test_channels_colours_and_stacks_are_told_apart(tmp_path, bright, tiny_model):
    stack = np.stack([np.stack([bright, bright[::-1]])] * 3)
    path = write(tmp_path / "zc.tif", stack, "ZCYX", PhysicalSizeZ=2.0)
    layers = opened(path, tmp_path / "zc", tiny_model, channels=(1,))
    assert [about["name"] for _, about, _ in layers[:2]] == [
        "zc.tif · channel 1", "zc.tif · channel 2",
    ]  # fmt: skip
    assert {np.shape(data) for data, *_ in layers} == {(3, 48, 64)}
    assert {about["scale"] for _, about, _ in layers} == {(2.0, 0.5, 0.5)}
    colours = (np.dstack([bright] * 3) * 255).astype(np.uint8)
    path = tmp_path / "colours.tif"
    tifffile.imwrite(path, colours, photometric="rgb")
    layers = opened(path, tmp_path / "rgb", tiny_model, channels=(0,))
    assert layers[0][1]["rgb"]
    assert layers[0][0].shape == (48, 64, 3)


def test_measured_labels_carry_their_table(tmp_path, bright):
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, (bright > 0.5).astype(np.uint16))
    result = cytosynth.batch(path, tmp_path / "out", task="measure")
    ((data, about, kind),) = load_layers(result.outcomes[0], tmp_path / "out", silent)
    assert (kind, data.max(), len(about["features"])) == ("labels", 1, 1)


def test_a_table_that_is_gone_is_told(tmp_path, bright, tiny_model):
    path = write(tmp_path / "a.tif", bright)
    result = cytosynth.batch(path, tmp_path / "out", model=tiny_model)
    (tmp_path / "out" / "a-table.csv").unlink()
    with pytest.raises(InputError, match="table"):
        load_layers(result.outcomes[0], tmp_path / "out", silent)


@pytest.fixture
def shown(viewer, bright):
    register = OpenedLayers(viewer)

    def show(name, data=bright):
        labels = (data > 0.5).astype(np.int32)
        return register.show(
            [(data, {"name": name}, "image"), (labels, {"name": f"l {name}"}, "labels")]
        )

    return show


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_the_next_file_takes_the_place_of_the_last(viewer, shown, bright):
    viewer.add_image(bright, name="mine")
    shown("a")
    camera_of(viewer).zoom = 7.5
    assert not shown("b")
    assert names(viewer) == ["mine", "b", "l b"]
    assert camera_of(viewer).zoom == 7.5  # compared at the same place
    shown("c", bright[:20, :20].copy())
    assert camera_of(viewer).zoom != 7.5


@pytest.mark.parametrize("how", ["paint", "data"])
def test_labels_that_were_edited_stay(viewer, shown, how):
    shown("a")
    if how == "paint":
        viewer.layers["l a"].paint((2, 2), 5)
    else:
        viewer.layers["l a"].data = viewer.layers["l a"].data + 1
    assert shown("b")
    assert names(viewer) == ["l a", "b", "l b"]
    assert not shown("c")
    assert names(viewer) == ["l a", "c", "l c"]


def test_a_layer_that_the_user_deleted_is_no_trouble(viewer, shown):
    shown("a")
    viewer.layers.remove("l a")
    assert not shown("b")
    assert names(viewer) == ["b", "l b"]
