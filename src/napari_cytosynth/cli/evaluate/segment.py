"""``cytosynth evaluate`` and ``cytosynth evaluate segment``: evaluation against known truth."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.cli.arguments import add_segment_options, whole
from napari_cytosynth.console import echo, printable
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
)
from .generate import add_generate
from .stain import add_stain

if TYPE_CHECKING:
    import argparse

    from napari_cytosynth.training.segment.evaluate.report import SegmentReport
    from napari_cytosynth.zoo.loading import Model

__all__ = ["add_parser"]


_EXAMPLES = (
    "cytosynth phantoms --out simulated --count 2",
    "cytosynth evaluate segment phase-cells-unet --data-dir simulated --images phase "
    "--masks cells --kind labels",
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
        description="Segment every image of a folder and compare with its truth. Writes "
        "metrics.json, table.csv, curve.csv and figures of the worst fields.",
    )
    add.add_argument("model", metavar="MODEL", help="name, folder, or org/name[@revision]")
    _add_data(add)
    add_segment_options(add)
    add_output(add, "evaluation/MODEL/DATA-PART")
    add.add_argument(
        "--worst", type=whole, default=6, metavar="N", help="figure pages (default: %(default)s)"
    )
    add.set_defaults(run=run)
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


def run(arguments: argparse.Namespace) -> None:
    """Evaluate a segmentation model."""
    from napari_cytosynth.training.data.image_files import (
        Selection,
        find_target_folder,
        pair_images,
    )
    from napari_cytosynth.training.segment.evaluate.run import (
        SegmentOptions,
        evaluate_segment,
        write_report,
    )
    from napari_cytosynth.zoo.loading import load_model

    if arguments.update_card:
        check_card(Path(arguments.model))
    model = load_model(arguments.model, arguments.device)
    folder, objects = arguments.data_dir, model.card.inference.objects
    masks = find_target_folder(folder, arguments.masks, objects)
    selection = Selection(arguments.select, arguments.split, arguments.hash_split)
    found = pair_images(folder, arguments.images, masks, selection)
    part = [arguments.hash_split] if arguments.hash_split else []
    out = arguments.out or default_folder([model], folder, part)
    make_report_folder(out, arguments.overwrite)
    options = SegmentOptions(
        kind=arguments.kind or ("labels" if masks == "labels" else "mask"),
        invert=arguments.invert,
        threshold=arguments.threshold,
        min_size=arguments.min_size,
        split_touching=arguments.split_touching,
        pixel_size_um=arguments.pixel_size,
        device=arguments.device,
    )
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
    echo(f"{model} on {len(report.table)} images, threshold {options.threshold:g}")
    for name, value in report.metrics.items():
        shown = f"{value:.0f}" if name.endswith("objects") else f"{value:.4f}"
        echo(printable(f"  {name}: {shown}"))
    echo(printable(f"Details and figures: {out}"))


def command_line(arguments: argparse.Namespace, model: Model) -> str:
    """Return the command that repeats the evaluation, without local paths."""
    words = ["cytosynth", "evaluate", "segment", model.card.name]
    words += ["--data-dir", data_name(arguments.data_dir)]
    defaults = {"images": "image", "select": "*"}
    names = ("images", "masks", "kind", "select", "hash_split", "threshold", "min_size")
    words += non_default_options(arguments, names, defaults)
    if arguments.pixel_size is not None:
        words += ["--pixel-size", f"{arguments.pixel_size:g}"]
    if arguments.split_touching is not None:
        words.append("--split-touching" if arguments.split_touching else "--no-split-touching")
    return shlex.join([*words, *(["--invert"] if arguments.invert else [])])
