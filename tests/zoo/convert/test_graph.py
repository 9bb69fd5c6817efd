"""ONNX graphs become models with the output that ONNX Runtime gives, or are refused."""

from __future__ import annotations

import pickle
import threading
import time
import zipfile

import numpy as np
import pytest
import torch
from tests import onnx_graphs as graphs

from napari_cytosynth import segment, stain
from napari_cytosynth.cli import main
from napari_cytosynth.errors import Cancelled, InputError, ModelError
from napari_cytosynth.inference.cancelling import cancellable
from napari_cytosynth.inference.geometry import network_geometry
from napari_cytosynth.training.teach.kinds import kind_of
from napari_cytosynth.zoo.convert import convert
from napari_cytosynth.zoo.loading import load_model

pytestmark = graphs.NEEDS_EXTRA


@pytest.fixture
def packed(tmp_path):
    """Return the function that writes a package and makes a model of it by the command."""

    def make(graph, *settings, **options):
        path = graphs.package(tmp_path / "their.zip", graph, **options)
        told = ["--set", *settings] if settings else []
        command = ["models", "convert", str(path), "--as", "bioimageio", "--out"]
        assert main([*command, str(tmp_path / "ours"), *told]) == 0
        return tmp_path / "ours"

    return make


def expected(graph, plane):
    """Return ONNX Runtime's output (K, Y, X) for a plane (C, Y, X) that is scaled by itself."""
    return graphs.run(graph, standardised(plane)[None])[0]


def test_a_segmenter_gives_the_same_probability_in_tiles_too(packed, tmp_path):
    graph = graphs.unet()
    folder = packed(graph)
    model = load_model(folder)
    inference = model.card.inference
    assert (inference.task, inference.activation, inference.norm) == ("segment", "linear", "batch")
    assert (inference.pixel_size_um, inference.receptive_radius) == (0.5, 5)
    assert inference.total_stride == 2
    assert model.card.licence == "CC-BY-4.0"
    assert 'pip install "napari-cytosynth[onnx]"' in model.card.training.remarks
    plane = graphs.pixels(side=90)
    for tile_size in (None, 16):
        found = segment(plane[0], folder, tile_size=tile_size, precision="bfloat16")
        np.testing.assert_allclose(found.probability, expected(graph, plane)[0], atol=1e-5)
        assert found.provenance["engine"]["precision"] == "float32"
    assert 0 < found.labels.max()
    network = pickle.loads(pickle.dumps(model.network))  # as worker processes get it
    image = torch.from_numpy(plane[None])
    assert torch.equal(network(image), model.network(image))


def test_what_a_pixel_sees_is_measured_as_on_a_network_of_torch():
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 3, 5, padding=2), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    layers += [
        torch.nn.Conv2d(3, 3, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Upsample(scale_factor=2),
    ]
    ours = network_geometry(torch.nn.Sequential(*layers), 1)
    nodes = [
        graphs.node("Conv", "image v", "a", kernel_shape=[5, 5], pads=[2] * 4),
        graphs.node("Clip", "a low", "b"),  # as some programs write a ReLU: NaN gets lost in it
        graphs.node("MaxPool", "b", "c", kernel_shape=[2, 2], strides=[2, 2]),
        graphs.node("Conv", "c w", "d", kernel_shape=[3, 3], pads=[1] * 4),
        graphs.node("Relu", "d", "e"),
        graphs.node("Resize", "e - twice", "output", mode="nearest", nearest_mode="floor",
                    coordinate_transformation_mode="asymmetric"),
    ]  # fmt: skip
    weights = [
        graphs.tensor("v", -np.ones((3, 1, 5, 5))),
        graphs.tensor("w", np.zeros((3, 3, 3, 3))),
    ]
    weights += [graphs.tensor("twice", [1, 1, 2, 2]), graphs.tensor("low", 0.0)]
    sides = [graphs.image(name, 1, c, "y", "x") for name, c in (("image", 1), ("output", 3))]
    theirs = network_geometry(network_of(graphs.model(nodes, sides[:1], sides[1:], weights)), 1)
    assert (theirs.radius, theirs.stride, theirs.halo) == (ours.radius, ours.stride, ours.halo)


def network_of(graph, **arguments):
    from napari_cytosynth.models import build_network

    content = graph.SerializeToString()
    network = build_network("ONNX", {"graph_bytes": len(content), **arguments})
    state = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    network.load_state_dict({"graph": state})
    return network


def test_a_stainer_has_views_but_is_not_trained(packed):
    graph, plane = graphs.unet(2, 2, end="", last=True), graphs.pixels(2)
    scaled = {"id": "scale_linear", "kwargs": {"axis": "channel", "gain": [2, 3], "offset": 1}}
    example = graphs.run(graph, np.moveaxis(standardised(plane), 0, 2)[None])
    example = example * np.array([2, 3]) + 1
    options = {"channels": 2, "outputs": 2, "axes": "byxc", "after": [scaled], "output": example}
    folder = packed(graph, "task=stain", **options)
    found = stain(plane, folder, views=2)
    once = stain(plane, folder, views=1)
    np.testing.assert_allclose(once.mean, np.moveaxis(example[0], 2, 0), atol=1e-3)
    assert found.view_std.max() > 0
    with pytest.raises(InputError, match="trained without dropout"):
        stain(plane, folder, samples=2)
    with pytest.raises(ModelError, match="ONNX graph of another program: it is not trained"):
        kind_of(load_model(folder).card)


def test_whole_numbers_hide_no_pixel_from_the_measurement(packed, capsys):
    import onnx

    graph = graphs.unet(end="")
    graph.graph.node[-1].output[0] = "real"
    graph.graph.node.append(
        graphs.node("Cast", "real", "output", to=onnx.TensorProto.INT32)
    )  # a NaN, which tells what a pixel depends on, ends here
    graph.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT32
    folder = packed(graph, "task=stain")
    assert "it runs on the image in one piece" in capsys.readouterr().out
    plane = graphs.pixels(side=90)
    found = stain(plane, folder, views=1, tile_size=16).mean
    # scaled in another order of sums, a number beside a whole one falls to the next
    assert (found == expected(graph, plane)).mean() > 0.99


def test_operators_on_sizes_alone_stay_as_they_are(tmp_path):
    from onnx import numpy_helper

    graph = graphs.unet(side=graphs.SIDE, sized=True)
    size = next(one for one in graph.graph.initializer if one.name == "size")
    graph.graph.initializer.remove(size)
    whole = {"three": 3, "none": [0], "two": 2, "ends": 4}
    graph.graph.initializer.extend(
        numpy_helper.from_array(np.array(value), name) for name, value in whole.items()
    )
    computed = [
        graphs.node("Shape", "coarse", "shape"),
        graphs.node("Gather", "shape two", "height"),
        graphs.node("Gather", "shape three", "width"),
        graphs.node("Mul", "height two", "high"),
        graphs.node("Mul", "width two", "wide0"),
        graphs.node("Max", "wide0 two", "wide"),
        graphs.node("Unsqueeze", "high none", "high1"),
        graphs.node("Unsqueeze", "wide none", "wide1"),
        graphs.node("Slice", "shape none two1", "first"),
        graphs.node("Concat", "first high1 wide1", "size", axis=0),
    ]
    graph.graph.initializer.append(numpy_helper.from_array(np.array([2]), "two1"))
    nodes = list(graph.graph.node)
    place = next(n for n, one in enumerate(nodes) if one.op_type == "Resize")
    del graph.graph.node[:]
    graph.graph.node.extend([*nodes[:place], *computed, *nodes[place:]])
    found = network_geometry(network_of(graph_of_any_size(graph)), 1)
    plain = network_geometry(network_of(graphs.unet()), 1)
    assert (found.radius, found.stride) == (plain.radius, plain.stride)


def graph_of_any_size(graph):
    import onnx

    from napari_cytosynth.models.onnx_graph.checks import with_any_size

    return onnx.load_model_from_string(with_any_size(graph, "bcyx"))


def test_a_limit_of_logits_becomes_one_of_probabilities(tmp_path):
    graph, plane = graphs.unet(end=""), graphs.pixels()
    steps = {"after": [{"id": "binarize", "kwargs": {"threshold": 0.0}}]}
    steps["output"] = expected(graph, plane)[None] > 0
    path = graphs.package(tmp_path / "p.zip", graph, **steps)
    said = {"task": "segment", "activation": "sigmoid"}
    assert convert(path, "ONNX", tmp_path / "o", said).card.inference.threshold == 0.5


def standardised(plane):
    around = {"axis": (1, 2), "keepdims": True}
    return (plane - plane.mean(**around)) / plane.std(**around)


def test_a_graph_that_sees_the_whole_image_runs_on_windows(packed, capsys):
    graph = graphs.unet(norm=True)
    folder = packed(graph)
    assert "runs on windows of 256 px" in capsys.readouterr().out
    plane = graphs.pixels()
    found = segment(plane[0], folder).probability
    np.testing.assert_allclose(found, expected(graph, plane)[0], atol=1e-5)
    assert segment(graphs.pixels(side=300)[0], folder).probability.shape == (300, 300)


def test_a_fixed_size_is_lifted_where_it_is_only_said(packed, tmp_path):
    folder = packed(graphs.unet(side=graphs.SIDE))
    plane = graphs.pixels(side=90)
    found = segment(plane[0], folder).probability
    np.testing.assert_allclose(found, expected(graphs.unet(), plane)[0], atol=1e-5)
    path = graphs.package(tmp_path / "p.zip", graphs.unet(side=graphs.SIDE, sized=True))
    with pytest.raises(ModelError, match=r"images of 48 × 48 px alone.*dynamic axes"):
        convert(path, "ONNX", tmp_path / "o")


def test_an_unpacked_package_and_a_lone_graph_are_taken(tmp_path):
    graph = graphs.unet(end="")
    output = 1 / (1 + np.exp(-expected(graph, graphs.pixels())[None]))
    path = tmp_path / "p.zip"
    graphs.package(path, graph, after=[{"id": "sigmoid"}], output=output)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    from_folder = convert(tmp_path / "unpacked", "bioimageio", tmp_path / "a").card.inference
    assert from_folder.activation == "sigmoid"
    lone = tmp_path / "unpacked" / "weights.onnx"
    said = {"input_channels": "a", "output_channels": "b", "normalisation": "zscore"}
    with pytest.raises(InputError, match="activation=sigmoid"):
        convert(lone, "ONNX", tmp_path / "b", said)
    done = convert(
        lone, "ONNX", tmp_path / "b", said | {"task": "segment", "activation": "sigmoid"}
    )
    assert done.card.inference == from_folder.model_copy(
        update={"input_channels": ["a"], "output_channels": ["b"], "pixel_size_um": None}
    )
    assert any("without an example" in message for message in done.messages)


def test_a_lone_graph_of_multiples_of_three_is_taken(tmp_path):
    step = {"kernel_shape": [3, 3], "strides": [3, 3]}
    nodes = [graphs.node("Conv", "image v", "a", **step), graphs.node("Sigmoid", "a", "b")]
    nodes += [
        graphs.node("ConvTranspose", "b v", "c", **step),
        graphs.node("Sigmoid", "c", "output"),
    ]
    sides = ("b", 1, "y", "x")
    weights = [graphs.tensor("v", np.ones((1, 1, 3, 3)))]
    graph = graphs.model(
        nodes, [graphs.image("image", *sides)], [graphs.image("output", *sides)], weights
    )
    (tmp_path / "lone.onnx").write_bytes(graph.SerializeToString())
    said = {"input_channels": "a", "output_channels": "b", "normalisation": "zscore"}
    convert(tmp_path / "lone.onnx", "ONNX", tmp_path / "ours", said)
    plane = graphs.pixels(side=48)
    found = segment(plane[0], tmp_path / "ours").probability
    np.testing.assert_allclose(found, expected(graph, plane)[0], atol=1e-5)


def test_a_run_is_cancelled_while_the_graph_computes():
    network = network_of(graphs.unet())
    stopped = threading.Event()

    class Slow:
        """As a graph that takes a minute for an image, but for a request to stop."""

        get_inputs = network._session.get_inputs

        def run(self, _names, _feed, options):
            end = time.monotonic() + 60
            while not options.terminate and time.monotonic() < end:
                stopped.wait(0.01)
            stopped.set()
            raise RuntimeError("terminated")

    def cancel(done, total, message, /):
        raise Cancelled

    network._session = Slow()
    started = time.monotonic()
    with pytest.raises(Cancelled), cancellable(cancel):
        network(torch.zeros(1, 1, 16, 16))
    assert stopped.is_set()
    assert time.monotonic() - started < 10


def test_a_record_of_version_0_4_is_read(tmp_path):
    scaled = {"name": "scale_range", "kwargs": {"mode": "per_sample", "axes": "yx"}}
    scaled["kwargs"] |= {"min_percentile": 1, "max_percentile": 99}
    plane = graphs.pixels()
    low, high = np.percentile(plane, [1, 99])
    graph = graphs.unet()
    path = graphs.package(
        tmp_path / "p.zip",
        graph,
        output=graphs.run(graph, (plane[None] - low) / (high - low)),
        record={
            "inputs": [{"name": "in", "axes": "bcyx", "preprocessing": [scaled]}],
            "outputs": [{"name": "out", "axes": "bcyx"}],
            "test_inputs": ["input.npy"],
            "test_outputs": ["output.npy"],
        },
    )
    said = {"input_channels": "a", "output_channels": "b"}
    with pytest.raises(InputError, match="the network has 1: as many names"):
        convert(path, "ONNX", tmp_path / "o")
    found = convert(path, "ONNX", tmp_path / "o", said).card.inference.normalisation
    assert (found.kind, found.low, found.high) == ("percentile", 1, 99)
