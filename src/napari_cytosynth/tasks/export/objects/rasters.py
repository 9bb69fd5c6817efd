"""Labels as images with their table: TIFF and a CSV beside it, OME-Zarr and its properties."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.arguments import check_flag, check_voxel_size
from napari_cytosynth.console import shown_name
from napari_cytosynth.errors import OutputError
from napari_cytosynth.files import explained_errors, replacing, user_path
from napari_cytosynth.images.ome_zarr import is_zarr, zarr_labels
from napari_cytosynth.images.reading import read_image
from napari_cytosynth.tasks.common.layers import voxel_size
from napari_cytosynth.tasks.export.formats import write_tiff

from .model import LabelledObjects, prepare
from .rows import ObjectRows, make_table
from .tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_labels", "label_properties", "read_labels", "refuse_existing", "write_labels"]

_LARGEST = np.iinfo(np.uint32).max  # OME-TIFF has no larger whole numbers


def check_labels(path: Any, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Return the names of the labels and of their table, if they can be written.

    Raises
    ------
    OutputError
        If the name does not end in .tif, or a file is there.
    """
    target = user_path(path)
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(
            f"Labels cannot be written as “{target.name}”: give a name that ends in .tif."
        )
    table = target.with_name(f"{target.stem.removesuffix('.ome')}-table.csv")
    with explained_errors(target):
        for file in (target, table):
            refuse_existing(file, overwrite=overwrite and not file.is_dir())
    return target, table


def refuse_existing(file: Path, *, overwrite: bool) -> None:
    """Raise OutputError if something is there that is not to be replaced."""
    if file.exists() and not check_flag(overwrite, "overwrite"):
        raise OutputError(
            f"“{shown_name(file)}” is there already. Choose another name, or replace it with "
            "--overwrite (overwrite=True in Python)."
        )


def write_labels(path: Any, objects: LabelledObjects, *, overwrite: bool = False) -> list[Path]:
    """Write labels as OME-TIFF, and their table as CSV beside it (``NAME-table.csv``).

    Parameters
    ----------
    path
        Name of the TIFF.
    objects
        Labels and their table.
    overwrite
        Replace files that are there. Default: False.

    Returns
    -------
    list of Path
        Both files.

    Raises
    ------
    OutputError
        If a file is there or cannot be written, or a label is larger than TIFF can hold.
    """
    target, table = check_labels(path, overwrite=overwrite)
    largest = int(objects.labels.max(initial=0))
    if largest > _LARGEST:
        raise OutputError(
            f"The label {largest:,} is larger than a TIFF can hold: number the objects anew, or "
            "export them as GeoJSON."
        )
    kind = np.uint16 if largest < 2**16 else np.uint32
    write_tiff(target, objects.labels.astype(kind), objects.axes, objects.pixel_size)
    with replacing(table) as temporary:
        frame = objects.table.drop(columns="index", errors="ignore")
        frame.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")
    return [target, table]


def label_properties(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as the ``properties`` of an OME-Zarr's ``image-label``.

    Parameters
    ----------
    table
        With the column ``label``. Values that are not known are left out.

    Returns
    -------
    list of dict
        One for each object, with its ``label-value``; empty if a label has several rows, which
        such properties cannot tell apart.
    """
    if table["label"].duplicated().any():
        return []
    rows = ObjectRows(table, "")
    found = []
    for label in table["label"].tolist():
        values = rows.of(int(label), {}).items()
        known = {k: v if _in_json(v) else str(v) for k, v in values}
        found.append({"label-value": int(label), **known})
    return found


def _in_json(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def read_labels(path: Path) -> LabelledObjects:
    """Read labels with their table, from an OME-Zarr, or a TIFF and the CSV beside it.

    Parameters
    ----------
    path
        An OME-Zarr with labels, a label image in it, or a TIFF. The table of ``NAME.tif`` is
        ``NAME-table.csv``, that of ``labels.tif`` also ``table.csv``. That of an OME-Zarr lies in
        it, or, where labels have several rows, in ``NAME-table.csv``, too.

    Returns
    -------
    LabelledObjects
        Without a table there is a row for each label.

    Raises
    ------
    InputError
        If it cannot be read, or holds no labels.
    """
    beside, messages = _table_beside(path), []
    if is_zarr(path):
        inner = zarr_labels(path)
        if inner:
            name, place = next(iter(inner.items()))
            if len(inner) > 1:
                messages.append(f"“{path.name}” holds several label images: “{name}” was read.")
            path = place
        table = _properties(path)
    else:
        table = None
    if table is None and beside is not None:
        table = read_table(beside)[0]
    file = read_image(path, content="labels")
    size = check_voxel_size(file.pixel_size_um)
    whole = None if size is None else voxel_size(size[1:], file.z_size_um)
    objects = prepare(file.data, table, axes=file.axes, pixel_size=whole)
    data = np.asarray(objects.source.data)
    if table is None:
        ids = np.unique(data)
        table = pd.DataFrame({"label": ids[ids > 0]})
    axes = objects.space.axes
    return LabelledObjects(data, table, axes, whole, messages=[*messages, *file.messages])


def _table_beside(path: Path) -> Path | None:
    """Return the CSV with the table of a file, if there is one."""
    names = [f"{path.stem.removesuffix('.ome')}-table.csv"]
    names += ["table.csv"] * (path.stem == "labels")
    return next((found for name in names if (found := path.with_name(name)).is_file()), None)


def _properties(path: Path) -> pd.DataFrame | None:
    """Return the table in an OME-Zarr's label image; None without one."""
    try:
        content = json.loads((path / "zarr.json").read_bytes())
        rows = content["attributes"]["ome"]["image-label"]["properties"]
        pairs = [((int(row["label-value"]),), row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    plain = [(key, {k: v for k, v in row.items() if k != "label-value"}) for key, row in pairs]
    return make_table(["label"], plain, None)
