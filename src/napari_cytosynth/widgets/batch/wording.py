"""Sentences of the Batch widget on settings, and those of the command line in the form's words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cytosynth.tasks.batch import BatchSettings

__all__ = ["AGAIN", "DEEPER", "REPLACE", "describe_settings", "in_the_form"]

DEEPER, AGAIN = "folders within", "do again what is done"
REPLACE = "replace other files, too"
_OPTIONS = {
    "add --recursive": f"tick “{DEEPER}”",
    "use --overwrite, or overwrite=True in Python": f"tick “{REPLACE}”",
    "Without --resume and with --overwrite": f"With “{AGAIN}” and “{REPLACE}”",
}


def in_the_form(sentence: str) -> str:
    """Return a sentence that names the form's options, where it named those of a command."""
    for words, own in _OPTIONS.items():
        sentence = sentence.replace(words, own)
    return sentence


def describe_settings(settings: BatchSettings) -> str:
    """Return one line on settings, such as “segment · em-unet · threshold 0.4”."""
    values = [f"{name} {_short(value)}" for name, value in settings.parameters.items()]
    model = () if settings.model is None else (Path(str(settings.model)).name,)
    return " · ".join([settings.task, *model, *([", ".join(values)] if values else [])])


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(map(_short, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
