"""Labels added to the OME-Zarr that they were made from; nothing that is there is replaced."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import zarr

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.files import (
    abandoned_folders,
    explained_errors,
    hold,
    replace_file,
    scratch_folder,
)
from napari_cytosynth.tasks.batch.resume import KEY
from napari_cytosynth.tasks.common.layers import voxel_size
from napari_cytosynth.tasks.export.formats import ImageFacts
from napari_cytosynth.tasks.export.ome_zarr.groups import embed_in_zarr
from napari_cytosynth.tasks.export.records import as_json, embedded_record
from napari_cytosynth.tasks.export.results import write_label_group
from napari_cytosynth.tasks.export.saving import saving

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cytosynth.tasks.export.destination import Destination
    from napari_cytosynth.tasks.segment.result import Segmentation

__all__ = ["check_labels_free", "labels_name", "save_in_place"]

_MARK = "zarr.json"


def labels_name(text: str) -> str:
    """Return the name of a group of labels: letters and digits, else “_”."""
    return "".join(letter if letter.isalnum() else "_" for letter in text)


def check_labels_free(image: Path, name: str, known: dict[str, Any]) -> bool:
    """Check that labels can be added to an image; return False if they are there already.

    Parameters
    ----------
    image
        Group of an image in an OME-Zarr.
    name
        Name of the labels.
    known
        What tells this result from others: digests of its settings and of its image.

    Raises
    ------
    InputError
        If the OME-Zarr is of a version before 0.5.
    OutputError
        If there are other labels of this name.
    """
    if not (image / _MARK).is_file():
        raise InputError(
            f"“{image}” is OME-Zarr of a version before 0.5 (Zarr 2), and labels of 0.5 cannot "
            "lie in it. Leave --in-place out: the labels go into the folder of the results."
        )
    place = image / "labels" / name
    if not os.path.lexists(place):
        return True
    own = (embedded_record(place) or {}).get(KEY)
    if isinstance(own, dict) and all(own.get(key) == value for key, value in known.items()):
        return False
    raise OutputError(
        f"“{image}” has labels “{name}” already, and none are ever replaced. Choose another name: "
        "--in-place NAME."
    )


def save_in_place(
    result: Segmentation,
    image: Path,
    name: str,
    destination: Destination,
    known: dict[str, Any],
    overwrite: bool = False,
) -> list[Path]:
    """Add labels to the image that they were made from; write table and record; return these.

    Parameters
    ----------
    result
        The segmentation, whose record holds what is known of it.
    image, name, known
        See :func:`check_labels_free`.
    destination
        Names of table and record.
    overwrite
        Replace tables of others, too; labels never. Default: False.

    Raises
    ------
    InputError, OutputError
        If the labels cannot be added, or the table cannot be written.
    """
    record = result.provenance
    with saving(destination, record, result.source.files, overwrite=overwrite) as files:
        table = files.place(destination.others[0])
        result.table.drop(columns="index").to_csv(table, index=False)
        if check_labels_free(image, name, known):
            _add(result, image, name, {"task": destination.task} | record)
        _list(image / "labels", name)
    result.messages.extend(files.messages)
    return destination.files


def _add(result: Segmentation, image: Path, name: str, record: dict[str, Any]) -> None:
    """Write a group of labels aside, and put it in place as a whole."""
    folder = image / "labels"
    size = voxel_size(result.pixel_size, result.z_size)
    facts = ImageFacts(result.axes, size, objects=name)
    with explained_errors(folder):
        folder.mkdir(exist_ok=True)
        with hold(folder):
            for _ in abandoned_folders(folder):  # of a process that was killed: removed
                pass
        with scratch_folder(folder) as scratch:
            root = zarr.open_group(scratch / "new", mode="w", zarr_format=3)
            digests = write_label_group(root, result.labels, result.table, facts)
            inner = f"labels/{name}"
            pixels = {place.removeprefix(f"{inner}/"): text for place, text in digests.items()}
            embed_in_zarr(root[inner], record, pixels)
            with hold(folder):
                if os.path.lexists(folder / name):
                    raise FileExistsError(f"labels “{name}” have appeared meanwhile")
                os.rename(scratch / "new" / inner, folder / name)


def _list(folder: Path, name: str) -> None:
    """Add a name to the list of an image's labels, whose other metadata stay."""
    with explained_errors(folder):
        content: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": {}}
        if (folder / _MARK).is_file():
            content = json.loads((folder / _MARK).read_bytes())
        about = content.setdefault("attributes", {}).setdefault("ome", {"version": "0.5"})
        listed = about.setdefault("labels", [])
        if name not in listed:
            listed.append(name)
            replace_file(folder / _MARK, as_json(content, indent=2))
