"""Files of the data folder of a segmenter's fine-tuning, and what of them validates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.training.data.wording import counted
from napari_cytosynth.training.teach.material import ANNOTATED, HELD_OUT, IMAGES

from .recipe import expected_prevalence, truth_folder
from .strokes import hold_out
from .synthetic import OWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.teach.plan import TuningPlan
    from napari_cytosynth.zoo.card import ModelCard

    from .pairs import AnnotatedPlane
    from .strokes import HeldOut
    from .synthetic import SyntheticImages

__all__ = ["segment_lesson"]

_SAME = 1.05  # pixel sizes that differ by less are one


def segment_lesson(
    card: ModelCard,
    planes: Sequence[AnnotatedPlane],
    plan: TuningPlan,
    synthetic: SyntheticImages | None = None,
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
    synthetic
        Synthetic images beside the planes; without any planes, all that is learned. Default: none.
    """
    alone = synthetic is not None and not planes
    if synthetic is not None and alone:
        planes = synthetic.planes()
    held_out = hold_out(planes, plan.seed, instances=card.inference.separates_objects)
    truth, size = truth_folder(card), _pixel_size(card, planes)
    done = replace(
        plan,
        pixel_size_um=size,
        truth=truth,
        annotated=True,
        held_out=bool(held_out.masks),
        prevalence=expected_prevalence(card),
        datasets=tuple(dict.fromkeys(f"{plane.source} (own annotation)" for plane in planes)),
        remarks=_remarks(held_out, len(planes)) + _other_scale(card, size),
    )
    files = _files(planes, held_out, truth)
    if synthetic is None or not (alone or synthetic.share):
        return done, files
    if alone:
        said = (
            "All images are synthetic, those that validate too: how good it is on real ones was "
            "not measured."
        )
        return replace(done, datasets=_made_by(synthetic), remarks=f"{done.remarks} {said}"), files
    said = (
        f"{synthetic.share:.0%} of the crops are of {counted(len(synthetic.images), 'image')} that "
        f"“{synthetic.name}” made"
    )
    if synthetic.rare_boost > 1:
        said += f", those with few objects {synthetic.rare_boost:.3g} times as often"
    done = replace(
        done,
        shares=tuple(synthetic.shares().items()),
        magnify=_magnification(synthetic, size or card.inference.pixel_size_um),
        datasets=(*done.datasets, *_made_by(synthetic)),
        remarks=f"{done.remarks} {said}.",
    )
    own = {f"{OWN}/{name}": array for name, array in files.items()}
    return done, own | synthetic.files(truth)


def _made_by(synthetic: SyntheticImages) -> tuple[str, ...]:
    return (f"synthetic images by {synthetic.name}",)


def _pixel_size(card: ModelCard, planes: Sequence[AnnotatedPlane]) -> float | None:
    """Return the pixel size of the planes, where it is known and not that of the model.

    They are learned as they are: so that is the size which the new model knows.
    """
    sizes = [plane.pixel_size_um for plane in planes]
    known = [size for size in sizes if size is not None]
    if not known or len(known) < len(sizes) or max(known) > _SAME * min(known):
        return None
    size, own = float(np.median(known)), card.inference.pixel_size_um
    return None if own is not None and max(size / own, own / size) <= _SAME else size


def _other_scale(card: ModelCard, size: float | None) -> str:
    own = card.inference.pixel_size_um
    if size is None or own is None:
        return ""
    return f" Its images have {size:.3g} µm per pixel, those of the start model {own:.3g}."


def _magnification(synthetic: SyntheticImages, wanted: float | None) -> float:
    """Return by what synthetic images are brought to the pixel size that is learned."""
    own = synthetic.pixel_size_um
    return 1.0 if own is None or wanted is None else min(max(own / wanted, 0.1), 10.0)


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
