"""Outlines from a file, filled into labels, with the table of their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.memory import require_memory

from .filling import fill
from .model import LabelledObjects
from .rows import make_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_cytosynth.progress import Progress

    from .model import OutlinedObject
    from .outlines import Polygon
    from .space import Description, Space

    Index = tuple[int, ...]

__all__ = ["assemble"]


def assemble(
    found: Sequence[OutlinedObject],
    space: Space,
    description: Description,
    progress: Progress,
) -> LabelledObjects:
    """Fill outlines into labels, number those without a number, and make their table.

    Parameters
    ----------
    found
        What the file holds; coordinates are finite.
    space
        Shape and axes of the labels.
    description
        Keys and columns of the table, as far as the file says.
    progress
        Called after each plane.

    Returns
    -------
    LabelledObjects
        With a message about whatever does not stand in it as in the file.
    """
    require_memory(
        float(np.prod([*map(float, space.shape)])) * 16,
        "An image of this size",
        "Read a part of it, or check the shape.",
    )
    return _Assembly(found, space, description).run(progress)


class _Assembly:
    def __init__(
        self, found: Sequence[OutlinedObject], space: Space, description: Description
    ) -> None:
        self.space, self.description = space, description
        self.found = found
        self.messages: list[str] = []
        self.planes = self._by_plane()
        self.numbers = self._numbered()
        self.left: dict[tuple[int, Index], Any] = {}

    def run(self, progress: Progress) -> LabelledObjects:
        largest = max(self.numbers, default=0)
        kind = np.int32 if largest <= np.iinfo(np.int32).max else np.int64
        labels = np.zeros(self.space.shape, kind)
        nuclei = np.zeros_like(labels) if any(one.nucleus for one in self.found) else None
        counts: dict[str, int] = {}
        for done, index in enumerate(sorted(self.planes)):
            progress(done, len(self.planes), "Filling outlines")
            for name, count in self._fill(index, labels, nuclei).items():
                counts[name] = counts.get(name, 0) + count
        progress(len(self.planes), len(self.planes), "Filling outlines")
        self._report(counts)
        table, pixel_size = self._table(), self.space.pixel_size
        return LabelledObjects(
            labels, table, self.space.axes, pixel_size, nuclei, messages=self.messages,
            provenance=self.description.provenance,
        )  # fmt: skip

    # -- where and which ------------------------------------------------------------------

    def _by_plane(self) -> dict[Index, list[int]]:
        """Return the objects of each plane, by their place in the file."""
        planes: dict[Index, list[int]] = {}
        lost = 0
        leading = self.space.leading
        for number, one in enumerate(self.found):
            place = one.place
            if any(value and axis not in leading for axis, value in place.items()) or any(
                not 0 <= place.get(axis, 0) < size for axis, size in leading.items()
            ):
                lost += 1
                continue
            ranges = [[place[a]] if a in place else range(size) for a, size in leading.items()]
            for index in np.ndindex(*map(len, ranges)):
                spot = tuple(ranges[n][i] for n, i in enumerate(index))
                planes.setdefault(spot, []).append(number)
        self._add(lost, "{} on a plane that the image does not have", "left out")
        return planes

    def _numbered(self) -> list[int]:
        """Return a number for each object: its own, unless another one of its plane has it."""
        taken: set[tuple[int, Index]] = set()
        places: dict[int, list[Index]] = {}
        for index, numbers in self.planes.items():
            for number in numbers:
                places.setdefault(number, []).append(index)
        labels = [one.label or 0 for one in self.found]
        twice = 0
        for number, label in enumerate(labels):
            spots = {(label, index) for index in places.get(number, [])}
            if label and spots & taken:
                labels[number] = 0
                twice += 1
            taken |= spots
        self._add(twice, "{} with the number of another one on its plane", "numbered anew")
        used, following = {*labels}, 1
        for number, label in enumerate(labels):
            if label == 0:
                while following in used:
                    following += 1
                labels[number] = following
                following += 1
        return labels

    # -- pixels ---------------------------------------------------------------------------

    def _fill(
        self, index: Index, labels: npt.NDArray[Any], nuclei: npt.NDArray[Any] | None
    ) -> dict[str, int]:
        numbers = self.planes[index]
        plane: tuple[int, int] = self.space.shape[-2:]  # type: ignore[assignment]
        some = [self.found[number] for number in numbers]
        filled = fill([one.polygons for one in some], plane)
        ids = np.array([0, *(self.numbers[number] for number in numbers)], labels.dtype)
        labels[index] = ids[filled.owner]
        if nuclei is not None:
            inside = fill([one.nucleus for one in some], plane).owner
            nuclei[index] = np.where(inside == filled.owner, ids[inside], 0)
        kept = np.bincount(filled.owner.ravel(), minlength=len(ids))[1:] > 0
        for number in np.array(numbers)[kept].tolist():
            self.left.setdefault((self.numbers[number], index), self.found[number].values)
        bounds = [_bounds(one.polygons) for one in some]
        beyond = np.array([_beyond(bound, plane) for bound in bounds], int).reshape(-1)
        return {
            "outside": int(np.sum((beyond == 2) & ~kept)),
            "cut": int(np.sum((beyond == 1) & kept)),
            "tiny": int(np.sum((beyond < 2) & (filled.sizes == 0))),
            "hidden": int(np.sum((filled.sizes > 0) & ~kept)),
            "contested": filled.contested,
        }

    def _report(self, counts: dict[str, int]) -> None:
        self._add(counts.get("outside", 0), "{} outside the image", "left out")
        self._add(counts.get("tiny", 0), "{} that cover the centre of no pixel", "left out")
        self._add(counts.get("cut", 0), "{} that reach beyond the image", "cut at its border")
        if pixels := counts.get("contested", 0):
            of = f"{pixels:,} pixel{'s belong' if pixels > 1 else ' belongs'}"
            self.messages.append(
                f"{of} to several objects of the file: in labels the smaller object has "
                f"{'them' if pixels > 1 else 'it'}."
            )
        self._add(counts.get("hidden", 0), "{} that smaller ones cover wholly", "left out")

    def _add(self, count: int, what: str, end: str) -> None:
        if count:
            objects = what.format(f"{count:,} object{'s' * (count > 1)}")
            if count == 1:
                objects = objects.replace("that cover ", "that covers ").replace(
                    "that reach ", "that reaches "
                )
            self.messages.append(f"{objects} {'were' if count > 1 else 'was'} {end}.")

    def _table(self) -> Any:
        axes = self.space.axes[:-2].lower()
        keys = self.description.keys or ("label", *(axis for axis in axes if axis == "t"))
        keys = tuple(key for key in keys if key == "label" or key in axes)
        rows = (
            ((label, *(index[axes.index(key)] for key in keys[1:])), values)
            for (label, index), values in sorted(self.left.items(), key=lambda item: item[0])
        )
        return make_table(keys, rows, self.description.kinds)


def _bounds(polygons: Sequence[Polygon]) -> npt.NDArray[np.float64]:
    """Return the least and the largest x and y (2, 2)."""
    points = [ring for polygon in polygons for ring in polygon if len(ring)]
    if not points:
        return np.zeros((2, 2))
    whole = np.concatenate(points)
    return np.stack([whole.min(axis=0), whole.max(axis=0)])


def _beyond(bounds: npt.NDArray[np.float64], plane: tuple[int, int]) -> int:
    """Return 0 for what lies within the image, 1 for what leaves it, 2 for what is not in it."""
    (left, top), (right, bottom) = bounds
    if right <= 0 or bottom <= 0 or left >= plane[1] or top >= plane[0]:
        return 2 if right > left or bottom > top else 0
    return int(left < 0 or top < 0 or right > plane[1] or bottom > plane[0])
