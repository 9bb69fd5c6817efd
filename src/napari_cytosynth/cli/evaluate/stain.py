"""``cytosynth evaluate stain``: evaluation of virtual stainers and calibration of their sigma."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.cli.arguments import pixel_size, whole
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
)
from .stain_calibration import calibrate
from .stain_fields import excluding, fields_of, reader_of, stainer_of
from .stain_objects import (
    add_second_opinion,
    check_second,
    measure_objects,
    print_objects,
    second_stainer,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_cytosynth.training.stain.evaluate.report import StainReport
    from napari_cytosynth.zoo.loading import Model

__all__ = ["add_stain"]

_DEFAULTS: dict[str, Any] = {
    "inputs": ["phase"],
    "targets": "fluorescence",
    "part": [],
    "select": "*",
    "exclude": [],
    "samples": None,
    "views": None,
    "seed": 0,
    "segmenter": "fluo-nuclei-unet",
}
_NAMES = (
    *("inputs", "targets", "part", "select", "hash_split"),
    *("input_pick", "target_pick", "target_channels", "exclude"),
    *("views", "samples", "seed", "pixel_size", "segmenter", "objects"),
)


def add_stain(tasks: Any) -> None:
    """Add the command to the sub-parsers `tasks`."""
    add: argparse.ArgumentParser = tasks.add_parser(
        "stain",
        examples=[
            "cytosynth phantoms --out simulated --count 2",
            "cytosynth evaluate stain phantom-phase-unet --data-dir simulated --out evaluation",
        ],
        help="measure virtual stainers, side by side",
        description="Stain every image of a folder virtually and compare with its real stain: "
        "pixels (in the stain's own units, no image rescaled), objects, uncertainty and "
        "populations, and what numbers of single cells tell where the card has intervals for them. "
        "Writes comparison.csv, table.csv, populations.csv, information-gain.csv, metrics.json and "
        "figures with the best, the median and the worst field. Cards that are updated are "
        "pinned again afterwards: their files' SHA-256 changes.",
    )
    add.add_argument("models", nargs="+", metavar="MODEL", help="name, folder, or org/name")
    _add_data(add)
    _add_running(add)
    add_output(add, "evaluation/MODELS/DATA-PART")
    calibration = add.add_argument_group("calibrating the uncertainty, instead of measuring")
    calibration.add_argument(
        "--calibrate",
        action="store_true",
        help="fit the calibration of sigma on these fields and write it on the card "
        "of the model (one folder), which loses its older coverages; only with fields that the "
        "model did not learn from",
    )
    calibration.add_argument(
        "--fold",
        action="append",
        default=[],
        metavar="MODEL=GLOB",
        help="with --calibrate: let this model, trained without the fields of that name, stain "
        "them (again and again: a leave-one-field-out calibration)",
    )
    add.set_defaults(run=run)


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("the images and their stains, matched by file name")
    data.add_argument("--data-dir", type=Path, required=True, metavar="FOLDER")
    data.add_argument(
        "--inputs",
        nargs="+",
        default=_DEFAULTS["inputs"],
        metavar="NAME",
        help="folder of the input images (default: phase). Several are focal planes of the same "
        "fields, in order along z: a model of one channel stains each plane as a field of its "
        "own, called “FIELD (NAME)”; of a model of as many channels they are the channels",
    )
    data.add_argument(
        "--targets",
        default=_DEFAULTS["targets"],
        metavar="NAME",
        help="folder of the stained images (default: %(default)s)",
    )
    data.add_argument(
        "--part",
        nargs="+",
        default=[],
        metavar="NAME",
        help="folders in the data folder that have those two folders, such as test",
    )
    add_selection(data)
    for name, what in (("input", "input"), ("target", "stained")):
        data.add_argument(
            f"--{name}-pick",
            nargs="+",
            type=whole,
            metavar="N",
            help=f"which channels of the {what} files are taken (default: all, in order)",
        )
    data.add_argument(
        "--target-channels",
        nargs="+",
        metavar="NAME",
        help="what the channels of the stained files are called (default: as the first model's)",
    )
    data.add_argument(
        "--exclude",
        nargs="+",
        action="extend",
        default=[],
        metavar="STAIN=GLOB",
        help="leave this stain of the fields of that name out, such as Mito=*A01*, where it did "
        "not work; the other stains of these fields are used",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how the models run and what is compared")
    group.add_argument(
        "--views",
        type=whole,
        metavar="N",
        help="flips and rotations that a stain is the mean of, 1 to 8 (default: as the model's "
        "card says)",
    )
    group.add_argument(
        "--samples",
        type=whole,
        metavar="N",
        help="dropout samples; 0: none (default: as the model's card says)",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N")
    group.add_argument("--pixel-size", type=pixel_size, metavar="UM", help="of the images, in µm")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda (default: %(default)s)")
    group.add_argument(
        "--segmenter",
        default=_DEFAULTS["segmenter"],
        metavar="MODEL",
        help="finds the objects in the real and in the virtual stain; otsu: a threshold and a "
        "watershed; none: no objects (default: %(default)s)",
    )
    group.add_argument(
        "--objects",
        metavar="STAIN",
        help="stain in which objects are found (default: that of the nuclei, or the first)",
    )
    add_second_opinion(group)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate virtual stainers, or calibrate one."""
    if arguments.calibrate:
        calibrate(arguments)
    elif arguments.fold:
        raise InputError("--fold belongs to --calibrate.")
    else:
        _evaluate(arguments)


def _evaluate(arguments: argparse.Namespace) -> None:
    from napari_cytosynth.training.stain.evaluate.run import (
        StainOptions,
        evaluate_stain,
        write_report,
    )

    if arguments.update_card:
        for name in arguments.models:
            check_card(Path(name))
    stainers = [stainer_of(name, arguments) for name in arguments.models]
    second = second_stainer(arguments)
    check_second(arguments, stainers, second)
    loaded = stainers if second is None else [*stainers, second]
    reader, all_fields = reader_of(arguments, loaded), fields_of(arguments, loaded)
    [fields] = excluding(arguments, [all_fields], reader)
    models = [stainer.model for stainer in stainers]
    out = arguments.out or default_folder(models, arguments.data_dir, arguments.part)
    make_report_folder(out, arguments.overwrite)
    options = StainOptions(
        segmenter=None if arguments.segmenter == "none" else arguments.segmenter,
        object_stain=arguments.objects,
        pixel_size_um=arguments.pixel_size,
        device=arguments.device,
    )
    report = evaluate_stain(
        stainers,
        fields,
        reader,
        options,
        progress=resolve_progress(None),
    )
    notes = measure_objects(arguments, report, fields, reader, second)
    command = command_line(arguments, models)
    write_report(report, out, command=command)
    _print(report, out, notes)
    for name, source in zip(report.models, arguments.models, strict=True):
        if arguments.update_card:
            own = command_line(arguments, [report.models[name].stainer.model])
            report.update_card(name, Path(source), arguments.update_card, own)
            print_updated(Path(source))


def _print(report: StainReport, out: Path, notes: Sequence[str]) -> None:
    import pandas as pd

    for name, scores in report.models.items():
        stainer = scores.stainer
        state = "calibrated" if stainer.calibrated else "not calibrated"
        views = f"{stainer.views} view{'s' * (stainer.views != 1)}"
        sampled = f"{stainer.samples} samples" if stainer.samples else "no samples"
        echo(printable(f"{name}: {views}, {sampled}, {state}"))
    ranges = ", ".join(f"{name} {data_range:g}" for name, data_range in report.data_ranges.items())
    echo(f"Range of the intensities for SSIM, PSNR and NRMSE: {ranges}")
    with pd.option_context("display.max_rows", None, "display.width", 200):
        echo(report.comparison().to_string(index=False, float_format="{:.4f}".format))
        if not report.populations().empty:
            echo("Populations of objects (distances between two halves of the real ones beside):")
            echo(report.populations().to_string(index=False, float_format="{:.3f}".format))
        if not (planes := report.planes()).empty:
            echo("PCC at each focal plane, mean over the fields:")
            each = planes.pivot_table("PCC", ["model", "stain"], "plane", sort=False)
            echo(each.to_string(float_format="{:.4f}".format))
    print_objects(report, notes)
    for shown in report.shown:
        echo(printable(f"{shown.rank} field: {shown.name}, mean PCC {shown.score:.3f}"))
    echo(printable(f"Details and figures: {out}"))


def command_line(arguments: argparse.Namespace, models: Sequence[Model]) -> str:
    """Return the command that repeats the evaluation, without local paths."""
    words = ["cytosynth", "evaluate", "stain", *(model.card.name for model in models)]
    words += ["--data-dir", data_name(arguments.data_dir)]
    options = non_default_options(arguments, _NAMES, _DEFAULTS)
    if arguments.second_opinion is not None:
        options += ["--second-opinion", Path(arguments.second_opinion).name]
    return shlex.join(words + options)
