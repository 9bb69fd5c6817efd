"""Records of what a user corrected by hand: plain values, which a provenance record can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.tasks.common.region import bounding_box

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

__all__ = ["KINDS", "Correction", "Corrections", "Mask", "Target", "part_of", "window_of"]

KINDS = {
    "merge": "merged",
    "cut": "cut",
    "delete": "deleted",
    "paint": "painted",
    "accept": "accepted",
}
"""Kinds of corrections, and what the table calls an object that underwent one."""

Plane = tuple[int, ...]
Window = tuple[int, int, int, int]


def window_of(inside: npt.NDArray[np.bool_]) -> Window:
    """Return top, left, bottom and right (exclusive) of the pixels of a mask that has some."""
    box = bounding_box(inside)
    assert box is not None
    return box[0].start, box[1].start, box[0].stop, box[1].stop


def part_of(window: Window) -> tuple[slice, slice]:
    """Return the rows and columns of a window."""
    top, left, bottom, right = window
    return slice(top, bottom), slice(left, right)


@dataclass(frozen=True)
class Target:
    """An object that a correction is about, found again at other thresholds.

    Attributes
    ----------
    anchor
        (y, x) of its most probable pixel, which is the last of it that a threshold leaves.
    window
        Top, left, bottom and right (exclusive) of it when it was corrected.
    area
        Its pixels in the plane when it was corrected.
    """

    anchor: tuple[int, int]
    window: Window
    area: int


@dataclass(frozen=True)
class Mask:
    """Pixels of a painted object, as lengths of runs.

    Attributes
    ----------
    window
        Top, left, bottom and right (exclusive).
    runs
        Lengths of runs of pixels outside and inside in turn, row by row, beginning outside.
    """

    window: Window
    runs: tuple[int, ...]

    @classmethod
    def of(cls, inside: npt.NDArray[np.bool_]) -> Mask:
        """Return the record of a mask (Y, X) that has at least one pixel."""
        window = window_of(inside)
        flat = inside[part_of(window)].ravel()
        changes = np.flatnonzero(np.diff(flat, prepend=False, append=False))
        ends = np.concatenate([[0], changes, [flat.size]])
        runs = tuple(int(length) for length in np.diff(ends))
        return cls(window, runs)

    def pixels(self) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
        """Return where in a plane the window lies, and which of its pixels are inside."""
        rows, columns = where = part_of(self.window)
        inside = np.arange(len(self.runs)) % 2 == 1
        shape = rows.stop - rows.start, columns.stop - columns.start
        return where, np.repeat(inside, self.runs).reshape(shape)


@dataclass(frozen=True)
class Correction:
    """One correction of labels by hand.

    Attributes
    ----------
    kind
        ``merge``, ``cut``, ``delete``, ``paint`` or ``accept``.
    plane
        Index of the plane into the axes before Y and X; ``()`` for a single plane.
    targets
        The objects: two or more to merge, the two parts of one that is cut, none to paint.
    stroke
        Vertices (y, x) of the line of a cut. Default: none.
    mask
        The pixels of a painted object. Default: None.
    """

    kind: str
    plane: Plane
    targets: tuple[Target, ...] = ()
    stroke: tuple[tuple[float, float], ...] = ()
    mask: Mask | None = None


@dataclass(frozen=True)
class Corrections:
    """All corrections of a segmentation, in their order; a new value for each change.

    Attributes
    ----------
    done
        The corrections. Default: none.
    looked_at
        Planes in which every object was looked at. Default: none.
    """

    done: tuple[Correction, ...] = ()
    looked_at: frozenset[Plane] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.done or self.looked_at)

    def add(self, correction: Correction) -> Corrections:
        """Return these and one more."""
        return replace(self, done=(*self.done, correction))

    def join(self, others: Corrections) -> Corrections:
        """Return these, and those of others that are not among them."""
        known = set(self.done)
        new = tuple(one for one in others.done if one not in known)
        return Corrections((*self.done, *new), self.looked_at | others.looked_at)

    def mark(self, plane: Plane, *, seen: bool = True) -> Corrections:
        """Return these with a plane marked as looked at, or no longer."""
        planes = self.looked_at | {plane} if seen else self.looked_at - {plane}
        return replace(self, looked_at=planes)

    def in_plane(self, plane: Plane) -> tuple[Correction, ...]:
        """Return the corrections that were made in a plane."""
        return tuple(one for one in self.done if one.plane == plane)

    def record(self) -> dict[str, Any]:
        """Return plain values for a provenance record."""
        kept = [
            {name: value for name, value in asdict(one).items() if value not in ((), None)}
            | {"plane": list(one.plane)}
            for one in self.done
        ]
        return {"done": kept, "looked_at": sorted(list(plane) for plane in self.looked_at)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Corrections:
        """Return the corrections of a record.

        Raises
        ------
        InputError
            If it is none.
        """
        try:
            done = tuple(_correction(one) for one in record["done"])
            looked_at = frozenset(tuple(map(int, plane)) for plane in record["looked_at"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError("The corrections in this record cannot be read.") from error
        return cls(done, looked_at)


def _correction(values: Mapping[str, Any]) -> Correction:
    if values["kind"] not in KINDS:
        raise ValueError(values["kind"])
    mask = values.get("mask")
    return Correction(
        values["kind"],
        tuple(map(int, values["plane"])),
        tuple(_target(one) for one in values.get("targets", ())),
        tuple((float(y), float(x)) for y, x in values.get("stroke", ())),
        None if mask is None else Mask(_window(mask), tuple(map(int, mask["runs"]))),
    )


def _target(values: Mapping[str, Any]) -> Target:
    y, x = map(int, values["anchor"])
    return Target((y, x), _window(values), int(values["area"]))


def _window(values: Mapping[str, Any]) -> Window:
    top, left, bottom, right = map(int, values["window"])
    return top, left, bottom, right
