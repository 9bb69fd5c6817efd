"""Sizes, types and intensities of the images of a data folder, reported in sentences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.training.data.wording import counted, named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_cytosynth.training.data.findings import Findings
    from napari_cytosynth.training.data.layout import DataLayout, Item

__all__ = [
    "ImageStats",
    "inspect_image",
    "report_classes",
    "report_fixed_scaling",
    "report_images",
    "report_local_scaling",
    "report_stains",
]

_SAMPLES = 200_000  # pixels of an image that its percentiles are taken from
_CLIPPED = 0.02
_UNLIKE = 8.0


@dataclass(frozen=True, eq=False)
class ImageStats:
    """Statistics of an image, kept without its pixels.

    Attributes
    ----------
    shape
        (Y, X).
    channels
        Number of channels.
    dtype
        Type of the file's pixels.
    low, high
        Percentiles 1 and 99 of all finite pixels.
    least, most
        Smallest and largest finite value.
    bad
        Fraction of the pixels that are NaN or infinite.
    flat
        Indices of the channels that have one value everywhere.
    clipped
        Fraction of the pixels that have the largest value that their type can hold.
    """

    item: Item
    shape: tuple[int, int]
    channels: int
    dtype: np.dtype[Any]
    low: float
    high: float
    least: float
    most: float
    bad: float
    flat: tuple[int, ...]
    clipped: float


def inspect_image(item: Item, image: NDArray[Any]) -> ImageStats:
    """Measure an image.

    Parameters
    ----------
    item
        The image's entry in the layout.
    image
        (C, Y, X), of any real type.
    """
    dtype = image.dtype
    if dtype.kind == "b":  # a mask taken for an image, for example
        image = image.astype(np.uint8)
    finite = np.isfinite(image) if image.dtype.kind == "f" else np.ones((), bool)
    bad = 1 - float(finite.mean())
    pixels = image[finite] if bad else image.reshape(-1)
    if not pixels.size:
        pixels = np.zeros(1)
    low, high = np.percentile(pixels[:: max(1, pixels.size // _SAMPLES)], (1, 99)).tolist()
    least, most = float(pixels.min()), float(pixels.max())
    top = np.iinfo(dtype).max if dtype.kind in "iu" else np.inf
    clipped = float((pixels == top).mean()) if most == top else 0.0
    flat = tuple(c for c, plane in enumerate(image) if _is_flat(plane))
    height, width = image.shape[-2:]
    return ImageStats(
        item, (height, width), len(image), dtype, low, high, least, most, bad, flat, clipped
    )


def _is_flat(plane: NDArray[Any]) -> bool:
    finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
    return not finite.size or bool(finite.min() == finite.max())


def report_images(stats: Sequence[ImageStats], layout: DataLayout, report: Findings) -> None:
    """Report sizes, types, intensities, and images that are empty or too small."""
    if not stats:
        return
    _report_shapes(stats, layout, report)
    _report_intensities(stats, "image", report)
    _report_bad(stats, "image", report)
    _report_unlike(stats, "image", report)
    _report_small(stats, layout, report)


def _names(stats: Sequence[ImageStats], test: Callable[[ImageStats], object]) -> list[str]:
    return [item.item.name for item in stats if test(item)]


def _report_shapes(stats: Sequence[ImageStats], layout: DataLayout, report: Findings) -> None:
    shapes = Counter(item.shape for item in stats)
    common, times = shapes.most_common(1)[0]
    size = f"{common[0]} × {common[1]} px"
    if len(shapes) > 1:
        low, high = np.min(list(shapes), 0), np.max(list(shapes), 0)
        size = (
            f"{len(shapes)} sizes, from {low[0]} × {low[1]} to {high[0]} × {high[1]} px; most "
            f"often {size} ({times} of {len(stats)})"
        )
    channels = Counter(item.channels for item in stats).most_common(1)[0][0]
    there = _in_channels(channels // layout.planes)
    if layout.planes > 1:
        there = f"{layout.planes} focal planes of {there}"
    report.facts.append(f"Size (height × width): {size}, {there}.")


def _in_channels(number: int) -> str:
    return "one channel" if number == 1 else f"{number} channels"


def _report_intensities(stats: Sequence[ImageStats], what: str, report: Findings) -> None:
    kinds = Counter(str(item.dtype) for item in stats)
    ranges = "; ".join(
        f"{kind} ({_range([item for item in stats if str(item.dtype) == kind])})" for kind in kinds
    )
    report.facts.append(f"Intensities of each {what}: {ranges}.")
    if len(kinds) > 1:
        few = min(kinds, key=kinds.__getitem__)
        names = _names(stats, lambda item: str(item.dtype) == few)
        report.warnings.append(
            f"The {what}s are of different types ({_listed(kinds)}); of {few} are "
            f"{named(names)}. Were they exported in the same way?"
        )


def _listed(kinds: Counter[str]) -> str:
    return ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _range(stats: Sequence[ImageStats]) -> str:
    least, most = min(item.least for item in stats), max(item.most for item in stats)
    low, high = np.median([(item.low, item.high) for item in stats], 0)
    return (
        f"{_number(least)} to {_number(most)}; in a typical one, 98 % of the pixels lie between "
        f"{_number(low)} and {_number(high)}"
    )


def _report_bad(stats: Sequence[ImageStats], what: str, report: Findings) -> None:
    if flat := _names(stats, lambda item: item.flat):
        report.warnings.append(
            f"{counted(len(flat), what)} with the same value everywhere (in at least one channel): "
            f"{named(flat)}. Nothing can be learned from an empty image; take it away, unless it "
            "is a blank on purpose."
        )
    if clipped := _names(stats, lambda item: item.clipped > _CLIPPED and not item.flat):
        report.warnings.append(
            f"{counted(len(clipped), what)} overexposed (more than {_CLIPPED:.0%} of the pixels "
            f"at the largest possible value): {named(clipped)}."
        )
    nan = _names(stats, lambda item: item.bad)
    if nan and what == "image":
        report.warnings.append(
            f"{counted(len(nan), what)} with pixels without a number (NaN or infinite): "
            f"{named(nan)}. They count as 0 after scaling; repair them if they are many."
        )


def _report_unlike(stats: Sequence[ImageStats], what: str, report: Findings) -> None:
    """Report images whose contrast is many times higher or lower than that of the others."""
    for kind in {item.dtype for item in stats}:
        same = [item for item in stats if item.dtype == kind and len(item.flat) < item.channels]
        if len(same) < 5:
            continue
        spans = np.array([max(item.high - item.low, 1e-9) for item in same])
        ratio = spans / np.median(spans)
        unlike = np.flatnonzero((ratio > _UNLIKE) | (ratio < 1 / _UNLIKE))
        if 0 < unlike.size <= max(1, len(same) // 10):
            names = [same[index].item.name for index in unlike]
            report.warnings.append(
                f"{counted(len(names), what)} with a range of intensities more than {_UNLIKE:.0f} "
                f"times wider or narrower than usual: {named(names)}. Is the exposure another one, "
                "or the field nearly empty?"
            )


def _report_small(stats: Sequence[ImageStats], layout: DataLayout, report: Findings) -> None:
    small = _names(stats, lambda item: min(item.shape) < layout.crop_size)
    if not small:
        return
    size = layout.crop_size
    line = f"{counted(len(small), 'image')} smaller than a crop of {size} px: {named(small)}. "
    if layout.pads:
        line += "They are filled up with their mirror images; a smaller data.crop_size avoids it."
        report.warnings.append(line)
    else:
        line += "Choose a smaller data.crop_size (or data.shrink), or take them away."
        report.errors.append(line)


def report_stains(stains: dict[str, list[ImageStats]], report: Findings) -> None:
    """Report the intensities of each stain, and values that stop the training."""
    for name, stats in stains.items():
        if not stats:
            continue
        what = f"“{name}” stain"
        _report_intensities(stats, what, report)
        _report_bad(stats, what, report)
        _report_unlike(stats, what, report)
        train = [item for item in stats if item.item.part == "train"]
        if train and all(item.flat for item in train):
            report.errors.append(f"The stain “{name}” has the same value everywhere.")
        if nan := _names(stats, lambda item: item.bad):
            report.errors.append(
                f"The stain “{name}” has pixels without a number (NaN or infinite) in "
                f"{named(nan)}. Repair or remove these fields."
            )


def report_fixed_scaling(stats: Sequence[ImageStats], report: Findings) -> None:
    """Report images that fixed scaling makes nearly black, or clips to white."""
    if dim := _names(stats, lambda item: item.most < _full(item.dtype) / 8):
        report.warnings.append(
            "data.scaling is “fixed”, which divides whole numbers by the largest that their type "
            f"can hold, but {counted(len(dim), 'image')} use less than an eighth of that range "
            f"and would be nearly black: {named(dim)}. Use “image” or “source”."
        )
    if beyond := _names(stats, lambda item: item.dtype.kind == "f" and item.most > 1):
        report.warnings.append(
            "data.scaling is “fixed”, which takes numbers with a decimal point as they are, from "
            f"0 to 1; what lies above becomes white in {counted(len(beyond), 'image')}: "
            f"{named(beyond)}. Use “image” or “source”."
        )


def report_local_scaling(stats: Sequence[ImageStats], report: Findings) -> None:
    """Report images that are not proportional to light, which a local mean cannot scale."""
    if below := _names(stats, lambda item: item.low < 0):
        report.warnings.append(
            "data.normalisation is “local”, which divides by the brightness around each pixel and "
            f"needs intensities that are proportional to light, but {counted(len(below), 'image')} "
            f"have numbers below 0: {named(below)}. Scaled so, they reach extreme values. Use "
            "normalisation: {kind: zscore}, or images from which no mean was subtracted."
        )


def _full(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def report_classes(layout: DataLayout, report: Findings) -> None:
    """Report how many images each class has in each part."""
    classes = layout.classes
    if len(classes) < 2:
        return
    for part, purpose in (("train", "to train on"), ("validation", "to validate with")):
        numbers = Counter(item.label for item in layout.part(part))
        if not numbers:
            continue
        listed = ", ".join(f"{name} {numbers[i]:,}" for i, name in enumerate(classes))
        report.facts.append(f"Classes {purpose}: {listed}.")
        empty = [name for i, name in enumerate(classes) if not numbers[i]]
        if empty:
            line = f"No image {purpose} of the class {named(empty)}."
            (report.errors if part == "train" else report.warnings).append(line)
        elif part == "train" and max(numbers.values()) > 3 * min(numbers.values()):
            least = min(range(len(classes)), key=numbers.__getitem__)
            report.warnings.append(
                f"The classes are out of balance ({listed}): “{classes[least]}” will be learned "
                "worst. Add images of it, or take some of the others away."
            )
