"""Inspection of a data folder before a training: ``cytosynth train … --check``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from napari_cytosynth.errors import InputError, RecipeError
from napari_cytosynth.inference.normalise import real_numbers
from napari_cytosynth.training.data.findings import Findings
from napari_cytosynth.training.data.layout import PARTS
from napari_cytosynth.training.data.wording import counted, named

from .alignment import Offset, estimate_offset, report_offsets, structure
from .duplicates import report_copies, thumbnail
from .images import (
    inspect_image,
    report_classes,
    report_fixed_scaling,
    report_images,
    report_local_scaling,
    report_stains,
)
from .layout import find_layout
from .masks import inspect_mask, report_masks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.layout import DataLayout, Item, MaskKind
    from napari_cytosynth.training.recipe.base import Recipe

    from .alignment import Structure
    from .images import ImageStats
    from .masks import MaskStats

__all__ = ["check_data"]

MOST = 1000
"""Largest number of images that are opened."""
_ALIGN_PIXELS, _ALIGN_LEAST, _ALIGN_MOST = 16_000_000, 8, 24


@dataclass
class _Measurements:
    """Measurements of all images, without their pixels."""

    images: list[ImageStats] = field(default_factory=list)
    thumbs: list[tuple[Item, NDArray[np.float32]]] = field(default_factory=list)
    masks: dict[str, list[MaskStats]] = field(default_factory=dict)
    stains: dict[str, list[ImageStats]] = field(default_factory=dict)
    offsets: dict[str, list[Offset]] = field(default_factory=dict)
    inconclusive: dict[str, list[str]] = field(default_factory=dict)
    broken: list[tuple[Item, str]] = field(default_factory=list)

    def add_offset(self, what: str, name: str, offset: tuple[int, int] | None) -> None:
        """Add the estimated offset of a mask or stain; None if the estimate was inconclusive."""
        if offset is None:
            self.inconclusive.setdefault(what, []).append(name)
        else:
            self.offsets.setdefault(what, []).append(Offset(name, *offset))


def check_data(recipe: Recipe, data_dir: Path) -> Findings:
    """Inspect the images of a folder that a recipe would train on; nothing is trained.

    Parameters
    ----------
    recipe
        The validated recipe.
    data_dir
        Folder that the recipe's folders are in.

    Returns
    -------
    Findings
        Problems, warnings and facts in sentences. Of a large folder only a part is opened, which
        is stated among the facts.
    """
    report = Findings(f"A look at “{data_dir}” for the recipe “{recipe.name}”; nothing is trained.")
    try:
        layout = find_layout(recipe, data_dir, report)
    except (RecipeError, InputError) as error:
        report.errors.append(str(error))
        return report
    chosen = _chosen(layout, report)
    found = _inspect_all(chosen, layout)
    _report_broken(found, report)
    _report_all(found, layout, report)
    return report


def _evenly_spaced(items: list[Item], most: int) -> list[Item]:
    """Return `most` of the items at even distances."""
    if len(items) <= most:
        return items
    return [items[int(place)] for place in np.linspace(0, len(items) - 1, most)]


def _chosen(layout: DataLayout, report: Findings) -> list[Item]:
    total = len(layout.items)
    if total <= MOST:
        return layout.items
    chosen = []
    for part in PARTS:
        items = layout.part(part)
        chosen += _evenly_spaced(items, max(1, MOST * len(items) // total) if items else 0)
    report.facts.append(
        f"Opened {len(chosen):,} of {total:,} images, at even distances; what follows is about "
        "these, and copies among the others are not noticed."
    )
    return chosen


def _read(item: Item) -> list[NDArray[Any]]:
    """Read the image, and its masks or stains; errors name the file."""
    planes = [item.read(), *(read() for read in item.read_truths)]
    try:
        return [real_numbers(plane) for plane in planes]
    except InputError as error:
        raise InputError(f"“{item.name}”: {error}") from error


def _inspect_all(chosen: list[Item], layout: DataLayout) -> _Measurements:
    found = _Measurements()
    aligned: set[int] | None = None
    for item in tqdm(chosen, desc="Looking at the images", disable=None, leave=False):
        try:
            image, *truths = _read(item)
        except (InputError, RecipeError) as error:
            found.broken.append((item, str(error)))
            continue
        if aligned is None:
            aligned = _to_align(chosen, image, truths)
        found.images.append(inspect_image(item, image))
        if (thumb := thumbnail(image, layout.planes)) is not None:
            found.thumbs.append((item, thumb))
        shapes = {truth.shape[-2:] for truth in truths}
        if shapes - {image.shape[-2:]}:
            sizes = " and ".join(f"{height} × {width}" for height, width in sorted(shapes))
            size = f"{image.shape[-2]} × {image.shape[-1]}"
            found.broken.append((item, f"“{item.name}” is {size} px, its mask or stain {sizes}."))
            continue
        fixed = []
        if truths and id(item) in aligned:
            fixed = [structure(plane) for plane in np.array_split(image, layout.planes)]
        if layout.stains:
            _inspect_stain(item, truths[0], layout.stains, fixed, found)
        else:
            _inspect_masks(item, truths, layout.masks, fixed, found)
    return found


def _to_align(chosen: list[Item], image: NDArray[Any], truths: list[NDArray[Any]]) -> set[int]:
    size = image.size + sum(truth.size for truth in truths)
    most = min(max(_ALIGN_PIXELS // size, _ALIGN_LEAST), _ALIGN_MOST)
    return {id(item) for item in _evenly_spaced(chosen, most)}


def _inspect_stain(
    item: Item, stain: NDArray[Any], names: list[str], fixed: list[Structure], found: _Measurements
) -> None:
    for name, plane in zip(names, stain, strict=True):
        found.stains.setdefault(name, []).append(inspect_image(item, plane[None]))
    if fixed:
        found.add_offset("stain", item.name, _offset(fixed, structure(stain)))


def _inspect_masks(
    item: Item,
    masks: list[NDArray[Any]],
    kinds: list[MaskKind],
    fixed: list[Structure],
    found: _Measurements,
) -> None:
    for target, mask in zip(kinds, masks, strict=True):
        measured = inspect_mask(item, mask, labels=target.labels, invert=target.invert)
        found.masks.setdefault(target.name, []).append(measured)
        if fixed and 0 < measured.coverage < 1:
            what = "mask" if len(kinds) == 1 else f"mask of “{target.name}”"
            found.add_offset(what, item.name, _offset(fixed, structure((mask != 0)[None])))


def _offset(planes: list[Structure], truth: Structure) -> tuple[int, int] | None:
    """Return the largest offset from any focal plane; the contrast of some cancels in a sum."""
    found = [offset for plane in planes if (offset := estimate_offset(plane, truth)) is not None]
    return max(found, key=lambda offset: max(map(abs, offset)), default=None)


def _report_broken(found: _Measurements, report: Findings) -> None:
    for stops in (True, False):
        lines = [text for item, text in found.broken if (item.part != "test") == stops]
        sink = report.errors if stops else report.warnings
        sink.extend(lines[:3])
        if len(lines) > 3:
            names = [item.name for item, _ in found.broken if (item.part != "test") == stops]
            sink.append(
                f"The same or the like in {counted(len(lines) - 3, 'more image')}: "
                f"{named(names[3:])}."
            )


def _report_messages(messages: list[str], report: Findings) -> None:
    """Add what the reader of image files said, of the first files only."""
    every = list(dict.fromkeys(messages))
    report.warnings.extend(every[:3])
    if len(every) > 3:
        report.warnings.append(
            f"The same or the like about {counted(len(every) - 3, 'more file')}."
        )


def _report_all(found: _Measurements, layout: DataLayout, report: Findings) -> None:
    report_classes(layout, report)
    report_images(found.images, layout, report)
    if layout.fixed_scaling:
        report_fixed_scaling(found.images, report)
    if layout.local_scaling:
        report_local_scaling(found.images, report)
    _report_messages(layout.messages, report)
    for target in layout.masks:
        report_masks(
            found.masks.get(target.name, []),
            target.name,
            report,
            labels=target.labels,
            crop_size=layout.crop_size,
        )
    report_stains(found.stains, report)
    for what in dict.fromkeys([*found.offsets, *found.inconclusive]):
        report_offsets(found.offsets.get(what, []), found.inconclusive.get(what, []), what, report)
    report_copies(found.thumbs, report)
