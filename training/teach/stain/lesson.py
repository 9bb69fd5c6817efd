"""Files of the data folder of a stainer's fine-tuning, and what of them validates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.training.data.wording import counted
from napari_cytosynth.training.teach.held_out import ALL, VALIDATING, hold_planes

from .offset import offset_words, plane_offsets
from .pairs import LEAST_SIDE
from .recipe import STAINS, image_folders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.teach.plan import TuningPlan
    from napari_cytosynth.zoo.card import ModelCard

    from .pairs import StainedPlane

__all__ = ["stain_lesson"]


def stain_lesson(
    card: ModelCard, planes: Sequence[StainedPlane], plan: TuningPlan
) -> tuple[TuningPlan, dict[str, NDArray[Any]]]:
    """Return the completed plan, and the files: name in the data folder -> (C, Y, X).

    Parameters
    ----------
    card
        Card of the model to start from, with the stains of the planes.
    planes
        Of :func:`.pairs.read_stained`.
    plan
        Options of the fine-tuning.
    """
    stacks = [np.concatenate([plane.image, plane.stains]) for plane in planes]
    first = planes[0].image.shape[0]
    parts = hold_planes(stacks, plan.seed, LEAST_SIDE, lambda part: _varies(part[first:]))
    folders = image_folders(card)
    files: dict[str, NDArray[Any]] = {}
    for part, number, window in parts:
        name = f"{number + 1:03d}.tif"
        plane = planes[number]
        for folder, image in zip(folders, np.split(plane.image, len(folders)), strict=True):
            files[f"{part}/{folder}/{name}"] = image[:, *window]
        files[f"{part}/{STAINS}/{name}"] = plane.stains[:, *window]
    held = sum(part == VALIDATING for part, _, _ in parts)
    remarks = _remarks(planes, held, whole=any(part == ALL for part, _, _ in parts))
    names = tuple(dict.fromkeys(f"{plane.source} (own stains)" for plane in planes))
    done = replace(
        plan, truth=STAINS, annotated=True, held_out=held > 0, datasets=names, remarks=remarks
    )
    return done, files


def _varies(stains: NDArray[Any]) -> bool:
    """Return whether every stain has more than one value: else nothing can be scored."""
    return all(float(np.ptp(stain)) > 0 for stain in stains)


def _remarks(planes: Sequence[StainedPlane], held: int, *, whole: bool) -> str:
    stains = ", ".join(planes[0].names)
    said = [f"Taught {stains} in {counted(len(planes), 'image')}."]
    if whole:
        said.append("Not validated: the images are too few and too small to hold anything out.")
    else:
        what = counted(held, "image or part of an image", "images or parts of images")
        said.append(f"{what} held out to validate on.")
    said += [f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in dict.fromkeys(sum((p.notes for p in planes), ()))]  # fmt: skip  # noqa: E501
    if shift := offset_words(plane_offsets(planes)):
        said.append(f"{shift} It was learned as it lies.")
    return " ".join([*said, "Neither its errors nor its objects were calibrated anew."])
