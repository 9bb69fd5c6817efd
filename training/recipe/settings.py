"""Nested settings with dotted keys: assignment, flattening and comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from napari_cytosynth.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["assign", "differing", "dotted", "open_precision", "put"]

_PRECISION = ("train.precision", "autoencoder.train.precision")


def assign(tree: dict[str, Any], assignment: str) -> None:
    """Apply an assignment such as ``train.max_epochs=5``.

    Raises
    ------
    RecipeError
        If it is no assignment, or names what cannot be set.
    """
    key, equals, value = assignment.partition("=")
    if not equals:
        raise RecipeError(f"“{assignment}” should read key=value, for example train.max_epochs=5.")
    try:
        put(tree, key, yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise RecipeError(f"The value in “{assignment}” cannot be read: {error}") from error


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set the value of a dotted key in nested settings.

    Raises
    ------
    RecipeError
        If the key leads through what is no block of settings.
    """
    *parents, last = key.split(".")
    block: Any = tree
    for parent in parents:
        block = block.setdefault(parent, {}) if isinstance(block, dict) else _entry(block, parent)
        if not isinstance(block, dict | list):
            raise RecipeError(f"“{key}” does not name a setting of the recipe.")
    if not isinstance(block, dict):
        raise RecipeError(f"“{key}” names a whole entry of a list: name a setting of it.")
    block[last] = value


def _entry(entries: list[Any], place: str) -> Any:
    """Return the entry of a list by its number from 0, as in ``data.sources.0.share``."""
    return entries[int(place)] if place.isdecimal() and int(place) < len(entries) else None


def dotted(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted keys; values of keys with dots are not flattened."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, dict) and value and "." not in key
        flat |= dotted(value, f"{above}{key}.") if nested else {f"{above}{key}": value}
    return flat


def differing(
    some: Mapping[str, Any], others: Mapping[str, Any], free: Collection[str] = ()
) -> list[str]:
    """Return the dotted keys, sorted, in which two recipes differ.

    Parameters
    ----------
    some, others
        Recipes as they were dumped.
    free
        Settings, and blocks of them, that may differ. Default: none.
    """
    before, after, absent = dotted(some), dotted(others), object()
    return sorted(
        key
        for key in {*before, *after}
        if before.get(key, absent) != after.get(key, absent)
        and not any(key == each or key.startswith(f"{each}.") for each in free)
    )


def open_precision(some: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """Return the keys of number formats that one of two recipes leaves to the hardware (``auto``).

    Such recipes may differ in them: a run goes on in the format in which it was begun, or in
    in another one that is set.

    Parameters
    ----------
    some, others
        Recipes as they were dumped.
    """
    before, after = dotted(some), dotted(others)
    return [key for key in _PRECISION if "auto" in (before.get(key), after.get(key))]
