"""``cytosynth evaluate stain``: numbers of cells, and what a second opinion finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress

from .stain_fields import stainer_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import pandas as pd

    from napari_cytosynth.training.stain.evaluate.fields import FieldReader, Stainer, StainField
    from napari_cytosynth.training.stain.evaluate.report import StainReport

__all__ = [
    "add_second_opinion",
    "check_second",
    "measure_objects",
    "print_objects",
    "second_stainer",
]


def add_second_opinion(group: Any) -> None:
    """Add the option that names another model."""
    group.add_argument(
        "--second-opinion",
        metavar="MODEL",
        help="also compare the nuclei of each model with those of this one: how many of the "
        "absent and of the deformed ones the flags “only in it” and “differ” find (recall), and "
        "how many flags are right (precision), beside flags at random",
    )


def second_stainer(arguments: argparse.Namespace) -> Stainer | None:
    """Load the second opinion; None without one.

    Raises
    ------
    InputError
        If no objects are to be found.
    """
    if arguments.second_opinion is None:
        return None
    if arguments.segmenter == "none":
        raise InputError("--second-opinion compares objects: leave --segmenter none out.")
    return stainer_of(arguments.second_opinion, arguments)


def check_second(
    arguments: argparse.Namespace, stainers: Sequence[Stainer], second: Stainer | None
) -> None:
    """Refuse a second opinion that cannot be one, before the long run."""
    from napari_cytosynth.training.stain.objects.run import check_second_opinion

    if second is not None:
        named = {stainer.model.card.name: stainer for stainer in stainers}
        check_second_opinion(named, second, arguments.objects)


def measure_objects(
    arguments: argparse.Namespace,
    report: StainReport,
    fields: Sequence[StainField],
    reader: FieldReader,
    second: Stainer | None,
) -> list[str]:
    """Add what is known of single objects to a report; return why something is missing."""
    from napari_cytosynth.training.stain.objects.run import evaluate_objects

    if arguments.segmenter == "none":
        return []
    found = evaluate_objects(
        {name: scores.stainer for name, scores in report.models.items()},
        fields,
        reader,
        stain=arguments.objects,
        second=None if second is None else (second.model.card.name, second),
        device=arguments.device,
        progress=resolve_progress(None),
    )
    report.numbers, report.opinions = found.numbers, found.opinions
    return found.notes


def print_objects(report: StainReport, notes: Sequence[str]) -> None:
    """Print the tables of single objects, and why something is missing."""
    if not report.numbers.empty:
        echo(f"Numbers of cells, information gain in nats per cell ({_drawn(report.numbers)}):")
        echo(printable(report.numbers.to_string(index=False, float_format="{:.3f}".format), "\n"))
    if not report.opinions.empty:
        [name] = set(report.opinions["second_opinion"])
        echo(printable(f"Nuclei that the second opinion of {name} flags, beside flags at random:"))
        table = report.opinions.drop(columns="second_opinion")
        echo(
            printable(table.to_string(index=False, float_format="{:.3f}".format, na_rep="-"), "\n")
        )
    for note in notes:
        echo(printable(note))


def _drawn(numbers: pd.DataFrame) -> str:
    """Return what the bootstrap drew."""
    from napari_cytosynth.training.stain.calibrate.numbers import LEAST_FIELDS

    if numbers["fields"].min() >= LEAST_FIELDS:
        return "95 % interval: bootstrap of fields"
    return "95 % interval: bootstrap of cells, as the fields are too few; it is too narrow"
