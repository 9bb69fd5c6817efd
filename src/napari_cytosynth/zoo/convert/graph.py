"""ONNX graphs of other programs, alone or in a package of BioImage.IO: what their cards say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError, ModelError, not_finite
from napari_cytosynth.zoo.bioimageio.package import GRAPH as WEIGHTS
from napari_cytosynth.zoo.bioimageio.tensors import Described, apply_steps, describe, joint_axes
from napari_cytosynth.zoo.opening import read_limited
from napari_cytosynth.zoo.text import one_line

from .foreign import FileFacts, NetworkLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from napari_cytosynth.zoo.bioimageio.package import Package
    from napari_cytosynth.zoo.bioimageio.tensors import ProcessingStep

    from .settings import ConvertSettings

__all__ = ["GRAPH", "only_for_graphs", "read_graph"]

GRAPH = "ONNX"
"""What ``--as`` takes for an ONNX graph."""

_LARGEST = 2**31 - 1  # bytes
_SIDE = 256  # px of the image that a graph without an example is tried with
_OWN = ("activation", "object_channel")
_MEANINGLESS = (
    *("dropout", "dropout_blocks", "dropout_at", "tanh", "stem", "leave_out"),
    *("flow_error", "diameter", "mean_diameter"),
)
_PROBABILITIES = ("HardSigmoid", "Sigmoid", "Softmax")
_EPS = 1e-3  # what is added to a range of counts without a change that could be seen
_TOLERANCE, _STRANGE = 1e-3, 1e-3  # of the example's range; fraction of pixels beyond it
_LIMITS = (
    'It needs the extra “onnx” (pip install "napari-cytosynth[onnx]"). '
    "ONNX Runtime computes it on the processor, whatever device is chosen. It cannot be trained "
    "further, and has no dropout: its doubt comes from views."
)


def only_for_graphs(settings: ConvertSettings) -> None:
    """Refuse settings that mean something for ONNX graphs only.

    Raises
    ------
    InputError
        With their names.
    """
    if strange := [name for name in _OWN if name in settings.given()]:
        raise InputError(f"Only ONNX graphs take the setting {', '.join(strange)}.")


def read_graph(
    path: Path, package: Package | None, settings: ConvertSettings
) -> tuple[NetworkLayout, FileFacts]:
    """Read a graph, try it, and compare its output with the example of its package.

    Parameters
    ----------
    path
        A graph, or its package.
    package
        The package. None: a lone graph, of the axes b, c, y, x.
    settings
        The user's.

    Raises
    ------
    InputError
        If a setting is missing, or has no meaning here.
    ModelError
        If the graph cannot be used, or gives another output than its package says.
    """
    from napari_cytosynth.models.onnx_graph.checks import check_graph, input_shape, last_operator

    if strange := [name for name in _MEANINGLESS if name in settings.given()]:
        raise InputError(f"An ONNX graph takes no setting {', '.join(strange)}.")
    content, example = _contents(path, package)
    described = Described() if package is None else describe(package.record, path.name)
    model = check_graph(content)
    sides = input_shape(model)
    if len(sides) != len(described.axes[0]):
        raise ModelError(
            f"The ONNX graph in “{path.name}” takes {len(sides)} axes: only 2-D images can be "
            f"used, of {len(described.axes[0])} axes ({', '.join(described.axes[0])})."
        )
    if sides[described.axes[0].index("b")] > 1:
        raise ModelError(
            f"The ONNX graph in “{path.name}” takes {sides[described.axes[0].index('b')]} images "
            "at once, no other number. Export it for one, or for any number (dynamic axes)."
        )
    try:
        done, messages = _completed(settings, described, package, last_operator(model))
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"The record of “{path.name}” cannot be followed: {one_line(error, 200)}."
        ) from error
    counts = len(done.input_channels), len(done.output_channels)
    place = described.axes[0].find("c")
    given = (sides[place] if place >= 0 else 1) or counts[0]
    done.check_against(given, counts[1] or _said_outputs(model, described.axes[1]))
    content = _any_size(model, content, described.axes, counts)
    network, arguments = _network(content, described.axes, counts)
    output = _tried(network, example, described, path.name)
    _check_probability(done, output)
    messages.append(_LIMITS)
    if example is None:
        messages.append("It came without an example, so that its output was compared with none.")
    inference: dict[str, Any] = {"min_size": done.min_size}
    if done.task == "segment":
        inference |= {"activation": done.activation, "object_channel": done.object_channel}
    else:
        inference["output_range"] = (float(output.min()), float(output.max()))
    layout = NetworkLayout(GRAPH, arguments, title="an ONNX graph")
    return layout, FileFacts(dict(network.state_dict()), done, inference, tuple(messages))


def _said_outputs(model: Any, axes: str) -> int:
    """Return the number of output channels that the graph says, else 1."""
    from napari_cytosynth.models.onnx_graph.checks import output_shape

    sides = output_shape(model)
    return (sides[axes.index("c")] if len(sides) == len(axes) and "c" in axes else 0) or 1


def _contents(
    path: Path, package: Package | None
) -> tuple[bytes, tuple[NDArray[Any], NDArray[Any]] | None]:
    """Return the graph, and the example of its package as (input, output)."""
    if package is None:
        return read_limited(path, _LARGEST), None
    entries = describe(package.record, path.name).examples
    with TemporaryDirectory() as scratch:
        content = read_limited(package.extract_weights(Path(scratch), WEIGHTS), _LARGEST)
        if None in entries:
            return content, None
        arrays = []
        for entry in entries:
            file = package.extract_example(entry, Path(scratch))
            try:
                arrays.append(np.load(file, allow_pickle=False).astype(np.float64))
            except (OSError, EOFError, ValueError, TypeError) as error:
                raise ModelError(
                    f"The example in “{path.name}” cannot be read: {one_line(error, 200)}."
                ) from error
    return content, (arrays[0], arrays[1])


def _completed(
    settings: ConvertSettings, described: Described, package: Package | None, last: str
) -> tuple[ConvertSettings, list[str]]:
    """Return the settings with those of the package, and sentences on what was found."""
    record = {} if package is None else package.record
    before, after = described.steps
    changes: dict[str, Any] = {
        "input_channels": settings.input_channels or described.channels[0],
        "output_channels": settings.output_channels or described.channels[1],
        "pixel_size_um": settings.pixel_size_um or described.pixel_size_um,
        "title": settings.title or one_line(record.get("name", ""), 200),
        "licence": settings.licence
        or one_line(record.get("license") or "", 100)
        or "converted; the licence of the original weights applies",
    }
    if settings.normalisation is None and package is not None:
        changes |= _normalisation(before, described.axes[0], len(changes["input_channels"]))
    changes |= _activation(settings, [step.name for step in after], last)
    done, left = settings.model_copy(update=changes), []
    segments = done.task == "segment"
    for number, step in enumerate(after):
        if step.name == "scale_linear" and done.task == "stain" and not (done.scale or done.offset):
            done = done.model_copy(update=_scaling(step, len(done.output_channels)))
        elif step.name == "binarize" and done.threshold is None and done.task == "segment":
            limit = np.ravel(step.kwargs.get("threshold", 0.5))[0]
            if done.activation == "sigmoid" and "sigmoid" not in [s.name for s in after[:number]]:
                limit = 1 / (1 + np.exp(-limit))  # it was one of logits
            done = done.model_copy(update={"threshold": float(np.clip(limit, 0, 1))})
        elif step.name not in ("sigmoid", "ensure_dtype", *(["clip"] if segments else [])):
            left.append(one_line(step.name, 60))
    said = f"What its package does with the output is left out: {', '.join(left)}."
    if last == "Softmax" and done.object_channel is None and len(done.output_channels) > 1:
        raise InputError(
            "The graph gives probabilities of classes. Please add with --set: object_channel=… "
            f"(the class of the objects, of {', '.join(done.output_channels)})."
        )
    return done, [said] if left else []


def _normalisation(steps: list[ProcessingStep], axes: str, channels: int) -> dict[str, Any]:
    """Return the settings that scale each plane as a package does."""
    steps = [step for step in steps if step.name != "ensure_dtype"]
    name, kwargs = steps[0] if len(steps) == 1 else ("", {})
    together = set(joint_axes(kwargs, axes)) - (set("c") if channels == 1 else set())
    alone = together == set("yx") and kwargs.get("mode") in (None, "per_sample")
    alone = alone and not {"mean", "reference_tensor"} & kwargs.keys()
    alone = alone and float(kwargs.get("eps", 0)) <= _EPS
    if alone and name == "zero_mean_unit_variance":
        return {"normalisation": "zscore"}
    if alone and name == "scale_range":
        low, high = kwargs.get("min_percentile", 0.0), kwargs.get("max_percentile", 100.0)
        return {"normalisation": "percentile", "low": float(low), "high": float(high)}
    named = ", ".join(one_line(step.name, 60) for step in steps) or "none"
    raise InputError(
        f"The scaling of the images in this package ({named}) is not one of a plane by itself. "
        "Please say with --set which comes close: normalisation=fixed with mean and std (of an "
        "image divided by the range of its type), zscore or percentile."
    )


def _activation(settings: ConvertSettings, after: list[str], last: str) -> dict[str, Any]:
    """Return task and activation, which follow from what ends the network."""
    logits, ended = "sigmoid" in after, last in _PROBABILITIES
    before = after[: after.index("sigmoid")] if logits else []
    if changed := [name for name in before if name not in ("clip", "ensure_dtype")]:
        raise InputError(
            "What follows this network has no equal here: before the sigmoid comes "
            f"{one_line(', '.join(changed), 100)}."
        )
    known = "sigmoid" if logits else "linear" if ended else None
    task = settings.task or ("segment" if known or settings.activation else None)
    if task is None or (task == "segment" and not (known or settings.activation)):
        raise InputError(
            "The graph does not say whether its output are probabilities. Please add with --set: "
            "task=segment with activation=sigmoid (logits) or activation=linear (probabilities), "
            "or task=stain (intensities)."
        )
    if "softmax" in after or (task == "stain" and (logits or settings.activation == "sigmoid")):
        raise InputError("What follows this network has no equal here: a sigmoid or softmax.")
    if known and settings.activation not in (None, known):
        raise InputError(f"This graph needs activation={known}: {last or 'a sigmoid'} ends it.")
    return {"task": task, "activation": known or settings.activation}


def _scaling(step: ProcessingStep, channels: int) -> dict[str, Any]:
    pairs = (("scale", "gain", 1.0), ("offset", "offset", 0.0))
    found = {ours: np.ravel(step.kwargs.get(name, usual)) for ours, name, usual in pairs}
    return {name: np.broadcast_to(one, channels).tolist() for name, one in found.items()}


def _network(
    content: bytes, axes: tuple[str, str], counts: tuple[int, int]
) -> tuple[nn.Module, dict[str, Any]]:
    import torch

    from napari_cytosynth.models import build_network

    arguments: dict[str, Any] = {
        "in_channels": counts[0],
        "out_channels": counts[1],
        "graph_bytes": len(content),
    }
    if axes != ("bcyx", "bcyx"):
        arguments |= {"input_axes": axes[0], "output_axes": axes[1]}
    network = build_network(GRAPH, arguments)
    network.load_state_dict({"graph": torch.frombuffer(bytearray(content), dtype=torch.uint8)})
    return network.eval(), arguments


def _any_size(model: Any, content: bytes, axes: tuple[str, str], counts: tuple[int, int]) -> bytes:
    """Return a graph that takes images of any size; one that says none does already."""
    from napari_cytosynth.models.onnx_graph.checks import input_shape, with_any_size

    sides = [input_shape(model)[axes[0].index(letter)] for letter in "yx"]
    if not any(sides):
        return content
    freed = with_any_size(model, axes[0])
    size = tuple(side or _SIDE for side in sides)
    try:
        before, after = (_noise(one, axes, counts, size) for one in (content, freed))
        same = np.array_equal(before, after)
        double = _noise(freed, axes, counts, (2 * size[0], size[1]))
    except InputError:
        same = False
    if not same or double.shape[1:] != (2 * size[0], size[1]):
        raise ModelError(
            f"The ONNX graph takes images of {size[0]} × {size[1]} px alone: others could not be "
            "cut into tiles without seams. Export it with sides of any size (dynamic axes)."
        )
    return freed


def _noise(
    content: bytes, axes: tuple[str, str], counts: tuple[int, int], size: tuple[int, ...]
) -> NDArray[np.float32]:
    image = np.random.default_rng(0).random((counts[0], *size), np.float32)
    return _output(_network(content, axes, counts)[0], image)


def _output(network: nn.Module, image: NDArray[Any]) -> NDArray[np.float32]:
    import torch

    try:
        found = network(torch.from_numpy(image[None].astype(np.float32)))[0]
    except MemoryError as error:
        raise ModelError(
            "The ONNX graph needs more memory than there is, for an image of "
            f"{image.shape[2]} × {image.shape[1]} px."
        ) from error
    return np.asarray(found.numpy())


def _tried(
    network: nn.Module,
    example: tuple[NDArray[Any], NDArray[Any]] | None,
    described: Described,
    name: str,
) -> NDArray[np.float32]:
    """Return the output (K, Y, X) for the example, or else for noise, after checking it."""
    axes, channels = described.axes, network.channels
    if example is None:
        image = _kept_noise(network, channels[0])  # type: ignore
    else:
        if example[0].ndim != len(axes[0]) or example[1].ndim != len(axes[1]):
            raise ModelError(f"The example in “{name}” has other axes than its record.")
        image, unknown = apply_steps(example[0], axes[0], described.steps[0])
        if unknown:
            raise ModelError(
                f"The package “{name}” prepares images in a way that is not known here: "
                f"{one_line(unknown, 60)}."
            )
        image = _plane(image, axes[0])
    try:
        output = _output(network, image)
    except InputError as error:
        raise ModelError(f"“{name}” cannot be used: {one_line(error, 400)}") from error
    if output.shape != (channels[1], *image.shape[1:]):  # type: ignore[index]
        raise ModelError(
            f"The ONNX graph in “{name}” returns an array of shape {output.shape} for an image of "
            f"shape {image.shape}: only networks that keep the size can be used, with a name in "
            "output_channels for each channel."
        )
    if not np.isfinite(output).all():
        raise not_finite(name)
    if example is not None:
        _compare(output, example[1], described, name)
    return output


def _kept_noise(network: nn.Module, channels: int) -> NDArray[Any]:
    """Return noise of a size that the graph keeps; of 256 px where none that is tried is kept."""
    for side in (_SIDE, 240, 252, _SIDE):  # multiples of 16, of 5 and 48, of 7 and 36
        image = np.random.default_rng(0).random((channels, side, side))
        with suppress(InputError):
            if _output(network, image).shape[1:] == image.shape[1:]:
                break
    return image


def _plane(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the first image (C, Y, X) of an array of other axes."""
    if "c" not in axes:
        array, axes = array[..., None], f"{axes}c"
    return np.asarray(array.transpose([axes.index(letter) for letter in "bcyx"])[0])


def _compare(
    output: NDArray[np.float32], expected: NDArray[Any], described: Described, name: str
) -> None:
    """Compare the output for the example with the one in the package."""
    found, unknown = apply_steps(output[None].astype(np.float64), "bcyx", described.steps[1])
    wanted = _plane(expected, described.axes[1])
    if unknown or wanted.shape != found.shape[1:]:
        raise ModelError(
            f"The output of “{name}” cannot be compared with its example: "
            + (f"{one_line(unknown, 60)} is not known here." if unknown else "the sizes differ.")
        )
    apart = np.abs(found[0].astype(np.float64) - wanted)
    strange = float((apart > _TOLERANCE * max(np.ptp(wanted), 1e-6)).mean())
    if not strange <= _STRANGE:
        raise ModelError(
            f"“{name}” gives another output for its own example than it says: at {strange:.1%} of "
            f"the pixels, by up to {apart.max():.3g}. Please ask its author."
        )


def _check_probability(settings: ConvertSettings, output: NDArray[np.float32]) -> None:
    low, high = float(output.min()), float(output.max())
    linear = settings.task == "segment" and settings.activation == "linear"
    if linear and not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):
        raise InputError(
            f"The output reaches from {low:.3g} to {high:.3g}, so that it is no probability: say "
            "activation=sigmoid if they are logits, or task=stain."
        )
