"""Files of the data folder of a segmenter's fine-tuning, and what of them validates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.training.data.wording import counted
from napari_cytosynth.training.teach.material import ANNOTATED, HELD_OUT, IMAGES

from .recipe import expected_prevalence, truth_folder
from .strokes import hold_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.teach.plan import TuningPlan
    from napari_cytosynth.zoo.card import ModelCard

    from .pairs import AnnotatedPlane
    from .strokes import HeldOut

__all__ = ["segment_lesson"]


def segment_lesson(
    card: ModelCard, planes: Sequence[AnnotatedPlane], plan: TuningPlan
) -> tuple[TuningPlan, dict[str, NDArray[Any]]]:
    """Return the completed plan, and the files: name in the data folder -> (Y, X).

    Parameters
    ----------
    card
        Card of the model to start from.
    planes
        Of :func:`.pairs.read_pairs`.
    plan
        Options of the fine-tuning.
    """
    held_out = hold_out(planes, plan.seed, instances=card.inference.separates_objects)
    truth = truth_folder(card)
    done = replace(
        plan,
        truth=truth,
        annotated=True,
        held_out=bool(held_out.masks),
        prevalence=expected_prevalence(card),
        datasets=tuple(dict.fromkeys(f"{plane.source} (own annotation)" for plane in planes)),
        remarks=_remarks(held_out, len(planes)),
    )
    return done, _files(planes, held_out, truth)


def _files(
    planes: Sequence[AnnotatedPlane], held_out: HeldOut, truth: str
) -> dict[str, NDArray[Any]]:
    """Return all files by their names in the data folder."""
    files: dict[str, NDArray[Any]] = {}
    digits = len(str(len(planes)))
    for number, plane in enumerate(planes):
        name = f"{number + 1:0{digits}d}.tif"
        image = plane.image
        files[f"{IMAGES}/{name}"] = image.astype(np.uint8) if image.dtype == bool else image
        largest = np.min_scalar_type(int(plane.objects.max()))
        files[f"{truth}/{name}"] = plane.objects.astype(np.result_type(largest, np.uint8))
        files[f"{ANNOTATED}/{name}"] = plane.annotated
        if held_out.masks:
            files[f"{HELD_OUT}/{name}"] = held_out.masks[number].astype(np.uint8)
    return files


def _remarks(held_out: HeldOut, planes: int) -> str:
    learned = (
        f"Taught {counted(held_out.objects, 'object')} or strokes of objects in "
        f"{counted(planes, 'image')}."
    )
    if held_out.masks:
        return f"{learned} {held_out.held_objects} of them were held out to validate on."
    return f"{learned} Not validated: too few of them to hold any out."
