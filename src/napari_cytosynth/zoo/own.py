"""The user's own models: folders that were added, each known by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .card.record import is_name
from .opening import existing_path
from .settings import home
from .weights import WEIGHTS_FILE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["models_folder", "own_folder", "own_folders"]


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
