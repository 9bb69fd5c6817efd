"""Records of evaluations: JSON and text files, and metrics in model cards."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import OutputError, RecipeError
from napari_cytosynth.files import replace_file
from napari_cytosynth.zoo.model_files import read_card, update_card

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_cytosynth.zoo.card import ConfidenceTest, Metric
    from napari_cytosynth.zoo.loading import Model

__all__ = [
    "CHOSEN",
    "LAST",
    "LOCK",
    "RECIPE",
    "model_record",
    "read_record",
    "replace_metrics",
    "results_folder",
    "write_json",
    "write_texts",
]

RECIPE, LAST, LOCK = "recipe.yaml", "last.ckpt", "run.lock"
CHOSEN = "validation.json"  # written when a run ends


def replace_metrics(
    folder: Path, dataset: str, metrics: Sequence[Metric], tests: Sequence[ConfidenceTest] = ()
) -> None:
    """Replace what was measured on one data set in a model's card.

    Parameters
    ----------
    folder
        The model's folder; its weights stay as they are.
    dataset
        Data set and split that the metrics were measured on.
    metrics
        The new metrics.
    tests
        The new tests of its confidence in objects. Default: none.

    Raises
    ------
    ModelError
        If `folder` holds no model.
    OutputError
        If it cannot be written.
    """
    card = read_card(folder)
    kept = [metric for metric in card.metrics if metric.dataset != dataset]
    others = [test for test in card.confidence_tests if test.dataset != dataset]
    measured = {"metrics": [*kept, *metrics], "confidence_tests": [*others, *tests]}
    update_card(folder, card.model_copy(update=measured))


@contextmanager
def results_folder(folder: Path) -> Iterator[None]:
    """Make the folder of the results; turn errors of writing into OutputError.

    Raises
    ------
    OutputError
        If the folder, or a file in it, cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(f"The results cannot be written to “{folder}”: {error}") from error


def write_texts(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write text files (name -> text) into a folder that is made if need be; return their paths.

    Raises
    ------
    OutputError
        If the folder, or a file in it, cannot be written.
    """
    with results_folder(folder):
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8", newline="\n")
    return [folder / name for name in files]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a record as indented JSON, atomically; numbers that are not finite become null."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False)
    replace_file(path, f"{text}\n".encode())


def read_record(path: Path, *, result: bool = False) -> dict[str, Any]:
    """Read a record that :func:`write_json` wrote; empty if there is no file.

    Parameters
    ----------
    path
        The file.
    result
        Whether it holds results that can be made again, and not the settings of a folder.
        Default: False.

    Raises
    ------
    RecipeError
        If the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:  # no JSON, or no text
        cure = "delete it, so that it is made again" if result else "choose another --out"
        raise RecipeError(f"“{path}” is damaged: {cure}.") from error
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def model_record(model: Model) -> dict[str, Any]:
    """Return name, revision and SHA-256 that identify a model."""
    return {"model": model.card.name, "revision": model.revision, "sha256": model.sha256}
