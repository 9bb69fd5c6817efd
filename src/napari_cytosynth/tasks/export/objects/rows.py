"""Rows of a table of objects as plain values, by object and plane, and tables made of such rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Kinds", "ObjectRows", "as_text", "make_table"]

Kinds = dict[str, str]
"""Kind of the values of each column: int, float, bool or text."""

_WORDS = {"true": True, "false": False}


def as_text(value: Any) -> str:
    """Return a value as text that every encoding of Unicode can hold."""
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class ObjectRows:
    """The table of the objects, looked up by label and plane.

    Parameters
    ----------
    table
        With the column ``label``; the column ``index`` is left out, and ``z``, ``t`` are the
        plane of a row where the labels have such an axis. None: there are no columns.
    leading_axes
        Letters of the axes that count planes.

    Raises
    ------
    InputError
        If there is no column of labels, or two rows are of one object.
    """

    def __init__(self, table: pd.DataFrame | None, leading_axes: str) -> None:
        if table is None:
            table = pd.DataFrame({"label": np.zeros(0, np.int64)})
        if not isinstance(table, pd.DataFrame) or "label" not in table:
            raise InputError(
                "The table of the objects must be a DataFrame with the column “label”: the number "
                "of each object in the labels."
            )
        names = [as_text(name) for name in table.columns]
        if len({*names}) < len(names):
            raise InputError("Two columns of the table have the same name: rename one of them.")
        table = table.set_axis(names, axis=1)
        self.keys = ["label", *(axis for axis in leading_axes.lower() if axis in names)]
        places = zip(*(_whole(table[key], key) for key in self.keys), strict=True)
        self._place = {place: number for number, place in enumerate(places)}
        if len(self._place) < len(table):
            twice = table.loc[table.duplicated(self.keys), self.keys].iloc[0]
            where = ", ".join(f"{key} {value}" for key, value in twice.items())
            raise InputError(f"The table has two rows for one object ({where}): keep one of them.")
        rest = [name for name in names if name not in (*self.keys, "index")]
        self.kinds: Kinds = {name: _kind(table[name]) for name in rest}
        self._values = {name: _plain(table[name], kind) for name, kind in self.kinds.items()}
        self._used: set[int] = set()

    def __len__(self) -> int:
        return len(self._place)

    @property
    def unused(self) -> int:
        """Number of rows that nobody asked for."""
        return len(self._place) - len(self._used)

    def of(self, label: int, place: Mapping[str, int]) -> dict[str, Any]:
        """Return the values of an object that are known.

        Parameters
        ----------
        label
            Its number.
        place
            Index of its plane along each leading axis, by the axis's small letter.
        """
        row = self._place.get((label, *(place[key] for key in self.keys[1:])))
        if row is None:
            return {}
        self._used.add(row)
        found = {name: values[row] for name, values in self._values.items()}
        return {name: value for name, value in found.items() if value is not None}


def _whole(column: pd.Series, name: str) -> list[int]:
    try:
        numbers = [int(value) for value in column]
        exact = all(number == value for number, value in zip(numbers, column, strict=True))
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        raise InputError(f"The column “{name}” of the table must hold whole numbers.")
    return numbers


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column.dtype):
        return "bool"
    if pd.api.types.is_integer_dtype(column.dtype):
        return "int"
    if pd.api.types.is_float_dtype(column.dtype):
        return "float"
    known = column.dropna()
    if column.dtype == object and len(known):
        if all(isinstance(value, bool | np.bool_) for value in known):
            return "bool"
        if all(isinstance(value, int | float | np.number) for value in known):
            return "float"
    return "text"


def _plain(column: pd.Series, kind: str) -> list[Any]:
    types: dict[str, Any] = {"int": int, "float": float, "bool": bool, "text": as_text}
    missing = column.isna().to_numpy(bool)
    return [
        None if gone else types[kind](value) for value, gone in zip(column, missing, strict=True)
    ]


# -- back -------------------------------------------------------------------------------------


def make_table(
    keys: Sequence[str], rows: Iterable[tuple[tuple[int, ...], dict[str, Any]]], kinds: Kinds | None
) -> pd.DataFrame:
    """Return a table of objects.

    Parameters
    ----------
    keys
        Columns that tell the rows apart: ``label``, perhaps ``t`` and ``z``.
    rows
        Values of the keys, and the known values of an object; of several for one object, the
        first counts.
    kinds
        Columns and their kinds. Of others, and for None of all, they are guessed from the values.

    Returns
    -------
    DataFrame
        One row for each object, by ascending label and plane.
    """
    found: dict[tuple[int, ...], dict[str, Any]] = {}
    for place, values in rows:
        found.setdefault(place, {as_text(name): value for name, value in values.items()})
    places = sorted(found)
    data: dict[str, Any] = {
        key: np.array([place[n] for place in places], np.int64) for n, key in enumerate(keys)
    }
    guessed = _guessed(found[place] for place in places)
    known = {as_text(name): kind for name, kind in (kinds or {}).items()}
    for name, kind in (known | guessed | known).items():  # the known ones first, and as known
        if name not in data:
            data[name] = _column([found[place].get(name) for place in places], kind)
    return pd.DataFrame(data)


def _guessed(rows: Iterable[dict[str, Any]]) -> Kinds:
    seen: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            seen.setdefault(name, []).append(value)
    return {name: _kind_of(values) for name, values in seen.items()}


def _kind_of(values: list[Any]) -> str:
    if all(isinstance(value, bool) or str(value) in _WORDS for value in values):
        return "bool"
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return "int"
    numbers = all(isinstance(value, int | float) for value in values)
    return "float" if numbers and not any(isinstance(value, bool) for value in values) else "text"


def _column(values: list[Any], kind: str) -> pd.Series:
    """Return a column of a kind; values that are none of it make it text."""
    try:
        return _COLUMNS[kind](values)
    except (KeyError, TypeError, ValueError, OverflowError):
        return _as_text(values)


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)


def _as_int(values: list[Any]) -> pd.Series:
    numbers = [None if value is None else int(value) for value in values]
    if any(number != value for number, value in zip(numbers, values, strict=True)):
        raise ValueError("not whole")
    return pd.Series(numbers, dtype="Int64" if None in numbers else "int64")


def _as_float(values: list[Any]) -> pd.Series:
    return pd.Series([np.nan if value is None else float(value) for value in values], dtype=float)


def _as_bool(values: list[Any]) -> pd.Series:
    known = [None if v is None else _WORDS[str(v).lower()] for v in values]
    return pd.Series(known, dtype=object if None in known else bool)


def _as_text(values: list[Any]) -> pd.Series:
    texts = [_text(value) for value in values]
    return pd.Series(texts) if any(text is not None for text in texts) else _nothing(len(texts))


def _nothing(count: int) -> pd.Series:
    return pd.Series([None] * count, dtype=object)


_COLUMNS = {"int": _as_int, "float": _as_float, "bool": _as_bool, "text": _as_text}
