"""The plan of a batch: what each file holds, where its result goes, and what cannot be done."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.files import user_path
from napari_cytosynth.images.reading import inspect_image
from napari_cytosynth.outcome import explain
from napari_cytosynth.progress import silent
from napari_cytosynth.tasks.export.destination import find_destination
from napari_cytosynth.tasks.export.records import embedded_record, family

from .inputs import find_inputs
from .names import PLATES, result_names, stem_of
from .plates.index import plate_of
from .plates.layout import is_plate, split_name
from .records import BatchItem, BatchPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_cytosynth.images.facts import SeriesFacts
    from napari_cytosynth.progress import Progress

    from .inputs import InputFiles

__all__ = ["make_plan"]

_TAKEN = re.compile(
    r"file|series|plane|label|index|state|t|z|confidence|doubt|eccentricity|orientation_deg|"
    r"solidity|.*_(px|um|um2|um3|intensity|probability|uncertainty)",
)
"""Names of columns that the table has by itself."""


def make_plan(
    inputs: Iterable[Any],
    out: Any,
    task: str,
    *,
    series: int | str | None = None,
    intensity: Any = None,
    recursive: bool = False,
    name_pattern: str | None = None,
    plates: bool = False,
    in_place: bool = False,
    progress: Progress | None = None,
) -> BatchPlan:
    """Find the images, look at their headers, and give each a place for its result.

    Nothing is written.

    Parameters
    ----------
    inputs, recursive
        See :func:`~napari_cytosynth.tasks.batch.inputs.find_inputs`.
    out
        Folder of the results.
    task
        ``segment``, ``stain`` or ``measure``.
    series
        Number or name of the only image to take of each file; None (default) takes all.
    intensity
        Image, or folder of images, in which label images are measured. Default: None.
    name_pattern
        Regular expression with named groups, which is looked for in the relative name of each
        file (with “/”, and behind it the series): each group is a column of the tables. Default:
        None.
    plates
        The results of a plate's fields are a new plate. Default: False, they are TIFFs.
    in_place
        Labels are added to the OME-Zarr of each image. Default: False.
    progress
        Called after each file. Default: None, silent.

    Raises
    ------
    InputError
        If no image is found, or the pattern is wrong or fits no name.
    """
    folder = user_path(out)
    if folder.is_file() or folder.suffix.lower() in (".tif", ".tiff", ".zarr"):
        raise OutputError(f"The results of many files go into a folder, and “{folder}” is none.")
    pattern = _compiled(name_pattern)
    found = find_inputs(inputs, folder, task, recursive=recursive)
    items, more = _items(found, task, series, progress or silent)
    ending = None
    if plates and task in PLATES:
        ending = "" if in_place else f"-{PLATES[task]}.zarr"
    placed = _placed(items, ending, zarr=not in_place)
    if in_place:
        placed = [_inside_zarr(item) for item in placed]
    if task == "measure" and intensity is not None:
        placed = _with_intensity(placed, user_path(intensity))
    taken = {os.path.realpath(file.path) for file in found.files}
    placed = [_checked(item, folder, task, taken) for item in placed]
    if pattern is not None:
        placed, unlike = _with_columns(placed, pattern)
        more += unlike
    columns = () if pattern is None else tuple(pattern.groupindex)
    return BatchPlan(folder, tuple(placed), (*found.messages, *more), columns)


def _placed(
    items: list[tuple[BatchItem, int]], ending: str | None, *, zarr: bool
) -> list[BatchItem]:
    """Give each item folder and stem of its result.

    Of a field of a plate, the folder is a well in a folder of that ending; without an ending it
    is an image like any other.
    """
    names: dict[Path, list[str]] = {}
    for item, _ in items:
        if item.problem:
            continue
        names.setdefault(item.path, []).append("" if item.series is None else str(item.series))
    several = {} if ending is None else names
    fields = {path for path, given in several.items() if is_plate(path, given)}
    images = [
        (item.name, None, 1) if item.path in fields else (item.name, item.series, count)
        for item, count in items
    ]
    unlike = list(dict.fromkeys(images))
    named = dict(zip(unlike, result_names(unlike), strict=True))
    placed = []
    for (item, _), image in zip(items, images, strict=True):
        folder, stem = named[image]
        if item.path in fields and not item.problem:
            well, within = split_name(str(item.series))
            folder, stem = folder / f"{stem}{ending}" / well, within
        field = zarr and item.path in fields and not item.problem
        placed.append(replace(item, folder=folder, stem=stem, zarr=field))
    return placed


def _inside_zarr(item: BatchItem) -> BatchItem:
    """Refuse an item that no labels can be added to."""
    if item.problem or (item.facts is not None and item.facts.place is not None):
        return item
    return replace(item, problem="It is no OME-Zarr: only to such can labels be added in place.")


def _items(
    found: InputFiles, task: str, series: int | str | None, progress: Progress
) -> tuple[list[tuple[BatchItem, int]], list[str]]:
    """Return the images of all files, each with the number of series of its file."""
    base, items = found.base, list[tuple[BatchItem, int]]()
    members, beside, no_labels = set[str](), 0, 0
    for number, file in enumerate(found.files):
        progress(number, len(found.files), "looking at the files")
        if os.path.realpath(file.path) in members:
            beside += 1
            continue
        name = Path(os.path.relpath(file.path, base)).as_posix()
        try:
            contents = inspect_image(file.path)
            facts = _chosen(contents.series, series, file.path.name)
        except Exception as error:  # whatever a broken file does to a reader
            problem = explain(error) or f"“{name}” cannot be read: {error!r}."
            items.append((BatchItem(file.path, name, problem=problem), 1))
            continue
        members |= {os.path.realpath(other) for other in contents.others}
        if task == "measure" and not file.named:
            kept = [one for one in facts if _may_be_labels(one)]
            no_labels += len(facts) - len(kept)
            facts = kept
        count = len(contents.series)
        items += [(BatchItem(file.path, name, one.series, one), count) for one in facts]
        if series is None:
            missing = contents.unreadable.items()
            items += [(BatchItem(file.path, name, at, problem=why), count) for at, why in missing]
    progress(len(found.files), len(found.files), "looking at the files")
    return _not_empty(items, no_labels), _about_left_out(beside, no_labels)


def _chosen(
    all_series: Sequence[SeriesFacts], wanted: int | str | None, name: str
) -> list[SeriesFacts]:
    if wanted is None:
        return list(all_series)
    for number, one in enumerate(all_series):
        if str(wanted) in (one.name, str(one.series), str(number)):
            return [one]
    raise InputError(f"“{name}” holds {len(all_series):,} images; there is no series {wanted!r}.")


def _may_be_labels(facts: SeriesFacts) -> bool:
    return facts.dtype.startswith(("int", "uint", "bool")) and (facts.channels or 1) == 1


def _not_empty(items: list[tuple[BatchItem, int]], no_labels: int) -> list[tuple[BatchItem, int]]:
    if not items and no_labels:
        raise InputError(
            "No labels were found: all images hold real numbers or colours. Labels are whole "
            "numbers, 0 for the background."
        )
    return items


def _about_left_out(beside: int, no_labels: int) -> list[str]:
    messages = []
    if beside:
        messages.append(f"{beside:,} files are parts of an OME-TIFF, and are read with its first.")
    if no_labels:
        messages.append(f"{no_labels:,} images that are no labels were left out.")
    return messages


# -- intensities for labels -----------------------------------------------------------------------


def _with_intensity(items: list[BatchItem], given: Path) -> list[BatchItem]:
    """Give each label image its image: the one that is named, or the one in a folder like it."""
    if not given.is_dir() or given.suffix.lower() == ".zarr":
        if len(items) > 1:
            raise InputError(
                "One image cannot belong to many labels: give --intensity the folder of the "
                "images (in Python: intensity=)."
            )
        return [replace(item, intensity=given) for item in items]
    images = find_inputs([given], None, "", recursive=True)
    by_name: dict[str, list[Path]] = {}
    for image in images.files:
        relative = Path(os.path.relpath(image.path, given))
        by_name.setdefault((relative.parent / stem_of(relative.name)).as_posix(), []).append(
            image.path
        )
    return [_matched(item, by_name, given) for item in items]


def _matched(item: BatchItem, by_name: dict[str, list[Path]], folder: Path) -> BatchItem:
    relative = Path(item.name)
    stem = stem_of(relative.name)
    for name in (stem, stem.removesuffix("-labels"), stem.removesuffix("_labels")):
        found = by_name.get((relative.parent / name).as_posix()) or by_name.get(name) or []
        if len(found) == 1:
            return replace(item, intensity=found[0])
        if found:
            named = " and ".join(f"“{path.name}”" for path in found[:2])
            return replace(item, problem=f"“{folder}” holds several images for it: {named}.")
    name = stem.removesuffix("-labels")
    return replace(item, problem=f"“{folder}” holds no image called “{name}” to measure it in.")


# -- checks ---------------------------------------------------------------------------------------


def _checked(item: BatchItem, out: Path, task: str, inputs: set[str]) -> BatchItem:
    """Refuse an item whose result would replace any input."""
    if item.problem:
        return item
    destination = find_destination(out / item.folder, task, stem=item.stem, zarr=item.zarr)
    if item.zarr and (problem := _about_plate(out / plate_of(item), task, inputs)):
        return replace(item, problem=problem)
    for name in (*destination.names, *destination.optional, destination.record):
        if os.path.realpath(destination.folder / name) in inputs:
            problem = (
                f"Its result would be called “{name}”, and replace another of the images. Choose "
                "another folder for the results."
            )
            return replace(item, problem=problem)
    return item


def _about_plate(plate: Path, task: str, inputs: set[str]) -> str:
    """Return why a new plate cannot lie there; "" if it can."""
    if os.path.realpath(plate) in inputs:
        return f"Its result would be the plate “{plate.name}”, which is one of the images."
    own = embedded_record(plate)
    if os.path.lexists(plate / "zarr.json") and (own is None or family(own) != task):
        return (
            f"“{plate}” is there already, and “cytosynth {task}” did not write it. Choose another "
            "folder for the results."
        )
    return ""


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError, RecursionError, OverflowError) as error:
        raise InputError(
            f"The name pattern is no regular expression: {error}. An example: "
            r"(?P<well>[A-P]\d\d)_f(?P<field>\d+)"
        ) from error
    names = list(compiled.groupindex)
    if not names:
        raise InputError(
            "The name pattern has no named group, which would be a column of the table: write "
            r"(?P<well>[A-P]\d\d), for example."
        )
    taken = [name for name in names if _TAKEN.fullmatch(name)]
    if taken:
        raise InputError(
            f"The name pattern has a group called “{taken[0]}”: the table has such a column. "
            "Choose another name."
        )
    return compiled


def _with_columns(
    items: list[BatchItem], pattern: re.Pattern[str]
) -> tuple[list[BatchItem], list[str]]:
    found, unlike = [], []
    for item in items:
        name = item.name if item.series is None else f"{item.name}/{item.series}"
        match = pattern.search(name)
        if match is None:
            unlike.append(name)
        groups = {} if match is None else {n: v or "" for n, v in match.groupdict().items()}
        found.append(replace(item, columns=dict.fromkeys(pattern.groupindex, "") | groups))
    if len(unlike) == len(items):
        raise InputError(
            f"The name pattern fits none of the {len(items):,} names, such as “{unlike[0]}”."
        )
    if not unlike:
        return found, []
    such = ", ".join(f"“{name}”" for name in unlike[:3])
    return found, [
        f"The name pattern does not fit {len(unlike):,} of {len(items):,} names ({such}): their "
        "columns are empty."
    ]
