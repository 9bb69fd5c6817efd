"""Models that the user has trained: kept in the user's own folder of data."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from .model_files import CARD_FILE

__all__ = ["data_folder", "own_model_folders", "own_models_folder"]

_VARIABLE = "CYTOSYNTH_HOME"


def data_folder() -> Path:
    """Return the user's folder of data, which need not exist; CYTOSYNTH_HOME names another."""
    chosen = os.environ.get(_VARIABLE)
    return Path(chosen or platformdirs.user_data_dir("napari-cytosynth", appauthor=False))


def own_models_folder() -> Path:
    """Return the folder that holds the user's own models, which need not exist."""
    return data_folder() / "models"


def own_model_folders() -> list[Path]:
    """Return the folders of the user's own models, in the order of their names."""
    try:
        found = sorted(own_models_folder().iterdir())
    except OSError:  # there are none, or none that can be read
        return []
    return [folder for folder in found if (folder / CARD_FILE).is_file()]
