"""What a package says of its network's input and output: axes, channels, scaling, an example."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_cytosynth.errors import ModelError
from napari_cytosynth.zoo.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Described", "ProcessingStep", "apply_steps", "describe"]

_LETTERS = {"batch": "b", "channel": "c"}
_MICROMETRES = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3}


class ProcessingStep(NamedTuple):
    """One step before or after the network, called as in the format."""

    name: str
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Described:
    """Input and output of a network.

    Attributes
    ----------
    axes
        Letters of the axes of input and output.
    channels
        Names of the input and output channels; empty where they are not said.
    pixel_size_um
        Of the input; None if not said.
    steps
        What is done before and after the network.
    examples
        Entries of the files with an input and its output; None without.
    """

    axes: tuple[str, str] = ("bcyx", "bcyx")
    channels: tuple[list[str], list[str]] = ([], [])
    pixel_size_um: float | None = None
    steps: tuple[list[ProcessingStep], list[ProcessingStep]] = field(
        default_factory=lambda: ([], [])
    )
    examples: tuple[Any, Any] = (None, None)


def describe(record: dict[str, Any], package: str) -> Described:
    """Read the record of a package, of version 0.4 or 0.5.

    Raises
    ------
    ModelError
        If it is incomplete, or of no network from one image (Y, X) to one image.
    """
    try:
        found = [_one(record, "input", "preprocessing"), _one(record, "output", "postprocessing")]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError(
            f"The package “{package}” does not say what goes in and what comes out "
            f"({one_line(error, 100)})."
        ) from error
    for one, what in zip(found, ("input", "output"), strict=True):
        if one is None:
            raise ModelError(
                f"The package “{package}” has more than one {what}: only networks from one image "
                "to one image can be used."
            )
        if sorted(one["axes"]) not in (list("bcxy"), list("bxy")):
            raise ModelError(
                f"The {what} of the package “{package}” has the axes {one_line(one['axes'], 40)}: "
                "only 2-D images can be used, of the axes b, c, y and x."
            )
    given, returned = found
    assert given is not None
    assert returned is not None
    return Described(
        axes=(given["axes"], returned["axes"]),
        channels=(given["channels"], returned["channels"]),
        pixel_size_um=given["size"],
        steps=(given["steps"], returned["steps"]),
        examples=(given["example"], returned["example"]),
    )


def _one(record: dict[str, Any], what: str, steps: str) -> dict[str, Any] | None:
    entries = record[f"{what}s"]
    if len(entries) != 1:
        return None
    entry, tests = entries[0], record.get(f"test_{what}s") or [None]
    axes = entry["axes"]
    detailed = [] if isinstance(axes, str) else axes
    if detailed:
        axes = "".join(_LETTERS.get(one["type"], str(one.get("id", "?"))) for one in detailed)
    names = [one.get("channel_names", []) for one in detailed if one["type"] == "channel"]
    return {
        "axes": axes,
        "channels": [one_line(name, 100) for name in (names or [[]])[0]],
        "size": _pixel_size(detailed),
        "steps": [
            ProcessingStep(str(one.get("id", one.get("name"))), dict(one.get("kwargs") or {}))
            for one in entry.get(steps) or []
        ],
        "example": entry.get("test_tensor", tests[0]),
    }


def _pixel_size(axes: list[dict[str, Any]]) -> float | None:
    sizes = {
        float(one["scale"]) * _MICROMETRES[one["unit"]]
        for one in axes
        if one["type"] == "space" and one.get("unit") in _MICROMETRES and "scale" in one
    }
    return sizes.pop() if len(sizes) == 1 else None


def apply_steps(
    array: NDArray[Any], axes: str, steps: list[ProcessingStep]
) -> tuple[NDArray[Any], str]:
    """Return an array after steps, by the formulas of the format, and the step that is not known.

    Parameters
    ----------
    array, axes
        Numbers, and the letters of its axes.
    steps
        To be done in order; they end before one that is not known, or incomplete.
    """
    for step in steps:
        try:
            array = _STEPS[step.name](array, axes, step.kwargs)
        except (KeyError, TypeError, ValueError, IndexError):
            return array, step.name
    return array, ""


def joint_axes(kwargs: dict[str, Any], axes: str) -> str:
    """Return the letters of the axes whose pixels a step looks at together."""
    named = kwargs.get("axes")
    return axes if named is None else "".join(_LETTERS.get(str(name), str(name)) for name in named)


def _over(kwargs: dict[str, Any], axes: str) -> dict[str, Any]:
    places = tuple(axes.index(letter) for letter in joint_axes(kwargs, axes))
    return {"axis": places, "keepdims": True}


def _along(value: Any, axes: str) -> Any:
    """Return a number, or one for each channel, as an array that fits the axes."""
    array = np.asarray(value, np.float64)
    if array.ndim == 0 or "c" not in axes:
        return array
    return array.reshape([-1 if letter == "c" else 1 for letter in axes])


def _zscore(array: NDArray[Any], axes: str, kwargs: dict[str, Any]) -> NDArray[Any]:
    if "mean" in kwargs:  # fixed numbers, in version 0.4
        return _fixed(array, axes, kwargs)
    over, eps = _over(kwargs, axes), kwargs.get("eps", 1e-6)
    return np.asarray((array - array.mean(**over)) / (array.std(**over) + eps))


def _fixed(array: NDArray[Any], axes: str, kwargs: dict[str, Any]) -> NDArray[Any]:
    mean, std = (_along(kwargs[name], axes) for name in ("mean", "std"))
    return np.asarray((array - mean) / (std + kwargs.get("eps", 1e-6)))


def _linear(array: NDArray[Any], axes: str, kwargs: dict[str, Any]) -> NDArray[Any]:
    gain, offset = (_along(kwargs.get(*pair), axes) for pair in (("gain", 1.0), ("offset", 0.0)))
    return np.asarray(array * gain + offset)


def _percentiles(array: NDArray[Any], axes: str, kwargs: dict[str, Any]) -> NDArray[Any]:
    limits = kwargs.get("min_percentile", 0.0), kwargs.get("max_percentile", 100.0)
    low, high = (np.percentile(array, limit, **_over(kwargs, axes)) for limit in limits)
    return np.asarray((array - low) / (high - low + kwargs.get("eps", 1e-6)))


_STEPS: dict[str, Callable[[NDArray[Any], str, dict[str, Any]], NDArray[Any]]] = {
    "binarize": lambda array, axes, kwargs: array > _along(kwargs["threshold"], axes),
    "clip": lambda array, _, kwargs: np.clip(array, kwargs.get("min"), kwargs.get("max")),
    "ensure_dtype": lambda array, _, kwargs: array.astype(kwargs["dtype"]),
    "fixed_zero_mean_unit_variance": _fixed,
    "scale_linear": _linear,
    "scale_range": _percentiles,
    "sigmoid": lambda array, _, __: 1 / (1 + np.exp(-array)),
    "zero_mean_unit_variance": _zscore,
}
