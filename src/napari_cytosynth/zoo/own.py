"""The user's own models: folders that were added, each known by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .card.record import is_name
from .model_files import CARD_FILE, WEIGHTS_FILE
from .opening import existing_path
from .settings import home

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["holds_model", "models_folder", "own_folder", "own_folders"]


def holds_model(path: Path) -> bool:
    """Return whether a path is a model, not just a file or folder of a model's name."""
    if not path.is_dir():
        return path.suffix.lower() == ".safetensors"
    return any(existing_path(path / file) is not None for file in (WEIGHTS_FILE, CARD_FILE))


def models_folder() -> Path:
    """Return the folder that holds a folder for each own model; it need not exist."""
    return home() / "models"


def own_folder(name: str) -> Path | None:
    """Return the folder of an own model, or None."""
    if not is_name(name):  # a path would lead out of the folder
        return None
    folder = models_folder() / name
    return folder if existing_path(folder / WEIGHTS_FILE) else None


def own_folders() -> list[Path]:
    """Return the folders of all own models, in the order of their names."""
    try:
        inside = sorted(models_folder().iterdir())
    except OSError:  # there are none
        return []
    return [path for path in inside if own_folder(path.name) == path]
