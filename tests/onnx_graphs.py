"""ONNX graphs of two levels with random weights, and packages of BioImage.IO that hold them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from scipy import ndimage

if TYPE_CHECKING:
    from pathlib import Path

NEEDS_EXTRA = pytest.mark.skipif(
    find_spec("onnx") is None or find_spec("onnxruntime") is None,
    reason="the extra “onnx” is not installed",
)
SIDE = 48


def node(kind: str, inputs: str, output: str, **facts: Any) -> Any:
    """Return an operator; inputs with spaces between them, “-” for none."""
    from onnx import helper

    return helper.make_node(
        kind, ["" if n == "-" else n for n in inputs.split()], [output], **facts
    )


def tensor(name: str, value: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(value, np.float32), name)


def image(name: str, *sides: int | str, kind: str = "FLOAT") -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, getattr(TensorProto, kind), sides)


def model(nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: list[Any]) -> Any:
    from onnx import helper

    graph = helper.make_graph(nodes, "graph", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def unet(
    channels: int = 1,
    outputs: int = 1,
    *,
    end: str = "Sigmoid",
    side: int | str = "side",
    norm: bool = False,
    last: bool = False,
    sized: bool = False,
) -> Any:
    """Return a network of two levels; `last`: its channels come last."""
    random = np.random.default_rng(0)
    counts = {"v": (4, channels), "w": (8, 4), "h": (outputs, 12)}
    weights = [tensor(k, random.normal(0, 0.4, (*pair, 3, 3))) for k, pair in counts.items()]
    weights += [
        tensor("twice", [1, 1, 2, 2]),
        tensor("one", np.ones(4)),
        tensor("zero", np.zeros(4)),
    ]
    same = {"kernel_shape": [3, 3], "pads": [1] * 4}
    grown = {"mode": "nearest", "nearest_mode": "floor"}
    grown |= {"coordinate_transformation_mode": "asymmetric"}
    nodes = [node("Transpose", "image", "x", perm=[0, 3, 1, 2] if last else [0, 1, 2, 3])]
    nodes += [node("Conv", "x v", "a", **same)]
    nodes += [
        node("InstanceNormalization", "a one zero", "n") if norm else node("Identity", "a", "n")
    ]
    nodes += [
        node("Relu", "n", "fine"),
        node("MaxPool", "fine", "pooled", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "pooled w", "b", **same),
        node("Relu", "b", "coarse"),
        node("Resize", "coarse - - size" if sized else "coarse - twice", "up", **grown),
        node("Concat", "fine up", "both", axis=1),
        node("Conv", "both h", "logits", **same),
        node(end or "Identity", "logits", "y", **({"axis": 1} if end == "Softmax" else {})),
        node("Transpose", "y", "output", perm=[0, 2, 3, 1] if last else [0, 1, 2, 3]),
    ]
    if sized:
        from onnx import numpy_helper

        weights.append(numpy_helper.from_array(np.array([1, 8, side, side]), "size"))
    shapes = [[c, side, side] for c in (channels, outputs)]
    shapes = [s[1:] + s[:1] for s in shapes] if last else shapes
    return model(
        nodes, [image("image", "b", *shapes[0])], [image("output", "b", *shapes[1])], weights
    )


def run(graph: Any, pixels: np.ndarray) -> np.ndarray:
    """Return what ONNX Runtime makes of an image, with the axes of the graph."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found: np.ndarray = session.run(None, {"image": np.asarray(pixels, np.float32)})[0]
    return found


def pixels(channels: int = 1, side: int = SIDE) -> np.ndarray:
    """Return blurred noise (C, Y, X), in counts."""
    noise = np.random.default_rng(1).random((channels, side, side))
    return (1000 * ndimage.gaussian_filter(noise, (0, 2, 2))).astype(np.float32)


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def package(path: Path, graph: Any, channels: int = 1, outputs: int = 1, **changes: Any) -> Path:
    """Write a package of version 0.5 with an example, whose images are scaled by mean and std.

    Parameters
    ----------
    changes
        Of entries: ``before`` and ``after``, steps; ``axes``; ``files``, other content of files;
        ``output``, the example's output; ``record``, of the record.
    """
    last = changes.get("axes") == "byxc"
    given = pixels(channels)[None]
    around = {"axis": (2, 3), "keepdims": True}
    scaled = (given - given.mean(**around)) / (given.std(**around) + 1e-6)
    given, scaled = (np.moveaxis(a, 1, 3) if last else a for a in (given, scaled))
    files = {"weights.onnx": graph.SerializeToString(), "input.npy": _npy(given)}
    output = changes["output"] if "output" in changes else run(graph, scaled)
    files["output.npy"] = _npy(output)
    zscore = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}}
    size = {"min": 8, "step": 2}
    sides = [
        {"type": "space", "id": a, "size": size, "scale": 0.5, "unit": "micrometer"} for a in "yx"
    ]

    def tensor_of(kind: str, count: int, steps: str, done: list[Any]) -> dict[str, Any]:
        named = {"type": "channel", "channel_names": [f"{kind} {n}" for n in range(count)]}
        axes = [{"type": "batch"}, *([*sides, named] if last else [named, *sides])]
        test = {"source": f"{kind}.npy", "sha256": hashlib.sha256(files[f"{kind}.npy"]).hexdigest()}
        return {"id": kind, "axes": axes, "test_tensor": test, steps: done}

    sha = hashlib.sha256(files["weights.onnx"]).hexdigest()
    record = {
        "type": "model",
        "format_version": "0.5.4",
        "name": "Tiny cells",
        "license": "CC-BY-4.0",
        "inputs": [tensor_of("input", channels, "preprocessing", changes.get("before", [zscore]))],
        "outputs": [tensor_of("output", outputs, "postprocessing", changes.get("after", []))],
        "weights": {"onnx": {"source": "weights.onnx", "sha256": sha, "opset_version": 17}},
    } | changes.get("record", {})
    files["rdf.yaml"] = yaml.safe_dump(json.loads(json.dumps(record))).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files | changes.get("files", {})).items():
            archive.writestr(name, content)
    return path
