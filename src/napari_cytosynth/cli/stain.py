"""``cytosynth stain``: write virtual stains of a label-free image and their uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable

from .arguments import (
    add_model_and_output,
    add_pixel_size_and_device,
    add_region,
    check_output,
    region_arguments,
    save_result,
    whole,
)
from .batch import add_batch_options, add_inputs, check_single, has_many, run_many

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from napari_cytosynth.images.reading import LoadedImage
    from napari_cytosynth.tasks.stain.objects import StainedObjects
    from napari_cytosynth.tasks.stain.result import Staining
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["SETTINGS", "add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "stain",
        examples=[
            "cytosynth phantoms --out simulated --count 2",
            "cytosynth stain simulated/phase/seed0-field0000.tif --model phantom-phase-unet "
            "--out stained",
        ],
        help="predict stained channels from label-free images",
        description="Predict fluorescent stains from a label-free image, and how uncertain "
        "they are. Writes mean.tif, std.tif and provenance.json; with --objects also labels.tif "
        "and table.csv.",
    )
    add_inputs(parser)
    add_model_and_output(parser)
    group = parser.add_argument_group("how the model runs")
    group.add_argument(
        "--views",
        type=int,
        metavar="N",
        help="flips and rotations that the stain is the mean of, 1 to 8 (default: as the model's "
        "card says)",
    )
    group.add_argument(
        "--samples",
        type=int,
        metavar="N",
        help="dropout samples, which older models take their uncertainty from; 0: none "
        "(default: as the model's card says)",
    )
    group.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same result (default: 0)"
    )
    group.add_argument(
        "--stains", nargs="+", metavar="NAME", help="stains to predict (default: all of the model)"
    )
    group.add_argument(
        "--objects",
        metavar="STAIN",
        help="find the objects (nuclei) of this stain too, and write their labels and a table: "
        "with the doubt of each and intervals of its numbers, where the model's card knows them",
    )
    group.add_argument(
        "--tolerance",
        type=float,
        metavar="F",
        help="stop early once the uncertainty is known to this fraction, such as 0.1",
    )
    group.add_argument(
        "--resample", action="store_true", help="bring the image to the model's pixel size first"
    )
    group.add_argument(
        "--keep-samples", action="store_true", help="write each sample too, as samples.tif"
    )
    group.add_argument(
        "--inject-dropout",
        type=float,
        metavar="P",
        help="force dropout on a model that was trained without it (uncalibrated)",
    )
    group.add_argument(
        "--focal-planes",
        nargs="+",
        type=whole,
        metavar="Z",
        help="for a model of several focal planes: the planes of the stack that it takes, counted "
        "from 0, in the order of its channels (default: chosen by their contrast)",
    )
    add_pixel_size_and_device(group)
    add_region(parser)
    add_batch_options(parser)
    parser.set_defaults(run=run)


SETTINGS = (
    *("views", "samples", "seed", "stains", "tolerance", "keep_samples", "inject_dropout", "axes"),
    *("channels", "pixel_size", "resample", "focal_planes", "device", "objects"),
)


def run(arguments: argparse.Namespace) -> int:
    """Stain one image file virtually, or many."""
    if has_many(arguments):
        from napari_cytosynth.tasks.batch import BatchSettings

        check_single({"--region": arguments.region is not None})
        chosen = {name: getattr(arguments, name) for name in SETTINGS}
        return run_many(arguments, BatchSettings("stain", arguments.model, chosen))
    _run_one(arguments, arguments.inputs[0])
    return 0


def _run_one(arguments: argparse.Namespace, image: Path) -> None:
    from napari_cytosynth.images.reading import read_image
    from napari_cytosynth.tasks.batch.from_file import count_pixels, file_source, sizes_of
    from napari_cytosynth.tasks.stain.objects.task import check_stain
    from napari_cytosynth.tasks.stain.plan import SamplingPlan
    from napari_cytosynth.tasks.stain.task import stain
    from napari_cytosynth.zoo.loading import load_model

    inside = region_arguments(arguments)
    file = read_image(image, arguments.series)
    axes = (arguments.axes or file.axes or "").upper() or None
    size = arguments.pixel_size or file.pixel_size_um
    pixels = count_pixels(file.data.shape, axes)
    # without a number, the card decides, which is not read yet
    _check_output(arguments, image, pixels, 1, uncertain=arguments.samples != 0)
    model = load_model(arguments.model, arguments.device)
    inference = model.card.inference
    plan = SamplingPlan.of(
        arguments.views, arguments.samples, arguments.seed, None, False, arguments.inject_dropout
    ).completed(inference)
    arguments.samples = plan.samples
    stains = tuple(arguments.stains or inference.output_channels)
    if arguments.objects is not None:
        check_stain(arguments.objects, stains)
    count = len(stains)
    uncertain = plan.samples > 0 or inference.uncertainty is not None
    pixels = _pixels(file, model.card, arguments, axes)
    _check_output(arguments, image, pixels, count, uncertain=uncertain)
    for warning in _domain_warnings(file, model.card, arguments, axes, size):
        echo(f"Warning: {warning}", error=True)
    result = stain(
        file_source(file, image),
        model=model,
        views=arguments.views,
        samples=arguments.samples,
        seed=arguments.seed,
        stains=arguments.stains,
        tolerance=arguments.tolerance,
        keep_samples=arguments.keep_samples,
        inject_dropout=arguments.inject_dropout,
        axes=axes,
        channels=arguments.channels,
        pixel_size=sizes_of(file, arguments.pixel_size, axes),
        resample=arguments.resample,
        focal_planes=arguments.focal_planes,
        device=arguments.device,
        **inside,
    )
    for message in (*file.messages, *result.messages):
        echo(message)
    objects = None if arguments.objects is None else result.objects(arguments.objects)
    for message in objects.messages if objects else ():
        echo(message)
    options = {} if objects is None else {"objects": objects}
    written = save_result(result, arguments.out, arguments.overwrite, **options)
    echo(_summary(result))
    if objects is not None:
        echo(_about(objects))
    for path in written:
        echo(printable(path))


def _check_output(
    arguments: argparse.Namespace, image: Path, pixels: int, stains: int, *, uncertain: bool
) -> None:
    kept = arguments.samples != 0 and arguments.keep_samples
    found = arguments.objects is not None
    images = ("mean", *(("std",) if uncertain else ()), *(("samples",) if kept else ()))
    images += ("labels",) if found else ()
    others = ("table.csv",) if found else ()
    least = 2 if arguments.tolerance else arguments.samples or 2  # it may stop early
    arrays = 1 + uncertain + (least if kept else 0)
    size = 4 * pixels * (stains * arrays + found)
    sources = [image]
    check_output(arguments, "stain", images=images, others=others, sources=sources, size=size)


def _pixels(
    file: LoadedImage, card: ModelCard, arguments: argparse.Namespace, axes: str | None
) -> int:
    """Return the number of pixels of one stain."""
    from napari_cytosynth.tasks.batch.from_file import count_pixels
    from napari_cytosynth.tasks.common.focal_reader import takes_from_z

    pixels = count_pixels(file.data.shape, axes)
    from_z = axes is not None and takes_from_z(card, axes, file.data.shape, arguments.channels)
    return pixels // file.data.shape[axes.index("Z")] if axes and from_z else pixels


def _domain_warnings(
    file: LoadedImage, card: ModelCard, arguments: argparse.Namespace, axes: str | None, size: Any
) -> list[str]:
    """Return the warnings of the first plane; a resampled one is not checked for pixel size."""
    from napari_cytosynth.tasks.common.input_check import check_image
    from napari_cytosynth.tasks.stain.task import first_plane_of

    plane = first_plane_of(
        file.data,
        card,
        axes=axes,
        channels=arguments.channels,
        focal_planes=arguments.focal_planes,
    )
    return check_image(plane, card, None if arguments.resample else size)


def _summary(result: Staining) -> str:
    what = f"Predicted {', '.join(result.channels)} (virtual stains: predicted, not measured)"
    if result.std is None:
        return f"{what}, without an uncertainty."
    if not result.calibrated:
        return f"{what}, with uncalibrated uncertainty from {result.count} samples."
    if result.count and result.sample_std is None:
        return f"{what}, with calibrated uncertainty from {result.count} samples."
    return f"{what}, with their typical error at each brightness."


def _about(objects: StainedObjects) -> str:
    """Return how many objects there are, and how many of them are doubtful."""
    from napari_cytosynth.tasks.stain.objects.result import DOUBTFUL

    text = f"{len(objects.table)} {objects.objects} in the virtual {objects.stain}"
    if objects.expected_wrong is None:
        return f"{text}, of unknown doubt."
    doubtful = int((objects.table["doubt"] > DOUBTFUL).sum())
    return (
        f"{text}, {doubtful} of them doubtful (above {DOUBTFUL:g}); about "
        f"{objects.expected_wrong:.0f} are expected to be wrong."
    )
