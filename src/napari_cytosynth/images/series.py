"""Which of several images in one file is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["chosen_number"]


def chosen_number(
    file: str,
    names: Sequence[str],
    wanted: int | str | None,
    default: int,
    why: str,
) -> tuple[int, tuple[str, ...]]:
    """Return the number of the image to read, and a sentence where nobody chose.

    Parameters
    ----------
    file
        Name of the file.
    names
        Name of each image in the file, empty where it has none.
    wanted
        The image that the user chose, by its number (counted from 0) or its name; None for
        `default`.
    default
        Number of the image that is read by default.
    why
        What is special about that one, for example ``"the largest"``.

    Raises
    ------
    InputError
        If there is no such image.
    """
    count = len(names)
    if wanted is None:
        if count < 2:
            return default, ()
        own = f" (“{names[default]}”)" if names[default] else ""
        return default, (
            f"“{file}” holds {count:,} images (series), numbered from 0 to {count - 1:,}: number "
            f"{default}{own} is read, {why}. Choose another with --series (in Python: series=).",
        )
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted), ()
    number = int(wanted) if isinstance(wanted, str) and wanted.isdecimal() else wanted
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < count:
        held = "one image, number 0" if count == 1 else f"{count:,} images, 0 to {count - 1:,}"
        called = [name for name in names if name]
        known = f" ({', '.join(called[:8])}{' …' if len(called) > 8 else ''})" if called else ""
        raise InputError(f"“{file}” holds {held}{known}; there is no series {wanted!r}.")
    return number, ()
