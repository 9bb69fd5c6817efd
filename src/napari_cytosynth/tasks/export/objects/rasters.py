"""Labels as TIFF, with their table beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosynth.errors import OutputError
from napari_cytosynth.files import explained_errors, replacing, user_path
from napari_cytosynth.tasks.export.formats import write_tiff

if TYPE_CHECKING:
    from pathlib import Path

    from .model import LabelledObjects

__all__ = ["check_labels", "write_labels"]

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
            if file.is_dir() or (file.exists() and not overwrite):
                raise OutputError(
                    f"“{file}” is there already. Choose another name, or replace it with "
                    "--overwrite (overwrite=True in Python)."
                )
    return target, table


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
