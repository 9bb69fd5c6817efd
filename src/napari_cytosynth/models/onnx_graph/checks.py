"""What is refused of an ONNX graph, and versions of a graph for measurements."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import CorruptWeightsError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "check_graph",
    "first_line",
    "input_shape",
    "last_operator",
    "onnx_library",
    "output_shape",
    "probing_graph",
    "values_per_pixel",
    "with_any_size",
]

_EXTRA = 'Models in ONNX need more packages: pip install "napari-cytosynth[onnx]".'
_LARGEST = 2**31 - 1  # bytes, the format's own limit of a file
_DOMAINS = ("", "ai.onnx")
_REFUSED = {
    **dict.fromkeys(("If", "Loop", "Scan", "SequenceMap"), "steers its own course"),
    **dict.fromkeys(
        ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
         "RandomUniformLike"),
        "draws random numbers",
    ),
}  # fmt: skip
_SIDE = 256  # px of the image that intermediate results are counted for

# Operators that let NaN through to what depends on it, or that compute sizes.
_PASSING = frozenset(
    "Add AveragePool BatchNormalization Cast Ceil Concat Constant ConstantOfShape Conv "
    "ConvTranspose DepthToSpace Div Dropout Expand Flatten Floor Gather Gemm GlobalAveragePool "
    "GroupNormalization Identity InstanceNormalization LayerNormalization MatMul Mean Mul Neg Pad "
    "ReduceMean ReduceSum Reshape Resize Shape Slice SpaceToDepth Split Sqrt Squeeze Sub Sum Tile "
    "Size Transpose Unsqueeze Upsample".split()
)
_PIXELWISE = frozenset(
    "Abs Celu Clip Elu Erf Exp Gelu HardSigmoid HardSwish LeakyRelu Log Mish PRelu Relu Selu "
    "Sigmoid Softplus Softsign Tanh ThresholdedRelu".split()
)


def onnx_library() -> Any:
    """Return the module onnx, where ONNX Runtime is installed too.

    Raises
    ------
    ModelError
        With the line that installs them.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ModelError(_EXTRA) from error
    return onnx


def first_line(error: object) -> str:
    """Return the beginning of a library's message, which may hold what a file says."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return "".join(c if c.isprintable() else " " for c in line)[:300].rstrip(". ")


def check_graph(content: bytes) -> Any:
    """Read a graph that may be run; return it as the module onnx describes it.

    Raises
    ------
    ModelError
        If it is none, has more than one input or output, refers to files, or asks for
        operators of other libraries, control flow or random numbers.
    """
    onnx = onnx_library()
    if len(content) > _LARGEST:
        raise ModelError("The ONNX graph is larger than the 2 GB that such a file may have.")
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # garbage makes the reader fail in every way there is
        raise _damaged(first_line(error)) from error
    if not model.graph.node:
        raise _damaged("it holds no operators")
    if model.functions or model.training_info:
        raise ModelError("The ONNX graph defines operators of its own: it is not run.")
    for node in model.graph.node:
        _check_operator(onnx, node)
    if any(_is_outside(onnx, tensor) for tensor in _tensors(model.graph)):
        raise ModelError(
            "The weights of the ONNX graph lie in another file, which is never followed. Save it "
            "with its weights inside, as one file."
        )
    if any(_drops_at_random(onnx, model.graph, node) for node in model.graph.node):
        raise ModelError(
            "The ONNX graph has the operator Dropout in training, which draws random numbers: it "
            "is not run. Export it in evaluation mode."
        )
    for what, entries in (("input", _inputs(model)), ("output", model.graph.output)):
        if len(entries) != 1:
            raise ModelError(
                f"The ONNX graph has {len(entries)} {what}s: only graphs from one image to one "
                "image can be used."
            )
    return model


def _check_operator(onnx: Any, node: Any) -> None:
    name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    reason = "" if node.domain in _DOMAINS else "is none of ONNX itself"
    reason = reason or _REFUSED.get(node.op_type, "")
    kinds = onnx.AttributeProto
    if any(one.type in (kinds.GRAPH, kinds.GRAPHS) for one in node.attribute):
        reason = reason or "steers its own course"
    if reason:
        raise ModelError(
            f"The ONNX graph has the operator {first_line(name)}, which {reason}: it is not run."
        )


def _drops_at_random(onnx: Any, graph: Any, node: Any) -> bool:
    """Return whether a Dropout is told to drop, or not known to be told not to."""
    if node.op_type != "Dropout" or len(node.input) < 3 or not node.input[2]:
        return False
    told = [one for one in graph.initializer if one.name == node.input[2]]
    for other in graph.node:
        if other.op_type == "Constant" and node.input[2] in other.output:
            told += [one.t for one in other.attribute if one.name == "value"]
    return not told or any(bool(onnx.numpy_helper.to_array(one).any()) for one in told)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    sparse = list(graph.sparse_initializer)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
    for one in sparse:
        yield from (one.values, one.indices)


def _is_outside(onnx: Any, tensor: Any) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL or bool(tensor.external_data)


def _damaged(reason: str) -> CorruptWeightsError:
    return CorruptWeightsError(
        f"The ONNX graph is damaged, or none ({reason}). Please download or copy it again."
    )


def _inputs(model: Any) -> list[Any]:
    """Return the inputs that are no weights, which old files list among them."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [entry for entry in model.graph.input if entry.name not in weights]


def input_shape(model: Any) -> list[int]:
    """Return the sides of the input; 0 for one of any size."""
    return _sides(_inputs(model)[0])


def output_shape(model: Any) -> list[int]:
    """Return the sides that the output is said to have; 0 for any, empty where none are said."""
    return _sides(model.graph.output[0])


def _sides(entry: Any) -> list[int]:
    return [int(side.dim_value) for side in entry.type.tensor_type.shape.dim]


def last_operator(model: Any) -> str:
    """Return the operator that makes the output; one that only moves numbers is passed over."""
    sources = {name: node for node in model.graph.node for name in node.output}
    node = sources.get(model.graph.output[0].name)
    while node is not None and node.op_type in ("Identity", "Transpose", "Cast", "Squeeze"):
        node = sources.get(node.input[0])
    return "" if node is None else str(node.op_type)


def with_any_size(model: Any, axes: str) -> bytes:
    """Return a graph whose input says no size along Y and X; what it computes stays."""
    relaxed = type(model)()
    relaxed.CopyFrom(model)
    for place in map(axes.index, "yx"):
        side = _inputs(relaxed)[0].type.tensor_type.shape.dim[place]
        side.dim_param = f"side_{place}"
    relaxed.graph.output[0].type.tensor_type.ClearField("shape")
    del relaxed.graph.value_info[:]
    return bytes(relaxed.SerializeToString())


def values_per_pixel(content: bytes, axes: str) -> float:
    """Return the numbers for each pixel of an image in the largest intermediate result."""
    onnx = onnx_library()
    model = check_graph(content)
    for place, letter in enumerate(axes):
        side = _inputs(model)[0].type.tensor_type.shape.dim[place]
        if not side.dim_value:
            side.dim_value = 1 if letter == "b" else _SIDE
    shape = input_shape(model)
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    try:
        known = onnx.shape_inference.infer_shapes(model).graph.value_info
    except Exception:  # a graph that it does not understand: see the weights
        known = []
    sizes = [[side.dim_value for side in one.type.tensor_type.shape.dim] for one in known]
    most = max((math.prod(size) for size in sizes if size and min(size) > 0), default=0)
    pixels = math.prod(shape[place] for place, letter in enumerate(axes) if letter in "yx")
    weights = max((tensor.dims[0] for tensor in model.graph.initializer if tensor.dims), default=1)
    return most / pixels if most else float(weights)


def probing_graph(content: bytes) -> bytes:
    """Return a graph in which NaN reaches every pixel that depends on it.

    Operators of single pixels are left out, for NaN gets lost in some of them, and the largest
    pixel becomes the mean: what depends on what stays the same.

    Raises
    ------
    ModelError
        If it has an operator of which nothing is known here.
    """
    onnx = onnx_library()
    model = check_graph(content)
    opset = max(one.version for one in model.opset_import if one.domain in _DOMAINS)
    nodes: list[Any] = []
    pixels = {_inputs(model)[0].name}
    for node in model.graph.node:
        seen = not pixels.isdisjoint(node.input)  # what sees none computes sizes, and stays
        nodes += _passing(onnx, node, opset) if seen else [node]
        if seen and node.op_type not in ("Shape", "Size"):
            pixels.update(node.output)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _passing(onnx: Any, node: Any, opset: int) -> list[Any]:
    make, target = onnx.helper.make_node, list(node.output[:1])
    facts = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    if node.op_type in _PIXELWISE:
        return [make("Identity", node.input[:1], target)]
    if node.op_type in ("Max", "Min"):
        return [make("Sum", list(node.input), target)]
    dilated = any(step != 1 for step in facts.get("dilations", ()))
    if node.op_type == "MaxPool" and len(node.output) == 1 and not dilated:
        kept = {k: v for k, v in facts.items() if k not in ("dilations", "storage_order")}
        return [make("AveragePool", list(node.input), target, **kept)]
    if node.op_type in ("Softmax", "LogSoftmax") and opset >= 13:  # before, of all axes after it
        total, axes, axis = f"{target[0]} total", f"{target[0]} axes", facts.get("axis", -1)
        return [
            make("Constant", [], [axes], value_ints=[axis]),
            make("ReduceSum", [node.input[0], axes], [total]),
            make("Add", [node.input[0], total], target),
        ]
    whole = node.op_type == "Cast" and facts["to"] not in _real_numbers(onnx)  # it knows no NaN
    if node.op_type in _PASSING and not whole:
        return [node]
    raise ModelError(
        f"How far the operator {first_line(node.op_type)} of this ONNX graph looks is not known "
        "here, so that it cannot be cut into tiles."
    )


def _real_numbers(onnx: Any) -> tuple[int, ...]:
    kinds = onnx.TensorProto
    return kinds.FLOAT, kinds.DOUBLE, kinds.FLOAT16, kinds.BFLOAT16
