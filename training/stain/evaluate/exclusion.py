"""Stains of single fields that are left out of a measurement or a calibration."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from napari_cytosynth.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .fields import StainField

__all__ = ["exclude_stains"]


def exclude_stains(
    fields: Sequence[Sequence[StainField]], rules: Sequence[str], stains: Sequence[str]
) -> list[list[StainField]]:
    """Note in each field which of its stains are not to be used.

    Parameters
    ----------
    fields
        The fields of each model, or of each fold of a calibration.
    rules
        ``STAIN=GLOB``: the pattern of the names of fields, with the part of the data set and the
        focal plane or without.
    stains
        Names of all stains.

    Returns
    -------
    list of list of StainField
        As `fields`, each with :attr:`~.StainField.excluded`.

    Raises
    ------
    InputError
        If a rule is none, names no stain or no field, or nothing is left of a stain.
    """
    parsed = [_parsed(rule, stains) for rule in rules]
    every = [field for group in fields for field in group]
    for stain, pattern in parsed:
        if not any(_is_called(field, pattern) for field in every):
            names = ", ".join(sorted({_bare_name(field) for field in every}))
            raise InputError(
                f"--exclude {stain}={pattern}: no field is called like that; there are {names}."
            )
    found = [[replace(field, excluded=_excluded(field, parsed)) for field in g] for g in fields]
    for stain in dict.fromkeys(stain for stain, _ in parsed):
        if all(stain in field.excluded for group in found for field in group):
            raise InputError(f"--exclude leaves no field for {stain}: choose a narrower pattern.")
    return found


def _parsed(rule: str, stains: Sequence[str]) -> tuple[str, str]:
    stain, _, pattern = rule.partition("=")
    if not stain or not pattern:
        raise InputError(f"--exclude takes STAIN=GLOB, such as {stains[-1]}=*A01*, not “{rule}”.")
    if stain not in stains:
        raise InputError(f"--exclude: there is no stain “{stain}”, only {', '.join(stains)}.")
    return stain, pattern


def _excluded(field: StainField, rules: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    found = (stain for stain, pattern in rules if _is_called(field, pattern))
    return tuple(dict.fromkeys(found))


def _is_called(field: StainField, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (field.name, _bare_name(field)))


def _bare_name(field: StainField) -> str:
    """Return the name without the part of the data set and the focal plane."""
    return field.name.removesuffix(f" ({field.plane})").rpartition("/")[2]
