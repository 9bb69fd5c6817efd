"""``cytosynth evaluate`` and ``cytosynth evaluate segment``: evaluation against known truth."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.cli.arguments import add_segment_options, positive, whole
from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress

from .common import (
    add_output,
    add_selection,
    check_card,
    data_name,
    default_folder,
    make_report_folder,
    non_default_options,
    print_updated,
    selection,
)
from .generate import add_generate
from .stain import add_stain

if TYPE_CHECKING:
    import argparse

    from napari_cytosynth.training.data.image_files import Pair
    from napari_cytosynth.training.segment.evaluate.report import SegmentOptions, SegmentReport
    from napari_cytosynth.training.segment.evaluate.tally import Kind
    from napari_cytosynth.zoo.loading import Model

__all__ = ["add_parser"]


_EXAMPLES = (
    "cytosynth phantoms --out simulated --count 2",
    "cytosynth evaluate segment phase-cells-unet --data-dir simulated --images phase "
    "--masks cells --kind labels",
)


_OF_FOLDERS = {
    **{"images": "image", "masks": None, "kind": None, "invert": False},
    **{"select": "*", "split": None, "hash_split": None, "names": None},
}
"""Options that choose folders and images, and their defaults."""
_NAMES = (
    *("images", "masks", "kind", "select", "hash_split", "part"),
    *("threshold", "min_size", "smallest"),
)


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        examples=[
            *_EXAMPLES,
            "cytosynth evaluate stain phantom-phase-unet --data-dir simulated --out evaluation",
        ],
        help="measure a model on images with known truth",
    )
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    add = tasks.add_parser(
        "segment",
        examples=_EXAMPLES,
        help="measure a segmentation model",
        description="Segment every image of a folder and compare with its truth, pixel by pixel "
        "and object by object. Unless an option below says otherwise, the model runs as "
        "“cytosynth segment IMAGE --model MODEL” runs it. Writes metrics.json, table.csv, "
        "curve.csv and figures of the worst fields.",
    )
    add.add_argument("model", metavar="MODEL", help="name, folder, or org/name[@revision]")
    _add_data(add)
    group = add_segment_options(add)
    group.add_argument(
        "--smallest",
        type=whole,
        metavar="PX",
        help="objects of fewer pixels count neither as true nor as found ones (default: 64 for "
        "masks, whose connected parts are the true objects, 0 for labels)",
    )
    group.add_argument(
        "--rescale",
        type=positive,
        nargs="+",
        default=[],
        metavar="FACTOR",
        help="also run the images resampled by these factors, such as 0.33 0.5 2 3, as they are "
        "and with their object size measured, and print which part of AP@0.5 is left of objects "
        "that are at least 12 px wide there",
    )
    add_output(add, "evaluation/MODEL/DATA-PART")
    add.add_argument(
        "--worst", type=whole, default=6, metavar="N", help="figure pages (default: %(default)s)"
    )
    add.set_defaults(run=run, min_size=None)  # nothing is asked of the model that no user asks
    add_stain(tasks)
    add_generate(tasks)


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("the images and their truth, matched by file name")
    data.add_argument("--data-dir", type=Path, required=True, metavar="FOLDER")
    data.add_argument(
        "--images", default="image", metavar="NAME", help="folder in it (default: %(default)s)"
    )
    data.add_argument(
        "--masks",
        metavar="NAME",
        help="folder of the truth (default: what the model's objects are called, or “labels”)",
    )
    data.add_argument(
        "--kind",
        choices=("mask", "labels"),
        help="mask: non-zero is foreground; labels: one number for each object "
        "(default: labels for a folder called so)",
    )
    data.add_argument("--invert", action="store_true", help="the foreground of a mask is 0")
    add_selection(data)
    part = parser.add_argument_group("or the part of the data that a recipe keeps from training")
    part.add_argument(
        "--part",
        choices=("validation", "test"),
        help="images and truth as the recipe names them, and of these only such as validate, or "
        "neither train nor validate",
    )
    part.add_argument(
        "--recipe",
        metavar="NAME-OR-FILE",
        help="the recipe (default: the one that the model's card names)",
    )


def _in_folders(arguments: argparse.Namespace, model: Model) -> tuple[list[Pair], SegmentOptions]:
    """Return the selected images of the folders that were named, and how to read their truth."""
    from napari_cytosynth.training.data.image_files import find_target_folder, pair_images

    folder, objects = arguments.data_dir, model.card.inference.objects
    masks = find_target_folder(folder, arguments.masks, objects)
    found = pair_images(folder, arguments.images, masks, selection(arguments))
    kind: Kind = arguments.kind or ("labels" if masks == "labels" else "mask")
    return found, _options(arguments, kind, arguments.invert)


def _in_recipe(arguments: argparse.Namespace, model: Model) -> tuple[list[Pair], SegmentOptions]:
    """Return the images of a recipe's part, and how to read their truth."""
    from napari_cytosynth.training.segment.evaluate.parts import part_of, recipe_of

    for name, default in _OF_FOLDERS.items():
        if getattr(arguments, name) != default:
            raise InputError(
                f"--part takes the folders and images that the recipe names: leave out "
                f"--{name.replace('_', '-')}, or --part."
            )
    recipe = recipe_of(model, arguments.recipe, arguments.part)
    target = recipe.data.targets[0]
    found = part_of(recipe, arguments.data_dir, arguments.part)
    return found, _options(arguments, target.kind, target.invert)


def _options(arguments: argparse.Namespace, kind: Kind, invert: bool) -> SegmentOptions:
    from napari_cytosynth.training.segment.evaluate.report import SegmentOptions

    return SegmentOptions(
        kind=kind,
        invert=invert,
        threshold=arguments.threshold,
        min_size=arguments.min_size,
        split_touching=arguments.split_touching,
        smallest=arguments.smallest,
        pixel_size_um=arguments.pixel_size,
        device=arguments.device,
        rescale=tuple(arguments.rescale),
    )


def run(arguments: argparse.Namespace) -> None:
    """Evaluate a segmentation model."""
    from napari_cytosynth.training.segment.evaluate.run import evaluate_segment, write_report
    from napari_cytosynth.zoo.loading import load_model

    if arguments.update_card:
        check_card(Path(arguments.model))
    if arguments.recipe and not arguments.part:
        raise InputError("--recipe says which images --part takes: name the part too.")
    model = load_model(arguments.model, arguments.device)
    found, options = (_in_recipe if arguments.part else _in_folders)(arguments, model)
    part = [part for part in (arguments.part, arguments.hash_split) if part]
    out = arguments.out or default_folder([model], arguments.data_dir, part)
    make_report_folder(out, arguments.overwrite)
    report = evaluate_segment(
        model,
        [pair.image for pair in found],
        [pair.target for pair in found],
        options,
        keep_worst=arguments.worst,
        progress=resolve_progress(None),
    )
    command = command_line(arguments, model)
    write_report(report, out, command=command)
    _print(report, out)
    if arguments.update_card:
        folder = Path(arguments.model)
        report.update_card(folder, arguments.update_card, command)
        print_updated(folder)


def _print(report: SegmentReport, out: Path) -> None:
    model, options = report.model.card.name, report.options
    echo(f"{model} on {len(report.table)} images, threshold {report.threshold:g}")
    if options.kind == "mask":
        echo(
            "True objects are the connected parts of the mask; parts of fewer than "
            f"{options.least_size} px do not count."
        )
    for name, value in report.metrics.items():
        shown = f"{value:.0f}" if name.endswith(("objects", "errors")) else f"{value:.4f}"
        echo(printable(f"  {name}: {shown}"))
    confidence = report.confidence
    echo(printable(confidence if isinstance(confidence, str) else confidence.summary()))
    if report.stated is not None:
        for line in report.stated.summary().splitlines():
            echo(printable(line))
    if report.doubts is not None:
        echo(report.doubts.summary())
    _print_rescaled(report)
    echo(printable(f"Details and figures: {out}"))


def _print_rescaled(report: SegmentReport) -> None:
    if not report.rescaled:
        return
    echo("Resampled (of the AP@0.5 of the same objects, those 12 px wide, in the images as given):")
    for scores in report.rescaled:
        echo(printable(scores.summary()))
    if report.model.card.inference.diameter is None:
        echo("The model's card has no diameter of objects, so that their size cannot be measured.")


def command_line(arguments: argparse.Namespace, model: Model) -> str:
    """Return the command that repeats the evaluation, without local paths."""
    words = ["cytosynth", "evaluate", "segment", model.card.name]
    words += ["--data-dir", data_name(arguments.data_dir)]
    words += non_default_options(arguments, _NAMES, _OF_FOLDERS)
    if arguments.recipe:
        own = Path(arguments.recipe).suffix  # a file: its folder is left out
        words += ["--recipe", Path(arguments.recipe).name if own else arguments.recipe]
    if arguments.rescale:
        words += ["--rescale", *(f"{factor:g}" for factor in arguments.rescale)]
    if arguments.pixel_size is not None:
        words += ["--pixel-size", f"{arguments.pixel_size:g}"]
    if arguments.split_touching is not None:
        words.append("--split-touching" if arguments.split_touching else "--no-split-touching")
    return shlex.join([*words, *(["--invert"] if arguments.invert else [])])
