"""The user's settings: default model of each verb, device, offline; and where own models lie.

They lie in one folder, ``CYTOSYNTH_HOME`` or the system's own for a program's data. An
environment variable counts before what is stored. What cannot be read counts as not set.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_cytosynth.errors import ModelError, NetworkError
from napari_cytosynth.files import explained_errors, replace_file

from .opening import existing_path, read_limited

__all__ = [
    "TASKS",
    "VERBS",
    "UserSettings",
    "change_settings",
    "check_online",
    "default_model",
    "home",
    "offline_reason",
    "preferred_device",
    "user_settings",
]

VERBS = ("segment", "stain", "generate")
"""Tasks that have a default model."""

TASKS = (*VERBS, "encode")
"""All tasks of models."""

HOME = "CYTOSYNTH_HOME"
DEVICE = "CYTOSYNTH_DEVICE"
OFFLINE = "CYTOSYNTH_OFFLINE"
MODEL = "CYTOSYNTH_MODEL_"  # and the verb in capitals
_CLIENT = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")  # of the Hub's client
_YES = frozenset({"1", "on", "yes", "true"})
_LONGEST = 1_000_000  # bytes of the file
_unsaved: dict[Path, UserSettings] = {}
"""File -> what could not be written to it, which holds for this process."""


@dataclass(frozen=True)
class UserSettings:
    """What a user has chosen for good; all of it may be left out."""

    device: str = "auto"
    """Device that the widgets begin with."""
    offline: bool = False
    """Whether no connection is opened, for models and samples."""
    models: dict[str, str] = field(default_factory=dict)
    """Verb -> its default model, as `load_model` takes it."""
    in_napari: dict[str, Any] = field(default_factory=dict)
    """Name -> value that napari's preferences had when they were last compared with these."""


def home() -> Path:
    """Return the folder of settings and own models, which need not exist."""
    given = os.environ.get(HOME, "").strip()
    if given:
        return Path(os.path.expanduser(given))  # with an unknown user it stays as it is
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-cytosynth", appauthor=False))


def user_settings() -> UserSettings:
    """Return what is stored; what is damaged or of a wrong kind counts as not set."""
    path = home() / "settings.json"
    if path in _unsaved:
        return _unsaved[path]
    if existing_path(path) is None:
        return UserSettings()
    try:
        stored = json.loads(read_limited(path, _LONGEST))
    except (ModelError, ValueError, RecursionError):
        return UserSettings()
    if not isinstance(stored, dict):
        return UserSettings()
    kinds: dict[str, type] = {"device": str, "offline": bool, "models": dict, "in_napari": dict}
    found = {k: stored[k] for k, kind in kinds.items() if isinstance(stored.get(k), kind)}
    given = found.get("models", {})
    models = {verb: given[verb] for verb in VERBS if isinstance(given.get(verb), str)}
    return UserSettings(**{**found, "models": models})


def change_settings(**changes: Any) -> UserSettings:
    """Store other values of some fields of `UserSettings`; return all.

    Raises
    ------
    OutputError
        If the folder cannot be written. The values hold until this process ends.
    """
    settings = replace(user_settings(), **changes)
    path = home() / "settings.json"
    _unsaved[path] = settings
    with explained_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, (json.dumps(asdict(settings), indent=2) + "\n").encode())
    del _unsaved[path]
    return settings


def default_model(verb: str) -> str:
    """Return the default model of segment, stain or generate; empty without one.

    ``CYTOSYNTH_MODEL_SEGMENT`` and the like count before the star.
    """
    given = os.environ.get(f"{MODEL}{verb.upper()}", "").strip()
    return given or user_settings().models.get(verb, "")


def preferred_device() -> str:
    """Return the device that widgets begin with: ``CYTOSYNTH_DEVICE``, or the stored one."""
    return os.environ.get(DEVICE, "").strip() or user_settings().device


def offline_reason(hub: bool = True) -> str:
    """Return what forbids to use the network, as the subject of a sentence; empty if nothing.

    Parameters
    ----------
    hub
        Whether the Hub is meant, whose client has a variable of its own. Default: True.
    """
    given = os.environ.get(OFFLINE, "").strip().lower()
    if given:
        own = OFFLINE if given in _YES else ""
    else:
        own = "“offline” in the preferences" if user_settings().offline else ""
    if own or not hub:
        return own
    return next((n for n in _CLIENT if os.environ.get(n, "").lower() in _YES), "")


def check_online(failure: str, hub: bool = True) -> None:
    """Check that the user lets this package use the network.

    Parameters
    ----------
    failure
        What cannot be done otherwise, as the beginning of a sentence.
    hub
        Whether the Hub is meant. Default: True.

    Raises
    ------
    NetworkError
        If the network is not to be used.
    """
    reason = offline_reason(hub)
    if reason:
        raise NetworkError(f"{failure}: {reason} forbids the network.")
