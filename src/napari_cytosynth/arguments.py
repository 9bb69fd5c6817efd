"""Checks of the arguments of public functions: a value of the right type and range, or a sentence.

Every check takes the value, as the user gave it, and the name of the argument. It returns a
plain Python value, or raises :class:`~napari_cytosynth.errors.InputError` with the name, the
value and what is allowed. Nothing is rounded, cut or read from text.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from napari_cytosynth.errors import InputError

__all__ = [
    "LARGEST_PIXEL",
    "LARGEST_SEED",
    "SMALLEST_PIXEL",
    "check_callable",
    "check_choice",
    "check_flag",
    "check_number",
    "check_path",
    "check_pixel_size",
    "check_text",
    "check_texts",
    "check_voxel_size",
    "check_whole",
    "check_wholes",
    "either",
    "shown",
    "unsuitable",
]

LARGEST_SEED = 2**63 - 1  # what torch's generators take
SMALLEST_PIXEL, LARGEST_PIXEL = 1e-6, 1e6  # µm: far beyond an atom and a table
_MOST_ITEMS = 10_000  # of channels, stains or indices
_LONGEST = 200  # characters of a value in a message


def shown(value: Any) -> str:
    """Return a value as it may stand in a message: short, on one line, whatever it is."""
    if isinstance(value, str):
        text = value[: _LONGEST + 3] if value.strip() else f"“{value[:_LONGEST]}”"
    elif isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    elif isinstance(value, type) or callable(value):
        text = f"the object {getattr(value, '__name__', type(value).__name__)}"
    else:
        try:
            # as a number is typed: numpy's own repr names the type
            text = str(value) if isinstance(value, Real) else repr(value)
            if isinstance(value, float | np.floating):
                text = text.removesuffix(".0")  # the same number is shown in the same way
        except Exception:  # a value that cannot even be shown is no reason for another error
            text = f"an object of type {type(value).__name__}"
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= _LONGEST + 2 else text[:_LONGEST] + "…"


def unsuitable(name: str, value: Any, allowed: str) -> InputError:
    """Return the error for a value that an argument cannot have.

    Parameters
    ----------
    name
        Of the argument; or words for it that begin a sentence.
    value
        As it was given.
    allowed
        What it must be, for example "a number from 0 to 1".
    """
    subject = name if " " in name else f"The argument “{name}”"
    return InputError(f"{subject} must be {allowed}, not {shown(value)}.")


# -- numbers ----------------------------------------------------------------------------------


def check_whole(
    value: Any, name: str, least: int | None = None, most: int | None = None, *, unit: str = ""
) -> int:
    """Return a whole number; 2.0 is one, 2.9, True and "2" are none.

    Parameters
    ----------
    value, name
        See :mod:`napari_cytosynth.arguments`.
    least, most
        Limits, included. Default: none.
    unit
        Word after the limit in the message, for example " pixel". Default: ``""``.
    """
    number = _as_whole(value)
    if number is not None and (least is None or number >= least):
        if most is None or number <= most:
            return number
        raise unsuitable(name, value, f"a whole number of at most {most}{unit}")
    limit = "" if least is None else f" of at least {least}{unit}"
    raise unsuitable(name, value, f"a whole number{limit}")


def check_number(
    value: Any,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    within: bool = False,
) -> float:
    """Return a finite number, in [low, high] or, with `within`, in (low, high)."""
    number = _as_number(value)
    if number is not None:
        inside = low < number < high if within else low <= number <= high
        if inside and math.isfinite(number):
            return number
    if math.isfinite(low) and math.isfinite(high):
        allowed = f"a number between {low:g} and {high:g}"
    elif math.isfinite(low) and number is not None and math.isfinite(number):
        allowed = f"a number above {low:g}" if within else f"a number from {low:g} on"
    else:
        allowed = "a number"
    raise unsuitable(name, value, allowed)


def check_wholes(value: Any, name: str, example: str = "(0,)") -> tuple[int, ...]:
    """Return whole numbers of at least 0 from a sequence; `example` stands in the message."""
    items = _items(value)
    numbers = [] if items is None else [_as_whole(item) for item in items]
    if items is None or any(number is None or number < 0 for number in numbers):
        raise unsuitable(name, value, f"whole numbers counted from 0, such as {example}")
    return tuple(number for number in numbers if number is not None)


def check_pixel_size(value: Any, name: str = "pixel_size") -> tuple[float, float] | None:
    """Return the size of a pixel along Y and X in µm; None if it is None.

    Parameters
    ----------
    value
        One number or two, between a picometre and a metre.
    name
        Of the argument. Default: "pixel_size".
    """
    if value is None:
        return None
    items = _items(value)
    sizes = [value, value] if items is None else items * 2 if len(items) == 1 else items
    numbers = [number for size in sizes if (number := _as_number(size)) is not None]
    if len(numbers) == 3 == len(sizes):
        raise InputError(
            f"The argument “{name}” takes the size of a pixel along Y and X, not along Z too: "
            f"give {name}=({numbers[1]:g}, {numbers[2]:g}) in place of {shown(value)}."
        )
    usable = [size for size in numbers if SMALLEST_PIXEL <= size <= LARGEST_PIXEL]
    if len(sizes) != 2 or len(usable) != 2:
        raise unsuitable(
            f"The pixel size ({name})",
            value,
            "a positive number of µm, or two (Y, X), between "
            f"{SMALLEST_PIXEL:f} and {LARGEST_PIXEL:g}",
        )
    return usable[0], usable[1]


def check_voxel_size(
    value: Any, name: str = "pixel_size"
) -> tuple[float | None, float, float] | None:
    """Return the size of a voxel along Z, Y and X in µm; None if it is None.

    Parameters
    ----------
    value
        Three numbers, or one or two as :func:`check_pixel_size` takes them: then the size along
        Z is None.
    name
        Of the argument. Default: "pixel_size".
    """
    items = _items(value)
    if items is None or len(items) != 3:
        found = check_pixel_size(value, name)
        return None if found is None else (None, *found)
    z, y, x = (_as_number(size) or 0.0 for size in items)
    if not all(SMALLEST_PIXEL <= size <= LARGEST_PIXEL for size in (z, y, x)):
        raise unsuitable(
            f"The pixel size ({name})",
            value,
            "one to three positive numbers of µm (Z, Y, X), between "
            f"{SMALLEST_PIXEL:f} and {LARGEST_PIXEL:g}",
        )
    return z, y, x


# -- words ------------------------------------------------------------------------------------


def check_flag(value: Any, name: str) -> bool:
    """Return True or False; "no" is neither."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if (number := _as_whole(value)) in (0, 1):
        return bool(number)
    raise unsuitable(name, value, "True or False")


def check_text(value: Any, name: str, allowed: str = "text") -> str:
    """Return a text; `allowed` stands in the message."""
    if isinstance(value, str):
        return str(value)
    raise unsuitable(name, value, allowed)


def check_texts(value: Any, name: str, example: str) -> tuple[str, ...]:
    """Return the texts of a sequence; a single text is one, `example` stands in the message."""
    items = [value] if isinstance(value, str) else _items(value)
    if items is None or not all(isinstance(item, str) for item in items):
        raise unsuitable(name, value, f"names, such as {example}")
    return tuple(str(item) for item in items)


def check_choice(value: Any, name: str, choices: Collection[str]) -> str:
    """Return one of a few words."""
    if isinstance(value, str) and value in choices:
        return str(value)
    raise unsuitable(name, value, f"one of {', '.join(map(repr, choices))}")


def either(words: Iterable[str]) -> str:
    """Return words as alternatives in a sentence: “a, b or c”."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def check_path(value: Any, name: str) -> str:
    """Return a path as text."""
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise unsuitable(name, value, "a name or path (text or Path)")
    if "\0" in path:
        raise unsuitable(name, path, "a name or path without a null character")
    return path


def check_callable(value: Any, name: str) -> None:
    """Check that an argument is a function, or None."""
    if value is not None and not callable(value):
        raise unsuitable(name, value, "a function or None")


# -- what a value is --------------------------------------------------------------------------


def _as_number(value: Any) -> float | None:
    """Return a real number as float (NaN, infinite or too large ones too); None for others."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real | np.number):
        value = _of_scalar_tensor(value)
    if value is None or isinstance(value, complex | np.complexfloating):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return None


def _as_whole(value: Any) -> int | None:
    """Return a whole number, or None."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)  # exactly, however large
    number = _as_number(value)
    if number is None or not math.isfinite(number) or number != math.floor(number):
        return None
    return int(value)


def _of_scalar_tensor(value: Any) -> Any:
    """Return the number in a tensor of one number without axes; None for anything else."""
    if isinstance(value, bool | np.bool_ | str | bytes) or not hasattr(value, "item"):
        return None
    if getattr(value, "shape", None) != () or not hasattr(value, "detach"):
        return None
    try:
        number = value.item()
    except Exception:  # a tensor without data, or of a device that is gone
        return None
    return number if isinstance(number, int | float) and not isinstance(number, bool) else None


def _items(value: Any) -> list[Any] | None:
    """Return the items of a short sequence; None for numbers, texts, mappings and others."""
    if isinstance(value, str | bytes | Mapping) or callable(value):
        return None
    try:
        return list(value) if len(value) <= _MOST_ITEMS else None
    except Exception:  # no sequence at all, or an array without axes
        return None
