"""``cytosynth run``: a task with saved settings, on one file or many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import add_overwrite, path_of
from .batch import add_batch_options, add_inputs, run_many

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        examples=["cytosynth run settings.yaml 'day*/*.tif' --out results --resume"],
        help="segment, stain or measure images with saved settings",
        description="Do with many images what settings say: task, model and arguments, as "
        "cytosynth.save_settings(result.provenance, “settings.yaml”) writes them.",
    )
    parser.add_argument("settings", type=path_of, metavar="SETTINGS", help="YAML of settings")
    add_inputs(parser)
    parser.add_argument(
        "--out", type=path_of, required=True, metavar="DIR", help="folder that the results go to"
    )
    add_overwrite(parser)
    parser.add_argument(
        "--series",
        metavar="N",
        help="image to take of each file of several, by number (from 0) or name (default: all)",
    )
    parser.add_argument(
        "--intensity",
        type=path_of,
        metavar="IMAGE",
        help="for settings of “measure”: image or folder of images to measure intensities in",
    )
    add_batch_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the task of the settings on all inputs."""
    from napari_cytosynth.tasks.batch import load_settings

    settings = load_settings(arguments.settings)
    return run_many(arguments, settings, intensity=arguments.intensity)
