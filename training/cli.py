"""``python -m napari_cytosynth.training``, and behind it ``cytosynth train``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from napari_cytosynth.errors import CytosynthError

from .recipe import list_recipes, load_recipe

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cytosynth train", description="Train a model from a recipe and a folder of data."
    )
    parser.add_argument(
        "recipe",
        metavar="NAME-OR-RECIPE",
        help=f"a shipped recipe ({', '.join(list_recipes())}) or a YAML file",
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of images and truth")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/NAME)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="change settings of the recipe, for example train.max_epochs=5",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        recipe = load_recipe(arguments.recipe, arguments.set)
        from .fit import train

        folder = train(recipe, arguments.data_dir, arguments.out, resume=arguments.resume)
    except CytosynthError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Model written to {folder}\n")
    return 0
