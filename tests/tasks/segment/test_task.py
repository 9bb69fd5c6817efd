from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from napari.components import ViewerModel
from napari.layers import Image

import napari_cytosynth as cytosynth
from napari_cytosynth.errors import Cancelled, InputError, ModelError
from napari_cytosynth.tasks.common.provenance import as_python
from napari_cytosynth.zoo.card import Normalisation


def run(image, model, **arguments):
    return cytosynth.segment(image, model, precision="float32", **arguments)


def test_probability_labels_and_table_fit_together(image, model):
    result = run(image, model)
    assert result.probability.shape == image.shape
    assert result.probability.dtype == np.float32
    assert 0 <= result.probability.min() < result.probability.max() <= 1
    np.testing.assert_array_equal(result.labels > 0, result.probability >= 0.5)
    assert result.options.split_touching  # as its card says
    assert list(result.table["label"]) == list(range(1, result.labels.max() + 1))
    assert result.threshold == 0.5
    assert result.messages == []


def test_another_threshold_does_not_run_the_network(image, model):
    result = run(image, model)
    other = result.at_threshold(0.6, min_size=4)
    assert other.probability is result.probability
    np.testing.assert_array_equal(other.labels, run(image, model, threshold=0.6, min_size=4).labels)
    assert result.threshold == 0.5
    with pytest.raises(InputError, match="no such option"):
        result.at_threshold(0.5, minimum=3)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint16", "int32", "int64", "uint64", "float16", "float64"]
)
def test_every_kind_of_number(image, model, dtype):
    if dtype == "bool":
        values = image > 128
    else:
        values = (image // 2).astype(dtype)
        expected = run(image // 2, model).probability
        np.testing.assert_allclose(run(values, model).probability, expected, atol=1e-3)
    assert np.isfinite(run(values, model).probability).all()


def test_nan_and_infinite_pixels_are_reported(image, model):
    values = image.astype(np.float32)
    values[3, 4], values[5, 6] = np.nan, np.inf
    result = run(values, model)
    assert np.isfinite(result.probability).all()
    assert any("NaN" in text for text in result.messages)


def test_constant_image_is_reported(model):
    result = run(np.full((20, 20), 7, np.uint8), model)
    assert any("same value everywhere" in text for text in result.messages)
    assert not result.probability.any()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((0, 5)), "empty"),
        (np.zeros(5), "two axes"),
        (np.zeros((5, 5), complex), "real numbers"),
        (np.zeros((20, 20, 3), np.uint8), "colour"),
        (np.zeros((64, 64, 3), np.float32), "colour"),
    ],
)
def test_images_that_cannot_be_used(model, bad, words):
    with pytest.raises(InputError, match=words):
        run(bad, model)


def test_wrong_number_of_channels(image, model, make_model):
    stack = np.stack([image, image, image])
    with pytest.raises(InputError, match=r"needs 1 channel .* has 3"):
        run(stack, model, axes="CYX")
    chosen = run(stack, model, axes="CYX", channels=[2])
    np.testing.assert_array_equal(chosen.probability, run(image, model).probability)
    with pytest.raises(InputError, match="no channel"):
        run(stack, model, axes="CYX", channels=[3])
    with pytest.raises(InputError, match="Name the channel axis"):
        run(image, make_model(input_channels=["red", "green"]))


def test_model_for_another_task_is_refused(image, make_model):
    with pytest.raises(InputError, match="does not segment"):
        run(image, make_model(task="stain"))


def test_stack_is_run_plane_by_plane_with_running_ids(image, model):
    stack = np.stack([image, image[::-1], image[:, ::-1]])
    result = run(stack, model, axes="TYX")
    for plane, values in enumerate(stack):
        np.testing.assert_allclose(result.probability[plane], run(values, model).probability)
    assert len(np.unique(result.labels[result.labels > 0])) == len(result.table)
    assert result.labels[1][result.labels[1] > 0].min() == result.labels[0].max() + 1
    assert set(result.table["t"]) == {0, 1, 2}


def test_single_plane_of_a_stack(image, model):
    layer = Image(
        np.stack([image, image[::-1]])[None],
        name="phase",
        scale=(1, 3, 0.5, 0.5),
        units=("pixel", "s", "um", "um"),
        axis_labels=("c", "t", "y", "x"),
    )
    result = run(layer, model, planes=(1,))
    assert result.axes == "YX"
    np.testing.assert_allclose(result.probability, run(image[::-1], model).probability)
    (data, arguments, _), labels = result.to_layers()
    assert data.shape == labels[0].shape == (1, *image.shape)
    assert list(arguments["translate"]) == [3, 0, 0]
    with pytest.raises(InputError, match="no plane"):
        run(layer, model, planes=(2,))


@pytest.mark.parametrize("axes", ["TCYX", "ZCYX", "TZCYX", "CYX", "CZYX"])
@pytest.mark.parametrize("as_layer", [True, False])
@pytest.mark.parametrize("single", [True, False])
def test_results_lie_on_the_slider_of_their_plane(image, model, axes, as_layer, single):
    sizes = dict(zip("TZCYX", (3, 2, 2, *image.shape), strict=True))
    stack = np.broadcast_to(image, [sizes[axis] for axis in axes]).copy()
    planes = tuple(sizes[axis] - 1 for axis in axes if axis not in "CYX")
    scale = np.array([5, 4, 3, 0.5, 0.25])[["TZCYX".index(axis) for axis in axes]]
    viewer = ViewerModel()
    layer = viewer.add_image(stack, scale=scale if as_layer else None, translate=scale * 2)
    if not as_layer:
        layer.translate = np.zeros(len(axes))
    options = {"planes": planes} if single else {}
    result = run(layer if as_layer else stack, model, axes=axes.lower(), channels=[1], **options)
    assert "C" not in result.axes
    place = dict(zip([a for a in axes if a not in "CYX"], planes, strict=True)) | {"C": 1}
    point = np.array([place.get(axis, 7) for axis in axes])
    for added in result.add_to(viewer):
        # napari lines the axes of layers up from the last
        local = added.world_to_data(layer.data_to_world(point)[-added.ndim :])
        there = np.where(np.array(added.data.shape) == 1, 0, point[-added.ndim :])
        np.testing.assert_allclose(local, there)
        assert added.ndim == len(axes) - axes.startswith("C")
    assert viewer.dims.ndim == len(axes)


@pytest.mark.parametrize("kind", ["dask", "zarr", "memmap"])
def test_lazy_arrays_give_the_same(image, model, kind, tmp_path):
    stack = np.stack([image, image[::-1]])
    if kind == "dask":
        lazy = pytest.importorskip("dask.array").from_array(stack, chunks=(1, 20, 20))
    elif kind == "zarr":
        lazy = pytest.importorskip("zarr").create_array(tmp_path / "a.zarr", data=stack)
    else:
        np.save(tmp_path / "a.npy", stack)
        lazy = np.load(tmp_path / "a.npy", mmap_mode="r")
    expected = run(stack, model).probability
    np.testing.assert_array_equal(run(lazy, model).probability, expected)


def test_only_one_plane_is_in_memory_at_a_time(image, model):
    read = []

    class Lazy:
        shape, dtype, ndim = (3, 40, 56), np.dtype(np.uint8), 3

        def __getitem__(self, key):
            read.append(key)
            return np.broadcast_to(image, self.shape)[key]

    run(Lazy(), model)
    assert [key[0] for key in read] == [0, 1, 2]


def test_result_is_written_into_the_given_array(image, model, tmp_path):
    out = np.lib.format.open_memmap(tmp_path / "p.npy", "w+", np.float32, image.shape)
    result = run(image, model, out=out, tile_size=16)
    assert result.probability is out
    np.testing.assert_allclose(out, run(image, model).probability, atol=1e-5)
    with pytest.raises(InputError, match="output array"):
        run(image, model, out=np.zeros((3, 3), np.float32))


def test_resampling_is_offered_never_silent(image, model):
    plain = run(image, model, pixel_size=0.2)
    assert any("resample=True" in text for text in plain.messages)
    np.testing.assert_array_equal(plain.probability, run(image, model).probability)
    done = run(image, model, pixel_size=0.2, resample=True)
    assert done.probability.shape == image.shape
    assert not np.allclose(done.probability, plain.probability)
    assert any("was resampled" in text for text in done.messages)
    assert run(image, model, pixel_size=0.6, resample=True).messages == []


def test_resampling_keeps_the_range_of_the_number_type(image, make_model):
    fixed = make_model(pixel_size_um=0.5, normalisation=Normalisation(kind="fixed"))
    whole = run(image, fixed, pixel_size=0.2, resample=True)
    real = run((image / 255).astype(np.float32), fixed, pixel_size=0.2, resample=True)
    np.testing.assert_allclose(whole.probability, real.probability, atol=1e-4)


def test_missing_pixels_do_not_shift_the_contrast_of_a_resampled_image(image, model):
    values = image + np.float32(1000)  # raw 0 would be far outside
    whole = run(values, model, pixel_size=0.2, resample=True).probability
    values[:, :8] = np.nan
    holed = run(values, model, pixel_size=0.2, resample=True).probability
    np.testing.assert_allclose(holed[:, 40:], whole[:, 40:], atol=0.1)


def test_cancel_stops_between_tiles(image, model):
    seen = []

    def progress(done, total, message):
        seen.append((done, total, message))
        if done == 3:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        run(np.stack([image] * 4), model, progress=progress)
    assert seen[-1][0] == 3
    assert "of 4" in seen[-1][2]


def test_layers_carry_geometry_features_and_record(image, model):
    layer = Image(image, name="phase", scale=(0.5, 0.5), translate=(3, 4), units=("um", "um"))
    viewer = ViewerModel()
    viewer.add_layer(layer)
    probability, labels = run(layer, model).add_to(viewer)
    assert probability.name == "probability – phase"
    assert labels.name == "blobs – phase"
    for added in (probability, labels):
        np.testing.assert_array_equal(added.extent.world, layer.extent.world)
        assert added.units == layer.units
        json.dumps(added.metadata["napari-cytosynth"])
    assert list(labels.features["index"]) == list(labels.features["label"])
    assert labels.features["area_um2"][0] == labels.features["area_px"][0] / 4
    assert probability.contrast_limits == [0, 1]


def test_script_makes_the_result_again(image, model):
    result = run(image, model, threshold=0.6, fill_holes=True)
    script = as_python(result.provenance)
    assert "threshold=0.6" in script
    assert "min_size=0" in script  # another version or card may have another default
    assert "split_touching=True" in script
    assert "drop_border" not in script
    calls = []
    fake = type("cytosynth", (), {"segment": lambda *a, **k: calls.append(k) or result})
    body = script.replace("import napari_cytosynth as cytosynth", "")
    body = body.replace('result.save("result")', "")
    exec(body, {"cytosynth": fake})
    calls[0].pop("model")
    again = run(image, model, **{k: v for k, v in calls[0].items() if k != "precision"})
    np.testing.assert_array_equal(again.labels, result.labels)


def test_script_that_reads_a_file_knows_the_layers_pixel_size(image, model):
    layer = Image(image, scale=(200, 200), units=("nm", "nm"))
    layer._source = layer.source.model_copy(update={"path": "cells.tif"})
    result = run(layer, model, resample=True)
    script = as_python(result.provenance)
    assert "imread('cells.tif')" in script
    size = eval(script.partition("pixel_size=")[2].partition("]")[0] + "]")
    np.testing.assert_allclose(size, 0.2)
    again = run(image, model, resample=True, pixel_size=size)
    np.testing.assert_array_equal(again.labels, result.labels)
    assert "pixel_size" not in as_python(run(image, model).provenance)


def test_tree_follows_the_labels(image, model):
    result = run(np.stack([image, image[::-1]]), model, split_touching=False)
    view = result.tree((1,)).at(0.55)
    np.testing.assert_array_equal(view.labels, result.at_threshold(0.55).label_plane((1,)))


def test_an_array_without_names_of_axes_is_asked_about_or_spoken_of(image, model):
    with pytest.raises(InputError, match=r"axes='YXC'"):
        run(image[..., None], model)
    assert run(image[..., None], model, axes="YXC").axes == "YX"
    result = run(np.stack([image, image]), model)
    assert result.axes == "ZYX"
    assert any("If it holds channels, give axes='CYX'" in text for text in result.messages)
    assert not any(
        "names" in text for text in run(np.stack([image] * 2), model, axes="ZYX").messages
    )


def test_a_path_is_not_taken_for_an_image(model, tmp_path):
    for path in (tmp_path / "i.tif", "i.tif"):
        with pytest.raises(InputError, match=r"path of a file .*i\.tif.* read the file first"):
            run(path, model)


def test_tensors_and_masked_arrays_are_images(image, model):
    expected = run(image, model).probability
    tensor = torch.from_numpy(np.ascontiguousarray(image).astype(np.float32)).requires_grad_()
    np.testing.assert_allclose(run(tensor, model).probability, expected, atol=1e-5)
    masked = np.ma.masked_array(image, np.zeros(image.shape, bool))
    np.testing.assert_array_equal(run(masked, model).probability, expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"threshold": "auto"}, "“threshold” must be a number between 0 and 1, not auto"),
        ({"min_size": 2.9}, "“min_size” must be a whole number of at least 0, not 2.9"),
        ({"fill_holes": "no"}, "“fill_holes” must be True or False, not no"),
        ({"axes": ["Y", "X"]}, "“axes” must be one letter for each axis as text"),
        ({"channels": 0}, r"“channels” must be .* such as \(0,\), not 0"),
        ({"planes": 0}, "“planes” must be whole numbers"),
        ({"pixel_size": (1, 0.5, 0.5)}, r"pixel_size=\(0.5, 0.5\)"),
        ({"pixel_size": "0.5 um"}, "positive number of µm"),
        ({"link_planes": "no"}, "“link_planes” must be True or False, not no"),
        ({"device": None}, "“device” must be"),
        ({"precision": ["float32"]}, "“precision” must be one of"),
        ({"tile_size": "auto"}, "“tile_size” must be a whole number"),
        ({"resample": "yes"}, "“resample” must be True or False"),
        ({"progress": 5}, "“progress” must be a function or None, not 5"),
        ({"out": [1, 2]}, "output array"),
    ],
)
def test_impossible_arguments_are_named(image, model, arguments, words):
    with pytest.raises(InputError, match=words):
        cytosynth.segment(image, model, **arguments)


def test_the_result_is_not_written_into_the_image(model):
    image = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    with pytest.raises(InputError, match="not be the image itself"):
        run(image, model, out=image)
    image.flags.writeable = False
    with pytest.raises(InputError, match="read-only"):
        run(image.copy(), model, out=image)


@pytest.mark.parametrize("size", [0.5 / 9, 4.5, (0.5, 4.5)])
def test_an_image_of_another_scale_is_not_resampled(image, model, size):
    with pytest.raises(InputError, match=r"this model is for another scale.*factor of 9 "):
        run(image, model, pixel_size=size, resample=True)
    assert run(image, model, pixel_size=size).probability.any()


def test_what_the_memory_cannot_hold_is_refused_before_the_model_runs(image, model, monkeypatch):
    from napari_cytosynth import memory

    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"would need about \d+ kB .* 1000 bytes are free"):
        run(image, model, progress=lambda *_: pytest.fail("the model ran"))


def test_a_model_that_gives_no_numbers_is_named(image, model):
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.network.head.bias[0] = float("nan")
    with pytest.raises(ModelError, match="“tiny” gave values that are no numbers"):
        run(image, broken)
