"""Corrections applied to labels, whatever the threshold that these were made at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_cytosynth.tasks.common.axes import plane_slices, runs_along_z

from .records import KINDS
from .strokes import parts_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from napari_cytosynth.tasks.common.axes import Plane

    from .records import Correction, Corrections, Target

__all__ = ["Applied", "apply_corrections", "correct_plane", "correct_run"]

_GROWN = 2.0  # area by which an object may differ and still be the one that was corrected
_STEP = 16  # px by which a window is widened in which an object does not fit


@dataclass
class Applied:
    """What became of corrections.

    Attributes
    ----------
    names
        What was done to the objects, by label: ``merged``, ``cut``, ``painted``, ``accepted``.
    open
        Corrections without effect, since at this threshold their object is not there, or has
        become one with others.
    """

    names: dict[int, str] = field(default_factory=dict)
    open: list[Correction] = field(default_factory=list)
    last: int = 0
    """The highest number so far."""

    def new_label(self) -> int:
        """Return a number that no object has."""
        self.last += 1
        return self.last


def apply_corrections(
    labels: npt.NDArray[np.int32], axes: str, corrections: Corrections, *, linked: bool
) -> Applied:
    """Correct labels in place.

    Parameters
    ----------
    labels
        int32, of all planes, before any correction; 0 is background.
    axes
        Letters of their axes.
    corrections
        Of the user.
    linked
        Whether an object has its number in all planes of a run along Z: then it is merged, cut
        and deleted in all of them. An object is painted in one plane.

    Returns
    -------
    Applied
        Numbers of new objects lie above all others; those of objects that are gone are missing.
    """
    applied = Applied(last=int(labels.max(initial=0)))
    runs = list(runs_along_z(axes, labels.shape).values()) if linked else []
    for one in corrections.done:
        run = next((run for run in runs if one.plane in run), [one.plane])
        planes = [labels[plane_slices(axes, plane)] for plane in run]
        here = labels[plane_slices(axes, one.plane)]
        _apply(one, here, planes, applied)
    return applied


def correct_plane(labels: npt.NDArray[np.int32], corrections: Iterable[Correction]) -> Applied:
    """Correct the labels (Y, X) of one plane in place, by the corrections made in it."""
    applied = Applied(last=int(labels.max(initial=0)))
    for one in corrections:
        _apply(one, labels, [labels], applied)
    return applied


def correct_run(
    labels: Mapping[Plane, npt.NDArray[np.int32]], corrections: Iterable[Correction]
) -> Applied:
    """Correct some planes (Y, X) of a linked run in place, by the corrections made in them.

    Parameters
    ----------
    labels
        Of each plane, by its index; an object has its number in all of them.
    corrections
        Those that were made in other planes are left out.
    """
    planes = list(labels.values())
    applied = Applied(last=max((int(plane.max(initial=0)) for plane in planes), default=0))
    for one in corrections:
        if one.plane in labels:
            _apply(one, labels[one.plane], planes, applied)
    return applied


def _apply(
    one: Correction,
    here: npt.NDArray[np.int32],
    planes: list[npt.NDArray[np.int32]],
    applied: Applied,
) -> None:
    """Do one correction: `here` is its plane, `planes` those that its objects are in."""
    if one.mask is not None:
        where, inside = one.mask.pixels()
        new = applied.new_label()
        here[where][inside] = new
        applied.names[new] = KINDS["paint"]
        return
    found = [_find(here, target) for target in one.targets]
    if one.kind == "cut":
        _cut(one, found, here, planes, applied)
    elif not all(found):
        applied.open.append(one)
    elif one.kind == "accept":
        applied.names.setdefault(found[0], KINDS["accept"])
    else:
        _renumber(planes, one, found, 0 if one.kind == "delete" else found[0])
        for label in found:
            applied.names.pop(label, None)
        if one.kind == "merge":
            applied.names[found[0]] = KINDS["merge"]


def _find(here: npt.NDArray[np.int32], target: Target) -> int:
    """Return the label of an object, or 0 where it is gone or one with others."""
    label = int(here[target.anchor])
    if not label:
        return 0
    area = np.count_nonzero(here[_window(here, label, target)] == label)
    return label if area <= _GROWN * target.area else 0


def _window(here: npt.NDArray[np.int32], label: int, target: Target) -> tuple[slice, slice]:
    """Return a window that an object lies in: the one it had, widened until it fits."""
    top, left, bottom, right = target.window
    while True:
        where = np.s_[max(top, 0) : bottom, max(left, 0) : right]
        inside = here[where] == label
        open_sides = (
            top > 0 and inside[0].any(),
            left > 0 and inside[:, 0].any(),
            bottom < here.shape[0] and inside[-1].any(),
            right < here.shape[1] and inside[:, -1].any(),
        )
        if not any(open_sides):
            return where
        top, left = top - _STEP * open_sides[0], left - _STEP * open_sides[1]
        bottom, right = bottom + _STEP * open_sides[2], right + _STEP * open_sides[3]


def _renumber(
    planes: list[npt.NDArray[np.int32]], one: Correction, old: list[int], new: int
) -> None:
    """Give objects another number, in all their planes."""
    for plane in planes:
        for label, target in zip(old, one.targets, strict=True):
            part = plane if len(planes) > 1 else plane[_window(plane, label, target)]
            part[part == label] = new


def _cut(
    one: Correction,
    found: list[int],
    here: npt.NDArray[np.int32],
    planes: list[npt.NDArray[np.int32]],
    applied: Applied,
) -> None:
    """Give the smaller part of an object a number of its own, unless the parts are apart."""
    whole, other = (int(here[target.anchor]) for target in one.targets)
    if 0 in (whole, other) or whole != other:
        # what a threshold left of the object is one part, or the parts by themselves
        if not (whole or other):
            applied.open.append(one)
        return
    fits = _window(here, whole, one.targets[0])
    where = fits if len(planes) == 1 else np.s_[0 : here.shape[0], 0 : here.shape[1]]
    inside, top, left = here[where] == whole, where[0].start, where[1].start
    parts = None
    if np.count_nonzero(inside) <= _GROWN * sum(target.area for target in one.targets):
        parts = parts_beside(inside, [(y - top, x - left) for y, x in one.stroke])
    anchors = [(target.anchor[0] - top, target.anchor[1] - left) for target in one.targets]
    if parts is None or parts[anchors[0]] == parts[anchors[1]]:
        applied.open.append(one)
        return
    new = applied.new_label()
    for plane in planes:
        part = plane[where]
        part[(part == whole) & (parts == parts[anchors[1]])] = new
    applied.names |= {whole: KINDS["cut"], new: KINDS["cut"]}
