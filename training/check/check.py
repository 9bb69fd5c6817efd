"""Look at a data folder before anything is trained on it: ``cytosynth train … --check``."""

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
from .images import look, report_classes, report_fixed_scaling, report_images, report_stains
from .layout import find_layout
from .masks import look_at_mask, report_masks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.layout import DataLayout, Item, MaskKind
    from napari_cytosynth.training.recipe.base import Recipe

    from .alignment import Structure
    from .images import Look
    from .masks import MaskLook

__all__ = ["check_data"]

MOST = 1000
"""Images that are opened, at most."""
_ALIGN_PIXELS, _ALIGN_LEAST, _ALIGN_MOST = 16_000_000, 8, 24


@dataclass
class _Found:
    """What was measured of all images, without their pixels."""

    looks: list[Look] = field(default_factory=list)
    thumbs: list[tuple[Item, NDArray[np.float32]]] = field(default_factory=list)
    masks: dict[str, list[MaskLook]] = field(default_factory=dict)
    stains: dict[str, list[Look]] = field(default_factory=dict)
    offsets: dict[str, list[Offset]] = field(default_factory=dict)
    untold: dict[str, list[str]] = field(default_factory=dict)
    broken: list[tuple[Item, str]] = field(default_factory=list)

    def told(self, what: str, name: str, offset: tuple[int, int] | None) -> None:
        """Note the offset of a mask or stain."""
        if offset is None:
            self.untold.setdefault(what, []).append(name)
        else:
            self.offsets.setdefault(what, []).append(Offset(name, *offset))


def check_data(recipe: Recipe, data_dir: Path) -> Findings:
    """Look at the images of a folder as a recipe would take them; nothing is trained.

    Parameters
    ----------
    recipe
        The validated recipe.
    data_dir
        Folder that the recipe's folders are in.

    Returns
    -------
    Findings
        Problems, warnings and facts in words. Of a large folder a part is opened, and the
        facts say so.
    """
    report = Findings(f"A look at “{data_dir}” for the recipe “{recipe.name}”; nothing is trained.")
    try:
        layout = find_layout(recipe, data_dir, report)
    except (RecipeError, InputError) as error:
        report.errors.append(str(error))
        return report
    chosen = _chosen(layout, report)
    found = _look_at_all(chosen, layout)
    _report_broken(found, report)
    _report_all(found, layout, report)
    return report


def _spread(items: list[Item], most: int) -> list[Item]:
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
        chosen += _spread(items, max(1, MOST * len(items) // total) if items else 0)
    report.facts.append(
        f"Opened {len(chosen):,} of {total:,} images, at even distances; what follows is about "
        "these, and copies among the others are not noticed."
    )
    return chosen


def _read(item: Item) -> list[NDArray[Any]]:
    """Return the image, and masks or stains; only the files' own errors name the file."""
    planes = [item.read(), *(read() for read in item.read_truths)]
    try:
        return [real_numbers(plane) for plane in planes]
    except InputError as error:
        raise InputError(f"“{item.name}”: {error}") from error


def _look_at_all(chosen: list[Item], layout: DataLayout) -> _Found:
    found = _Found()
    aligned: set[int] | None = None
    for item in tqdm(chosen, desc="Looking at the images", disable=None, leave=False):
        try:
            image, *truths = _read(item)
        except (InputError, RecipeError) as error:
            found.broken.append((item, str(error)))
            continue
        if aligned is None:
            aligned = _to_align(chosen, image, truths)
        found.looks.append(look(item, image))
        if (thumb := thumbnail(image)) is not None:
            found.thumbs.append((item, thumb))
        shapes = {truth.shape[-2:] for truth in truths}
        if shapes - {image.shape[-2:]}:
            sizes = " and ".join(f"{height} × {width}" for height, width in sorted(shapes))
            size = f"{image.shape[-2]} × {image.shape[-1]}"
            found.broken.append((item, f"“{item.name}” is {size} px, its mask or stain {sizes}."))
            continue
        ours = structure(image) if truths and id(item) in aligned else None
        if layout.stains:
            _look_at_stain(item, truths[0], layout.stains, ours, found)
        else:
            _look_at_masks(item, truths, layout.masks, ours, found)
    return found


def _to_align(chosen: list[Item], image: NDArray[Any], truths: list[NDArray[Any]]) -> set[int]:
    size = image.size + sum(truth.size for truth in truths)
    most = min(max(_ALIGN_PIXELS // size, _ALIGN_LEAST), _ALIGN_MOST)
    return {id(item) for item in _spread(chosen, most)}


def _look_at_stain(
    item: Item, stain: NDArray[Any], names: list[str], ours: Structure | None, found: _Found
) -> None:
    for name, plane in zip(names, stain, strict=True):
        found.stains.setdefault(name, []).append(look(item, plane[None]))
    if ours is not None:
        found.told("stain", item.name, estimate_offset(ours, structure(stain)))


def _look_at_masks(
    item: Item,
    masks: list[NDArray[Any]],
    kinds: list[MaskKind],
    ours: Structure | None,
    found: _Found,
) -> None:
    for target, mask in zip(kinds, masks, strict=True):
        measured = look_at_mask(item, mask, labels=target.labels, invert=target.invert)
        found.masks.setdefault(target.name, []).append(measured)
        if ours is not None and 0 < measured.coverage < 1:
            what = "mask" if len(kinds) == 1 else f"mask of “{target.name}”"
            found.told(what, item.name, estimate_offset(ours, structure((mask != 0)[None])))


def _report_broken(found: _Found, report: Findings) -> None:
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


def _report_all(found: _Found, layout: DataLayout, report: Findings) -> None:
    report_classes(layout, report)
    report_images(found.looks, layout, report)
    if layout.fixed_scaling:
        report_fixed_scaling(found.looks, report)
    for target in layout.masks:
        report_masks(
            found.masks.get(target.name, []),
            target.name,
            report,
            labels=target.labels,
            crop_size=layout.crop_size,
        )
    report_stains(found.stains, report)
    for what in dict.fromkeys([*found.offsets, *found.untold]):
        report_offsets(found.offsets.get(what, []), found.untold.get(what, []), what, report)
    report_copies(found.thumbs, report)
