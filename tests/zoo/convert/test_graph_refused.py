"""ONNX graphs and packages that cannot be used are refused with a sentence, and nothing is made."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from tests import onnx_graphs as graphs

from napari_cytosynth.errors import CytosynthError, InputError, ModelError
from napari_cytosynth.zoo.convert import convert
from napari_cytosynth.zoo.loading import load_model

pytestmark = graphs.NEEDS_EXTRA

LONE = {"input_channels": "a", "output_channels": "b", "normalisation": "zscore"}


@pytest.fixture
def refused(tmp_path):
    """Return the function that expects a lone graph, or a package, to be refused."""

    def check(message, graph, settings=None, *, lone=True, **options):
        path = tmp_path / ("their.onnx" if lone else "their.zip")
        if lone:
            path.write_bytes(graph if isinstance(graph, bytes) else graph.SerializeToString())
        else:
            graphs.package(path, graph, **options)
        settings = (LONE if lone else {}) | (settings or {})
        with pytest.raises(CytosynthError, match=message) as caught:
            convert(path, "ONNX", tmp_path / "ours", settings)
        assert str(caught.value).isprintable()
        assert not (tmp_path / "ours").exists()

    return check


def one(kind, inputs="image", sides=("b", 1, "y", "x"), weights=(), **facts):
    """Return a graph of one operator."""
    kinds = {"kind": facts.pop("element", "FLOAT")}
    given = [graphs.image(name, *sides, **kinds) for name in inputs.split()]
    nodes = [graphs.node(kind, inputs, "output", **facts)]
    return graphs.model(nodes, given, [graphs.image("output", *sides, **kinds)], list(weights))


def test_graphs_that_steer_or_reach_out_are_not_run(refused, tmp_path):
    import onnx

    own = one("Sigmoid", domain="com.microsoft")
    refused(r"com\.microsoft\.Sigmoid, which is none of ONNX itself", own)
    refused("RandomNormalLike, which draws random numbers", one("RandomNormalLike"))
    branch = onnx.helper.make_graph([], "branch", [], [])
    refused("If, which steers its own course", one("If", then_branch=branch, else_branch=branch))
    training = graphs.tensor("on", 1)
    drops = graphs.model(
        [
            graphs.node("Cast", "on", "told", to=onnx.TensorProto.BOOL),
            graphs.node("Dropout", "image - told", "output"),
        ],
        [graphs.image("image", "b", 1, "y", "x")],
        [graphs.image("output", "b", 1, "y", "x")],
        [training],
    )
    refused("Dropout in training, which draws random numbers", drops)
    told = onnx.numpy_helper.from_array(np.array(True), "told")
    del drops.graph.node[0]
    drops.graph.initializer.append(told)
    refused("Dropout in training, which draws random numbers", drops)
    outside = graphs.unet()
    first = outside.graph.initializer[0]
    first.data_location = onnx.TensorProto.EXTERNAL
    first.external_data.add(key="location", value="/etc/passwd")
    refused("lie in another file, which is never followed", outside)


def test_graphs_of_something_else_are_named(refused):
    refused("2 inputs: only graphs from one image", one("Add", "image other"))
    refused("takes 5 axes: only 2-D", one("Sigmoid", sides=("b", 1, "z", "y", "x")))
    refused(r"takes tensor\(uint8\)", one("Identity", element="UINT8"), {"task": "stain"})
    refused("the network has 3: as many names", graphs.unet(3))
    refused("output_channels=… .the network has 3", graphs.unet(1, 3), {"output_channels": ""})
    refused("takes 4 images at once", one("Sigmoid", sides=(4, 1, "y", "x")))
    pooled = one("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    refused("only networks that keep the size", pooled, {"task": "stain"})
    refused("gave values that are no numbers", one("Acosh"), {"task": "stain"})
    newer = graphs.unet()
    newer.opset_import[0].version = 999
    refused(r"ONNX Runtime .* cannot open the graph", newer)
    refused("damaged, or none", graphs.unet().SerializeToString()[:-40])
    refused("damaged, or none", b"")


def test_settings_that_contradict_a_graph_are_named(refused, tmp_path):
    refused("takes no setting dropout", graphs.unet(), {"dropout": 0.2})
    refused("needs activation=linear: Sigmoid ends it", graphs.unet(), {"activation": "sigmoid"})
    refused("does not say whether its output are probabilities", graphs.unet(end=""))
    linear = {"task": "segment", "activation": "linear"}
    refused("so that it is no probability", graphs.unet(end=""), linear)
    classes = {"output_channels": "none,cell"}
    refused("add with --set: object_channel=…", graphs.unet(1, 2, end="Softmax"), classes)
    with pytest.raises(InputError, match="Only ONNX graphs take the setting activation"):
        convert(tmp_path / "their.onnx", "UNet", tmp_path / "o", {"activation": "linear"})


def test_packages_are_held_to_what_they_say(refused):
    graph = graphs.unet()
    other = np.zeros((1, 1, graphs.SIDE, graphs.SIDE))
    refused("another output for its own example than it says", graph, lone=False, output=other)
    damaged = {"weights.onnx": graph.SerializeToString()[:-1] + b"x"}
    refused("SHA-256 of its weights", graph, lone=False, files=damaged)
    refused("SHA-256 of its example", graph, lone=False, files={"input.npy": b"x"})
    bomb = {"weights.onnx": bytes(20_000_000)}
    refused("packed far tighter", graph, lone=False, files=bomb)
    dataset = [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["batch", "y", "x"]}}]
    refused("not one of a plane by itself", graph, lone=False, before=dataset)
    soft = [{"id": "scale_range", "kwargs": {"axes": ["y", "x"], "eps": 0.1}}]
    refused("not one of a plane by itself", graph, lone=False, before=soft)
    turned = [{"id": "scale_linear", "kwargs": {"gain": -3}}, {"id": "sigmoid"}]
    refused("before the sigmoid comes scale_linear", graph, lone=False, after=turned)
    shuffled = [{"id": "shuffle", "kwargs": {}}]
    zscore = {"normalisation": "zscore"}
    refused("in a way that is not known here: shuffle", graph, zscore, lone=False, before=shuffled)
    strange = [{"id": "scale_range", "kwargs": {"axes": ["y", "x"], "min_percentile": "low"}}]
    refused("record of “their.zip” cannot be followed", graph, lone=False, before=strange)
    refused("does not say what goes in", graph, lone=False, record={"inputs": None})


def test_without_the_extra_the_line_that_installs_it_is_said(tmp_path, monkeypatch):
    path = graphs.package(tmp_path / "their.zip", graphs.unet())
    convert(path, "bioimageio", tmp_path / "ours")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for call in (
        lambda: convert(path, "bioimageio", tmp_path / "again"),
        lambda: load_model(tmp_path / "ours"),
    ):
        with pytest.raises(ModelError, match=r'pip install "napari-cytosynth\[onnx\]"'):
            call()
