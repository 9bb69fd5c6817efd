"""``cytosynth plate-cost``: how long a plate, or a million fields, will take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo
from napari_cytosynth.progress import resolve_progress

from .arguments import at_least_one, path_of
from .batch import add_inputs

if TYPE_CHECKING:
    import argparse

    from napari_cytosynth.tasks.batch.cluster.cost import FieldCost

__all__ = ["add_parser"]

_WELLS = 384
_MANY = 1_000_000


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "plate-cost",
        examples=["cytosynth plate-cost plate.zarr --model fluo-nuclei-unet"],
        help="measure what a field costs, and what plates and a million fields will",
        description="Do a few fields with one core, from reading to writing, and print the "
        "core-seconds of a megapixel, the bytes and files of a field, and what follows for a "
        "384-well plate and a million fields. Nothing stays on the disk.",
    )
    add_inputs(parser)
    parser.add_argument("--model", required=True, help="as “cytosynth segment” takes it")
    parser.add_argument(
        "--task", choices=("segment", "stain"), default="segment", help="default: %(default)s"
    )
    parser.add_argument(
        "--fields", type=at_least_one, default=5, metavar="N", help="fields to measure (default: 5)"
    )
    parser.add_argument(
        "--fields-per-well", type=at_least_one, default=9, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--cores", type=at_least_one, default=100, metavar="N", help="of the cluster (default: 100)"
    )
    parser.add_argument(
        "--out",
        type=path_of,
        metavar="DIR",
        help="folder on the disk that will be written to (default: that of temporary files)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, and print the figures."""
    from napari_cytosynth.tasks.batch import BatchSettings
    from napari_cytosynth.tasks.batch.cluster.cost import measure_cost

    cost = measure_cost(
        arguments.inputs,
        BatchSettings(arguments.task, arguments.model, {"device": "cpu"}),
        fields=arguments.fields,
        place=arguments.out,
        progress=resolve_progress(None),
    )
    seconds = cost.core_seconds
    echo(f"{len(seconds)} fields of {cost.megapixels:.2f} megapixels, on one core:")
    lowest, highest = (second / cost.megapixels for second in (min(seconds), max(seconds)))
    spread = f"(median; {lowest:.2f} to {highest:.2f})"
    echo(f"  {cost.per_megapixel:.2f} core-seconds per megapixel {spread}")
    echo(f"  {cost.bytes / 1e6:.1f} MB in {cost.files} files per field")
    wells = _WELLS * arguments.fields_per_well
    echo(f"{_WELLS} wells of {arguments.fields_per_well} fields, {wells:,} fields:")
    _print(cost, wells, arguments.cores)
    echo(f"{_MANY:,} fields:")
    _print(cost, _MANY, arguments.cores)
    return 0


def _print(cost: FieldCost, fields: int, cores: int) -> None:
    hours = cost.core_hours(fields)
    echo(f"  {hours:,.1f} core-hours: {hours / cores:,.2f} hours on {cores} cores")
    echo(f"  {fields * cost.bytes / 1e9:,.1f} GB in {fields * cost.files:,} files")
