"""Images that a generator learns from, and which of them validate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.layers import read_source
from napari_cytosynth.training.data.wording import counted, named
from napari_cytosynth.training.teach.held_out import ALL, TRAINING, VALIDATING, hold_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.teach.plan import TuningPlan
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["ImagePlane", "generate_lesson", "read_images"]


@dataclass(frozen=True, eq=False)
class ImagePlane:
    """One image to learn from.

    Attributes
    ----------
    source
        Name of the image.
    image
        (C, Y, X), a copy.
    label
        Its class; empty without classes.
    """

    source: str
    image: NDArray[Any]
    label: str = ""


def read_images(pairs: Sequence[Any], card: ModelCard) -> list[ImagePlane]:
    """Copy the images of a generator.

    Parameters
    ----------
    pairs
        Images (…, Y, X), or (…, C, Y, X) of a model of C channels, RGB layers too; for a model
        with classes (image, class) each.
    card
        Card of the model that is to learn them.

    Raises
    ------
    InputError
        If an image or a class cannot be used.
    """
    classes = card.inference.classes
    found: list[ImagePlane] = []
    if hasattr(pairs, "dtype") or not len(pairs):
        raise InputError(f"Give a list of {_wanted(classes)}.")
    for number, item in enumerate(pairs, 1):
        image, label = item if classes and isinstance(item, list | tuple) else (item, "")
        if classes and label not in classes:
            raise InputError(
                f"“{card.name}” makes the classes {named(classes)}: give a list of "
                f"{_wanted(classes)}, not “{label}”."
            )
        found += _planes_of(image, str(label), card, f"image {number}")
    size = max(card.inference.example_size)
    if small := [plane.source for plane in found if min(plane.image.shape[1:]) < size]:
        raise InputError(f"“{small[0]}” is smaller than what the model makes: {size} px.")
    return found


def _wanted(classes: list[str]) -> str:
    return "(image, class)" if classes else "images"


def _planes_of(image: Any, label: str, card: ModelCard, name: str) -> Iterator[ImagePlane]:
    source = read_source(image, name)
    count, data = len(card.inference.output_channels), np.asarray(source.data)
    name = source.name or name
    if source.rgb:
        data = np.moveaxis(data[..., :3], -1, -3)
    elif count == 1:
        data = data[..., None, :, :] if data.ndim >= 2 else data
    if data.ndim < 3 or data.shape[-3] != count or data.dtype.kind not in "buif":
        each = "grey: (…, Y, X)" if count == 1 else f"of {count} channels: (…, {count}, Y, X)"
        raise InputError(f"“{name}” is not as the images of “{card.name}”, which are {each}.")
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise InputError(
            f"“{name}” has pixels without a number (NaN or infinite), which a generator would "
            "learn: repair it, for example by numpy.nan_to_num."
        )
    for place in np.ndindex(data.shape[:-3]):
        plane = data[place]
        yield ImagePlane(name, np.array(plane, np.uint8 if data.dtype == bool else None), label)


def generate_lesson(
    card: ModelCard, planes: Sequence[ImagePlane], plan: TuningPlan
) -> tuple[TuningPlan, dict[str, NDArray[Any]]]:
    """Return the completed plan, and the files: name in the data folder -> (C, Y, X).

    Parameters
    ----------
    card
        Card of the model to start from.
    planes
        Of :func:`read_images`.
    plan
        Options of the fine-tuning.
    """
    size, classes = max(card.inference.example_size), card.inference.classes
    files: dict[str, NDArray[Any]] = {}
    validated = True
    for label in classes or [""]:
        own = [plane for plane in planes if plane.label == label]
        if not own:
            raise InputError(f"There is no image of the class “{label}”: give some of each.")
        parts = hold_planes([plane.image for plane in own], plan.seed, size)
        validated &= any(part == VALIDATING for part, _, _ in parts)
        for part, number, window in parts:
            # a run needs images that validate: where none are held out, nothing is compared
            for folder in (TRAINING, VALIDATING) if part == ALL else (part,):
                path = "/".join(filter(None, [folder, label, f"{number + 1:04d}.tif"]))
                files[path] = own[number].image[:, *window]
    names = tuple(dict.fromkeys(f"{plane.source} (own images)" for plane in planes))
    remarks = _remarks(planes, classes, validated=validated)
    done = replace(
        plan, annotated=True, held_out=validated, classes=bool(classes), datasets=names,
        remarks=remarks,
    )  # fmt: skip
    return done, files


def _remarks(planes: Sequence[ImagePlane], classes: list[str], *, validated: bool) -> str:
    said = [f"Taught {counted(len(planes), 'image')}"]
    if classes:
        counts = Counter(plane.label for plane in planes)
        said[0] += f" ({', '.join(f'{name}: {counts[name]}' for name in classes)})"
    said[0] += "."
    if validated:
        said.append("One in five, or a fifth of each, was held out to validate on.")
    else:
        said.append("Not validated: the images are too few and too small to hold any out.")
    return " ".join([*said, "How good its images are was not measured."])
