"""Provenance of a result: a record of plain values, and the script that reproduces it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from napari_cytosynth.zoo.text import one_line

if TYPE_CHECKING:
    from napari_cytosynth.zoo.loading import Model

    from .layers import Source

__all__ = ["KEY", "as_python", "describe_source", "made_now", "record", "script_arguments"]

KEY = "napari-cytosynth"
"""Key of the record in a layer's ``metadata``."""

_DEFAULTS: dict[str, Any] = {
    "fill_holes": False,
    "drop_border": False,
    "link_planes": True,
    "min_confidence": 0.0,
    "at_border": "keep",
    "resample": False,
    "keep_samples": False,
    "keep_trajectory": False,
    "device": "auto",
    "precision": "auto",
}
"""Arguments that a script leaves out: none of them may depend on the model or the version."""

_EARLIER_DEFAULTS: dict[str, dict[str, Any]] = {
    "segment": {"min_size": 0, "split_touching": False},
    "stain": {"views": 1},
}
"""Arguments that once had another default; a record without them was made with these."""


def record(
    task: str,
    model: Model,
    source: Source | None,
    parameters: dict[str, Any],
    engine: dict[str, Any],
) -> dict[str, Any]:
    """Return the provenance record of a run, of values that JSON can hold.

    Parameters
    ----------
    task
        Name of the public function: ``segment``, ``stain``, ``generate`` or ``vary``.
    model
        The model that ran.
    source
        The image that it ran on; None for a generated one.
    parameters
        Keyword arguments of the public function.
    engine
        Device, number format and tile size that were used.
    """
    return {
        **made_now(),
        "task": task,
        "model": {
            "name": model.card.name,
            "source": str(model.source),
            "origin": model.origin,
            "revision": model.revision,
            "sha256": model.sha256,
        },
        "source": None if source is None else describe_source(source),
        "parameters": parameters,
        "engine": engine,
    }


def made_now() -> dict[str, str]:
    """Return what every record begins with: the version of the package, and the time."""
    from napari_cytosynth.version import __version__

    now = datetime.datetime.now(datetime.UTC)
    return {"version": __version__, "created": now.isoformat(timespec="seconds")}


def describe_source(source: Source) -> dict[str, Any]:
    """Return what a record says of the image that a result is of."""
    return {
        "layer": source.name,
        "path": source.path,
        "shape": [int(size) for size in source.data.shape],
        "dtype": str(source.data.dtype),
    }


def as_python(provenance: dict[str, Any]) -> str:
    """Return a Python script that reproduces the result.

    Parameters
    ----------
    provenance
        The record, from a result's ``provenance`` or a layer's ``metadata[KEY]``.
    """
    model, source = provenance["model"], provenance["source"]
    lines = [
        f"# {one_line(model['name'])}, weights {one_line(model['sha256'])[:12]}, "
        f"made by napari-cytosynth {one_line(provenance['version'])}",
        "import napari_cytosynth as cytosynth",
        *([] if source is None else _read_image(source)),
        "",
        f"result = cytosynth.{provenance['task']}(",
        *([] if source is None else ["    image,"]),
        f"    model={model['source']!r},",
    ]
    lines += [f"    {name}={value!r}," for name, value in script_arguments(provenance).items()]
    lines += [")", *_correct(provenance), 'result.save("result")', *_find_objects(provenance), ""]
    return "\n".join(lines)


def script_arguments(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that make a result again, but for the image and the model.

    Parameters
    ----------
    provenance
        See :func:`as_python`.
    """
    earlier = _EARLIER_DEFAULTS.get(provenance["task"], {})
    return {
        name: value
        for name, value in (earlier | _all_parameters(provenance)).items()
        if value is not None and (name not in _DEFAULTS or value != _DEFAULTS[name])
    }


def _correct(provenance: dict[str, Any]) -> list[str]:
    """Return the lines that correct the objects as the user did by hand, if so."""
    by_hand = provenance.get("corrections")
    if not by_hand:
        return []
    return [
        "from napari_cytosynth.tasks.correct import Corrections",
        "",
        f"by_hand = {by_hand!r}",
        "result = result.corrected(Corrections.from_record(by_hand))",
    ]


def _find_objects(provenance: dict[str, Any]) -> list[str]:
    """Return the lines that find the objects of a virtual stain, if the record is of these."""
    if provenance.get("role") != "objects":
        return []
    return [
        f"objects = result.objects({provenance['stain']!r})",
        'objects.table.to_csv("objects.csv", index=False)',
    ]


def _all_parameters(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a run, with those that its version did not have yet."""
    given: dict[str, Any] = provenance["parameters"]
    if provenance["task"] == "segment" and "Z" in str(given.get("axes") or ""):
        # objects of neighbouring planes were not linked
        return {"link_planes": False} | given
    return given


def _read_image(source: dict[str, Any]) -> list[str]:
    path = source["path"]
    if path is not None and path.lower().endswith((".tif", ".tiff", ".png", ".jpg", ".jpeg")):
        return ["from skimage.io import imread", "", f"image = imread({path!r})"]
    if source["layer"] is not None:
        return ["", f"image = viewer.layers[{source['layer']!r}]  # in napari's console"]
    shape = " × ".join(str(size) for size in source["shape"])
    return ["", f"image = ...  # the array of {shape}, {source['dtype']}"]
