"""The default model of each verb, which its widget begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.arguments import check_choice, check_path
from napari_cytosynth.errors import InputError, ModelNotFoundError
from napari_cytosynth.zoo.catalogue import list_models
from napari_cytosynth.zoo.model_files import read_card
from napari_cytosynth.zoo.opening import existing_path
from napari_cytosynth.zoo.settings import VERBS, change_settings, user_settings
from napari_cytosynth.zoo.text import one_line

if TYPE_CHECKING:
    import os

__all__ = ["star", "starred", "unstar"]


def star(source: str | os.PathLike[str]) -> str:
    """Make a model the default of its verb; return the verb.

    Parameters
    ----------
    source
        A name of `list_models`, or the path of a model's folder.

    Raises
    ------
    ModelNotFoundError
        If it is not on this machine.
    InputError
        If it is an encoder, which serves no verb.
    OutputError
        If the settings cannot be written.
    """
    source = check_path(source, "model")
    infos = {info.source: info.task for info in list_models()}
    task = infos.get(source)
    if task is None:
        path = existing_path(source)
        if path is None:
            raise ModelNotFoundError(
                f"“{one_line(source, 100)}” is not on this machine, so it cannot be a default: "
                "fetch it, or add its folder first."
            )
        task, source = read_card(path).inference.task, str(path.resolve())
    if task not in VERBS:
        raise InputError(
            f"“{one_line(source, 100)}” describes images by features: no widget begins with it."
        )
    change_settings(models=user_settings().models | {task: source})
    return task


def unstar(verb: str) -> None:
    """Let a verb have no default model.

    Parameters
    ----------
    verb
        "segment", "stain" or "generate".

    Raises
    ------
    InputError
        If there is no such verb.
    """
    check_choice(verb, "verb", VERBS)
    models = {name: model for name, model in user_settings().models.items() if name != verb}
    change_settings(models=models)


def starred() -> dict[str, str]:
    """Return verb -> its default model; verbs without one are left out."""
    return dict(user_settings().models)
