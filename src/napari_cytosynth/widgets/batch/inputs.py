"""What the form asks for: settings, files and options, checked before a process is started."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from napari_cytosynth.progress import Progress
    from napari_cytosynth.tasks.batch import BatchPlan, BatchSettings
    from napari_cytosynth.tasks.batch.process.messages import BatchRequest

__all__ = ["OF_AN_IMAGE", "BatchInputs", "find_files", "saved_settings"]

OF_AN_IMAGE = ("pixel_size", "axes")
"""Settings that are facts of an image, which other files may have otherwise."""
_NO_SETTINGS = (
    "Choose first what is to be done: press “From Segment” or “From Stain” after a run there, or "
    "“From file…” for saved settings."
)
_NO_FILES = "Choose the images: press “Files…” or “Folder…”."
_NO_OUT = "Choose the folder for the results."


@dataclass(frozen=True)
class BatchInputs:
    """The form as it is filled in.

    Attributes
    ----------
    settings
        What is to be done; None if nothing was chosen.
    own_facts
        Take pixel size and axes from each file, not from the settings.
    inputs
        Files, folders and patterns.
    out
        Folder of the results; "" if none was chosen.
    recursive, name_pattern, overwrite, jobs
        See :func:`~napari_cytosynth.tasks.batch.task.batch`.
    again
        Do anew what is done already.
    """

    settings: BatchSettings | None
    own_facts: bool
    inputs: tuple[str, ...]
    out: str
    recursive: bool
    name_pattern: str
    again: bool
    overwrite: bool
    jobs: int

    def request(self) -> BatchRequest:
        """Return what the process is to do.

        Raises
        ------
        InputError
            If something is missing.
        """
        from napari_cytosynth.tasks.batch.process.messages import BatchRequest

        if self.settings is None:
            raise InputError(_NO_SETTINGS)
        if not self.inputs:
            raise InputError(_NO_FILES)
        if not self.out.strip():
            raise InputError(_NO_OUT)
        return BatchRequest(
            _with_own_facts(self.settings) if self.own_facts else self.settings,
            tuple(os.path.abspath(os.path.expanduser(name)) for name in self.inputs),
            os.path.abspath(os.path.expanduser(self.out.strip())),
            recursive=self.recursive,
            name_pattern=self.name_pattern.strip() or None,
            resume=not self.again,
            overwrite=self.overwrite,
            jobs=self.jobs,
        )


def _with_own_facts(settings: BatchSettings) -> BatchSettings:
    kept = {name: v for name, v in settings.parameters.items() if name not in OF_AN_IMAGE}
    return replace(settings, parameters=kept)


def find_files(inputs: BatchInputs, progress: Progress) -> BatchPlan:
    """Find the images and look at their headers; nothing is written.

    Parameters
    ----------
    inputs
        Of which at least one is there. Without a folder for results, none is left out.
    progress
        Called after each file.

    Raises
    ------
    InputError
        If no image is found, or the name pattern is wrong.
    """
    from napari_cytosynth.tasks.batch.plan import make_plan

    nowhere = Path(inputs.inputs[0]).parent / "results of napari-cytosynth"
    return make_plan(
        inputs.inputs,
        inputs.out.strip() or nowhere,
        "segment" if inputs.settings is None else inputs.settings.task,
        recursive=inputs.recursive,
        name_pattern=inputs.name_pattern.strip() or None,
        progress=progress,
    )


def saved_settings(path: str | Path) -> BatchSettings:
    """Return the settings in a file; what it takes is imported when this is called."""
    from napari_cytosynth.tasks.batch.settings import load_settings

    return load_settings(path)
