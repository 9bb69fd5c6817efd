"""Settings of a task for many files: checked, compared, and kept as YAML."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from napari_cytosynth.arguments import check_choice, shown
from napari_cytosynth.errors import InputError
from napari_cytosynth.files import replacing, user_path
from napari_cytosynth.tasks.common.provenance import script_arguments
from napari_cytosynth.tasks.measure.table import measure
from napari_cytosynth.tasks.segment.object_size.diameter import check_diameter
from napari_cytosynth.tasks.segment.task import check_options, segment
from napari_cytosynth.tasks.stain.plan import SamplingPlan
from napari_cytosynth.tasks.stain.task import stain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = [
    "TASKS",
    "BatchSettings",
    "left_out",
    "load_settings",
    "save_settings",
    "settings_of",
    "usual_model",
]

TASKS: dict[str, Callable[..., Any]] = {"segment": segment, "stain": stain, "measure": measure}
"""The function of each task that runs on many files."""
_NO_SETTINGS = {
    *("model", "out", "progress", "on_start", "on_update", "enough"),
    *("intensity", "probability", "uncertainty", "doubt", "parents", "children"),
    *("region", "at_border"),
}
"""Arguments that are no plain values, or that differ from file to file."""
_NO_MATTER = ("device", "tile_size")
"""Arguments that a result does not depend on."""
_OBJECT_OPTIONS = (
    *("threshold", "min_size", "split_touching", "fill_holes"),
    *("drop_border", "link_planes", "min_confidence"),
)
_SAMPLING_OPTIONS = ("views", "samples", "seed", "tolerance", "keep_samples", "inject_dropout")
_VERSION = 1
_LARGEST = 1_000_000  # bytes of a file of settings


@cache
def _defaults(task: str) -> dict[str, Any]:
    """Return the settings that a task has, with their defaults."""
    found = inspect.signature(TASKS[task]).parameters.values()
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = {
        one.name: one.default
        for one in found
        if one.kind in kinds and one.name not in _NO_SETTINGS
        if one.default is not inspect.Parameter.empty
    }
    return known | ({"objects": None} if task == "stain" else {})


def usual_model(task: Any) -> Any:
    """Return the model that a task's own function takes by itself; None if it takes none."""
    function = TASKS.get(task) if isinstance(task, str) else None
    known = inspect.signature(function).parameters if function else {}
    return known["model"].default if "model" in known else None


@dataclass(frozen=True)
class BatchSettings:
    """A task and its arguments, the same for every file.

    Attributes
    ----------
    task
        ``segment``, ``stain`` or ``measure``.
    model
        As :func:`~napari_cytosynth.zoo.loading.load_model` takes it; None (default) for
        ``measure``, which has none.
    parameters
        Keyword arguments of the task's function; of ``stain`` also ``objects``, the stain whose
        objects are found. Default: none.
    weights
        SHA-256 of the weights that the settings were made with. Default: None, any.

    Raises
    ------
    InputError
        If the task has no such argument, or it cannot have such a value.
    """

    task: str
    model: Any = None
    parameters: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None

    def __post_init__(self) -> None:
        check_choice(self.task, "task", tuple(TASKS))
        known = _defaults(self.task)
        for name in self.parameters:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, 1)
                meant = f" Did you mean “{near[0]}”?" if near else ""
                raise InputError(f"“{self.task}” has no setting {shown(name)}.{meant}")
        if (self.model is None) != (self.task == "measure"):
            need = "has no model" if self.task == "measure" else "needs a model"
            raise InputError(f"“{self.task}” {need}.")
        _check_values(self.task, known | self.parameters)

    def digest(self, weights: str) -> str:
        """Return what tells these settings from others; defaults and the device do not count.

        Parameters
        ----------
        weights
            SHA-256 of the model's weights; "" without a model.
        """
        defaults = _defaults(self.task)
        chosen = {
            name: _plain(value)
            for name, value in self.parameters.items()
            if name not in _NO_MATTER and _plain(value) != _plain(defaults[name])
        }
        text = json.dumps([self.task, weights, chosen], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _check_values(task: str, values: dict[str, Any]) -> None:
    """Check before the first file what would be wrong with all of them."""
    if task == "segment":
        check_options({name: values[name] for name in _OBJECT_OPTIONS})
        check_diameter(values["diameter"])
    elif task == "stain":
        SamplingPlan.of(*(values[name] for name in _SAMPLING_OPTIONS))


def _plain(value: Any) -> Any:
    """Return a value as JSON keeps it, so that (1, 2) equals [1, 2], and 2.0 equals 2."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


# -- YAML ---------------------------------------------------------------------------------------

_HEAD = """\
# Settings of napari-cytosynth. To run them on other images:
#   cytosynth run THIS-FILE INPUT… --out DIR
"""
_SIZE_HINT = """\
# pixel_size is that of the image which the settings were made with, and is taken for all files.
# Without that line, each file's own is taken.
"""


def save_settings(made_with: BatchSettings | dict[str, Any], path: str | Path) -> Path:
    """Write settings as YAML, for ``cytosynth run`` and :func:`load_settings`.

    Parameters
    ----------
    made_with
        Settings, or the provenance record of a result: ``result.provenance``, or what a layer
        has under ``metadata["napari-cytosynth"]``.
    path
        File to write; one that is there is replaced as a whole.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the record is not one of ``segment`` or ``stain``.
    OutputError
        If it cannot be written.
    """
    import yaml

    settings = made_with if isinstance(made_with, BatchSettings) else settings_of(made_with)
    path = user_path(path)
    model = settings.model
    content: dict[str, Any] = {"version": _VERSION, "task": settings.task}
    if model is not None:
        content["model"] = str(getattr(model, "source", model))
    weights = settings.weights or getattr(model, "sha256", None)
    if weights:
        content["weights"] = str(weights)
    content["parameters"] = {n: _yaml_value(v) for n, v in settings.parameters.items()}
    hint = _SIZE_HINT if "pixel_size" in settings.parameters else ""
    if isinstance(made_with, dict) and (text := left_out(made_with)):
        hint = f"# {text}\n{hint}"
    text = _HEAD + hint + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _yaml_value(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_yaml_value(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def settings_of(record: Any) -> BatchSettings:
    """Return the settings that a result was made with, those that its script has.

    Parameters
    ----------
    record
        The provenance record of a result of ``segment`` or ``stain``.

    Raises
    ------
    InputError
        If the record is not one of these.
    """
    task = record.get("task") if isinstance(record, dict) else None
    if task not in ("segment", "stain"):
        raise InputError("Only results of “segment” and “stain” have settings for many files.")
    known = _defaults(task)
    parameters = {n: v for n, v in script_arguments(record).items() if n in known}
    parameters = {n: list(v) if isinstance(v, tuple) else v for n, v in parameters.items()}
    found = record.get("objects")
    stain_of_objects = record.get("stain") if record.get("role") == "objects" else None
    stain_of_objects = found.get("stain") if isinstance(found, dict) else stain_of_objects
    if task == "stain" and stain_of_objects:
        parameters["objects"] = stain_of_objects
    model = record["model"]
    return BatchSettings(task, model["source"], parameters, model.get("sha256"))


def left_out(record: Any) -> str:
    """Return a sentence on what the settings of a result do not hold; empty if nothing.

    Parameters
    ----------
    record
        As :func:`settings_of` takes it.
    """
    if record.get("parameters", {}).get("region") is None:
        return ""
    return "The region of this result is not among the settings: of files, all of an image counts."


def load_settings(path: str | Path) -> BatchSettings:
    """Read settings that :func:`save_settings` wrote, or a person.

    Parameters
    ----------
    path
        YAML with ``task``, ``model`` and ``parameters``.

    Raises
    ------
    InputError
        If there is no such file, it is no YAML of settings, or a setting is wrong.
    """
    import yaml

    path = user_path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"“{path.name}” is too large to be a file of settings.")
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"The settings “{path}” cannot be read: {reason}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"“{path.name}” is no YAML of settings: {reason}.") from error
    try:
        return _checked(content)
    except InputError as error:
        raise InputError(f"In the settings “{path.name}”: {error}") from error


def _checked(content: Any) -> BatchSettings:
    if not isinstance(content, dict) or "task" not in content:
        raise InputError(
            "they need “task” (segment, stain or measure), “model” and “parameters”, as “Save "
            "settings” writes them."
        )
    unknown = set(map(str, content)) - {"version", "task", "model", "weights", "parameters"}
    if unknown:
        raise InputError(f"there is no “{sorted(unknown)[0]}” beside task, model and parameters.")
    version = content.get("version", _VERSION)
    if str(version) != str(_VERSION):
        raise InputError(
            f"they are of version {shown(version)}, and this napari-cytosynth knows version "
            f"{_VERSION}: update it, or save the settings again."
        )
    parameters = content.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InputError("“parameters” holds no names with values.")
    planes = parameters.get("planes")
    if isinstance(planes, list):
        parameters["planes"] = tuple(planes)
    weights = content.get("weights")
    return BatchSettings(
        content["task"], content.get("model"), parameters, None if weights is None else str(weights)
    )
