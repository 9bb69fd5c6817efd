"""Corrections that were saved with a result, for the same segmentation made again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import InputError
from napari_cytosynth.files import user_path
from napari_cytosynth.tasks.correct import Corrections
from napari_cytosynth.tasks.export.inspection import find_provenance
from napari_cytosynth.tasks.export.records import image_of, pixel_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_cytosynth.tasks.common.layers import Source

__all__ = ["check_fit", "corrections_for", "fingerprint", "read_corrected_record", "said_of_open"]

_SAMPLED = 1 << 22
"""Values of an image that its fingerprint is made from, about, at most."""
_PLACE = ("axes", "shape", "position")
"""Of a result: its corrections are places in it."""


def fingerprint(source: Source) -> str | None:
    """Return a digest of the values of an image on a grid, by which it is known again.

    None where there are no pixels.
    """
    data = source.data
    size = math.prod(data.shape)
    if not size:
        return None
    step = math.ceil(math.sqrt(size / _SAMPLED))
    largest = np.argsort(data.shape)[-2:]
    where = tuple(slice(None, None, step if n in largest else None) for n in range(data.ndim))
    return pixel_digest(np.asarray(data[where]))


def read_corrected_record(path: str | Path) -> dict[str, Any]:
    """Return the provenance record of a saved result that was corrected by hand.

    Parameters
    ----------
    path
        The folder of the result, its record (``provenance.json``), one of its TIFFs, or its
        OME-Zarr.

    Raises
    ------
    InputError
        If there is none.
    """
    file = user_path(path)
    if file.name == "zarr.json":  # a dialog offers files alone
        path = file.parent
    records = [found.record for found in find_provenance(path)]
    corrected = [one for one in records if isinstance(one.get("corrections"), dict)]
    if not corrected:
        raise InputError(
            f"“{path}” holds no corrections by hand. Choose what “Save corrected…” wrote: its "
            "folder, provenance.json or labels.tif."
        )
    if len({str(one["corrections"]) for one in corrected}) > 1:
        raise InputError(f"“{path}” holds several corrected results: choose one of their files.")
    return corrected[0]


def corrections_for(
    record: Mapping[str, Any], own: Mapping[str, Any], source: Source, name: str
) -> Corrections:
    """Return the corrections of a record, if it is of a segmentation of the same image.

    Parameters
    ----------
    record
        Provenance record of the result that was corrected.
    own
        Provenance record of the one that they are for, with ``corrections``.
    source
        The image of the latter.
    name
        Of what the record was read from, for messages.

    Raises
    ------
    InputError
        If it is of another image, or of other planes of it.
    """
    saved = record.get("corrections")
    if not isinstance(saved, dict):
        raise InputError(f"“{name}” holds no corrections by hand.")
    found = Corrections.from_record(saved)
    digest = saved.get("image")
    if digest is None:
        same = _described(record) == _described(own)
    else:
        same = digest == fingerprint(source)
    if not same:
        raise InputError(
            f"“{name}” holds corrections of {_named(record)}, and this is a segmentation of "
            f"{_named(own)}, which has other pixels: segment that image, and load them there."
        )
    if any(key in saved and saved[key] != own["corrections"][key] for key in _PLACE):
        raise InputError(
            f"“{name}” holds corrections of other planes of this image: segment those, and load "
            "them there."
        )
    return found


def _named(record: Mapping[str, Any]) -> str:
    return image_of(dict(record)) or "another image"


def check_fit(corrections: Corrections, axes: str, shape: tuple[int, ...]) -> None:
    """Raise InputError if corrections are not of an image of these axes and this shape."""
    sizes = dict(zip(axes, shape, strict=True))
    leading = [size for axis, size in sizes.items() if axis not in "YX"]
    height, width = sizes["Y"], sizes["X"]
    planes = {*(one.plane for one in corrections.done), *corrections.looked_at}
    fits = all(
        len(plane) == len(leading)
        and all(0 <= at < size for at, size in zip(plane, leading, strict=True))
        for plane in planes
    )
    boxes = [target.window for one in corrections.done for target in one.targets]
    boxes += [one.mask.window for one in corrections.done if one.mask is not None]
    fits = fits and all(
        min(top, left) >= 0 and bottom <= height and right <= width
        for top, left, bottom, right in boxes
    )
    if not fits:
        raise InputError("These corrections are of an image of another shape.")


def _described(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says of its image, wherever its file is now."""
    source = record.get("source")
    return {} if not isinstance(source, dict) else {k: v for k, v in source.items() if k != "path"}


def said_of_open(count: int, total: int) -> str:
    """Return a sentence about corrections that were loaded, and how many do not apply."""
    noun = "correction" if total == 1 else "corrections"
    if not count:
        return f"Loaded {total} {noun}; all apply."
    verb = "does not apply: its object is" if count == 1 else "do not apply: their objects are"
    return (
        f"Loaded {total} {noun}; {count} of them {verb} not there at this threshold, or have "
        "become one with others."
    )
