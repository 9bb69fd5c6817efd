"""Choices that are remembered from one start of napari to the next."""

from __future__ import annotations

from qtpy.QtCore import QSettings

__all__ = ["recall", "remember"]


def _settings() -> QSettings:
    """Return the file of this package's own in the user's folder of settings."""
    return QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-cytosynth", "widgets"
    )


def remember(name: str, value: str) -> None:
    """Keep a text; where nothing can be written, it is not kept, and nothing is said."""
    settings = _settings()
    settings.setValue(name, value)
    settings.sync()


def recall(name: str) -> str:
    """Return a text that was kept; empty if there is none."""
    value = _settings().value(name, "")
    return value if isinstance(value, str) else ""
