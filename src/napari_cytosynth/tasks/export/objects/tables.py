"""The table of the objects as CSV or Parquet."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_cytosynth.errors import InputError, OutputError
from napari_cytosynth.tasks.common.provenance import KEY

from .space import Description

if TYPE_CHECKING:
    from pathlib import Path

    from .model import Prepared

__all__ = ["read_table", "unit_of", "write_csv", "write_parquet"]

_UNITS = {"px": "px", "um": "µm", "um2": "µm²", "um3": "µm³", "deg": "°"}
_MARKS = "correction"
_UNIT = re.compile(f"_({'|'.join(_UNITS)})$")


def unit_of(column: str) -> str | None:
    """Return the unit that the name of a column ends in; None if it names none."""
    found = _UNIT.search(column)
    return _UNITS[found[1]] if found else None


def write_csv(path: Path, objects: Prepared) -> None:
    """Write the table as CSV; units stand in the names of its columns."""
    objects.frame().to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def write_parquet(path: Path, objects: Prepared) -> None:
    """Write the table as Parquet, with the unit of each column and where it is from.

    The metadata of a field holds its ``unit``; those of the schema hold, under
    ``napari-cytosynth``, axes, shape, pixel size and provenance of the labels.

    Raises
    ------
    OutputError
        If pyarrow is missing.
    """
    arrow, parquet = _pyarrow()
    table = arrow.Table.from_pandas(objects.frame(), preserve_index=False)
    fields = [
        field.with_metadata({"unit": unit}) if (unit := unit_of(field.name)) else field
        for field in table.schema
    ]
    note = json.dumps(objects.description.as_dict(), default=str).encode()
    metadata = dict(table.schema.metadata or {}) | {KEY.encode(): note}
    schema = arrow.schema(fields, metadata=metadata)
    parquet.write_table(table.cast(schema), path)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise OutputError(
            'Parquet needs the package pyarrow: pip install "napari-cytosynth[parquet]".'
        ) from error
    return pyarrow, pyarrow.parquet


def read_table(path: Path) -> tuple[pd.DataFrame, Description]:
    """Read a table of objects, and what this package noted in it.

    Raises
    ------
    InputError
        If it is none, or has no column ``label``.
    """
    description = Description()
    if path.suffix.lower() == ".parquet":
        table, description = _read_parquet(path)
    else:
        try:
            table = pd.read_csv(path, keep_default_na=False, na_values=[""])
        except (ValueError, UnicodeError) as error:  # pandas' own errors are ValueErrors
            raise InputError(f"“{path.name}” is no table: {str(error)[:200]}.") from error
        if _MARKS in table:  # empty for objects that were not corrected, which is not unknown
            table[_MARKS] = table[_MARKS].astype(object).where(table[_MARKS].notna(), "")
    if "label" not in table:
        raise InputError(
            f"“{path.name}” has no column “label” that says which row is of which object."
        )
    return table, description


def _read_parquet(path: Path) -> tuple[pd.DataFrame, Description]:
    arrow, parquet = _pyarrow()
    try:
        found = parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"“{path.name}” is no Parquet: {str(error)[:200]}.") from error
    note = (found.schema.metadata or {}).get(KEY.encode(), b"{}")
    try:
        description = Description.from_dict(json.loads(note))
    except (ValueError, RecursionError):
        description = Description()
    try:
        table: pd.DataFrame = found.to_pandas()
    except (arrow.ArrowException, LookupError, TypeError, ValueError) as error:
        raise InputError(f"“{path.name}” is damaged: {str(error)[:200]}.") from error
    return table, description
