"""Models, fields and reader of an evaluation of virtual stainers, from the arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cytosynth.errors import InputError

from .common import selection

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_cytosynth.training.stain.evaluate.fields import FieldReader, Stainer, StainField

__all__ = ["excluding", "fields_of", "fold_of", "reader_of", "stainer_of"]


def fold_of(text: str, arguments: argparse.Namespace) -> tuple[Stainer, list[StainField]]:
    """Return a model and the fields that were left out of its training, from ``MODEL=GLOB``."""
    model, _, pattern = text.rpartition("=")
    if not model or not pattern:
        raise InputError(f"--fold takes MODEL=GLOB, not “{text}”.")
    stainer = stainer_of(model, arguments)
    return stainer, fields_of(arguments, [stainer], pattern)


def stainer_of(name: str, arguments: argparse.Namespace) -> Stainer:
    """Load a model, and prepare it as the arguments say."""
    from napari_cytosynth.training.stain.evaluate.fields import Stainer
    from napari_cytosynth.zoo.loading import load_model

    return Stainer(
        load_model(name, arguments.device),
        arguments.samples,
        arguments.seed,
        arguments.pixel_size,
        arguments.device,
        arguments.views,
    )


def fields_of(
    arguments: argparse.Namespace, stainers: Sequence[Stainer], pattern: str | None = None
) -> list[StainField]:
    """Return the fields that the arguments select, or those of another pattern."""
    from napari_cytosynth.training.stain.evaluate.fields import find_stain_fields

    each = _channels_per_file(arguments, stainers)
    return find_stain_fields(
        arguments.data_dir,
        arguments.inputs,
        arguments.targets,
        arguments.part,
        selection(arguments, pattern),
        apart=any(stainer.channels == each for stainer in stainers),
    )


def excluding(
    arguments: argparse.Namespace, fields: Sequence[Sequence[StainField]], reader: FieldReader
) -> list[list[StainField]]:
    """Note in the fields of each model which stains the arguments leave out of them."""
    from napari_cytosynth.training.stain.evaluate.exclusion import exclude_stains

    return exclude_stains(fields, arguments.exclude, reader.stains)


def _channels_per_file(arguments: argparse.Namespace, stainers: Sequence[Stainer]) -> int:
    from napari_cytosynth.training.stain.evaluate.fields import channels_per_file

    return channels_per_file(stainers, len(arguments.inputs), arguments.input_pick)


def reader_of(arguments: argparse.Namespace, stainers: Sequence[Stainer]) -> FieldReader:
    """Return the reader of the fields' images and stains."""
    from napari_cytosynth.training.stain.evaluate.fields import FieldReader

    return FieldReader(
        tuple(arguments.target_channels or stainers[0].names),
        _channels_per_file(arguments, stainers),
        _picked(arguments.target_pick),
        _picked(arguments.input_pick),
    )


def _picked(channels: list[int] | None) -> tuple[int, ...] | None:
    return None if channels is None else tuple(channels)
