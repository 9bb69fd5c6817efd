"""The bundled models: their folders, and the index that pins them."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from napari_cytosynth.files import replace_file

from .opening import existing_path
from .weights import WEIGHTS_FILE

__all__ = ["bundled_folder", "read_index", "weights_folder", "write_index"]


def weights_folder() -> Path:
    """Return the folder that holds a folder for each bundled model, and ``index.json``."""
    return Path(str(files("napari_cytosynth"))) / "weights"


def bundled_folder(name: str) -> Path | None:
    """Return the folder of a bundled model, or None."""
    if Path(name).name != name:  # a path would lead out of the folder
        return None
    folder = weights_folder() / name
    return folder if existing_path(folder / WEIGHTS_FILE) else None


def read_index() -> dict[str, dict[str, Any]]:
    """Read ``weights/index.json``: repository, revision, SHA-256 and task by name."""
    path = weights_folder() / "index.json"
    index: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return index


def write_index(index: dict[str, dict[str, Any]]) -> None:
    """Write ``weights/index.json``."""
    text = json.dumps(index, indent=2, sort_keys=True) + "\n"
    replace_file(weights_folder() / "index.json", text.encode())
