"""``cytosynth generate``: write synthetic images with their seeds and a contact sheet."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError

from .arguments import (
    FILE_SUFFIXES,
    add_device,
    add_model,
    add_region,
    check_output,
    region_arguments,
    save_result,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_cytosynth.tasks.generate.part import Part
    from napari_cytosynth.tasks.generate.result import Generation
    from napari_cytosynth.zoo.loading import Model

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "generate",
        examples=["cytosynth generate --model nuclei-wgan --count 4 --seed 7 --out synthetic"],
        help="make up synthetic images",
        description="Make up images like those that a model was trained on: synthetic, not "
        "measured. Writes images.tif (and masks.tif, labels.tif of a model that makes masks), "
        "samples.csv with the seeds, contact-sheet.png and provenance.json.",
    )
    add_model(parser)
    parser.add_argument(
        "--separate",
        action="store_true",
        help="write a file of each image too, into the folders image (and mask): data to train on",
    )
    _add_options(parser.add_argument_group("what is made"))
    group = parser.add_argument_group("how it is made (diffusion models)")
    group.add_argument(
        "--sampler", help="ddpm, ddim, dpm++ or unipc; euler of a flow (default: the model's own)"
    )
    group.add_argument(
        "--steps", type=int, metavar="N", help="sampling steps (default: the model's own)"
    )
    group.add_argument(
        "--guidance",
        type=_guidance,
        metavar="G",
        help="how strongly class and conditions count: 0 not at all, 1 as trained, more "
        "exaggerates (default: the model's own)",
    )
    group.add_argument(
        "--trajectory",
        action="store_true",
        help="write the way from noise to image too, as trajectory.tif and trajectory.gif",
    )
    add_device(group)
    add_region(
        parser,
        "only inside of shapes",
        "images as large as the box around these shapes, in px of the model, and empty outside",
    )
    parser.set_defaults(run=run)


def _add_options(group: Any) -> None:
    group.add_argument(
        "--count", type=_count, metavar="N", help="images (default: 16; with --vary, 9)"
    )
    group.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of the first image, the others follow; the same seed gives the same image "
        "(default: 0)",
    )
    group.add_argument(
        "--vary",
        type=_seed,
        nargs=2,
        metavar=("A", "B"),
        help="walk from the image of seed A to that of seed B instead; writes walk.gif too",
    )
    group.add_argument(
        "--class", dest="label", metavar="NAME", help="class, by name or number (default: any)"
    )
    group.add_argument(
        "--condition",
        type=_named_number,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a property that the images are to have; may be given several times",
    )
    group.add_argument(
        "--size",
        type=_pixels,
        nargs="+",
        metavar="PX",
        help="side, or height and width (default: as in training)",
    )
    group.add_argument(
        "--nearest",
        action="store_true",
        help="print how far each image is from its nearest training image",
    )


def run(arguments: argparse.Namespace) -> None:
    """Generate images, write them and print the paths."""
    from napari_cytosynth.zoo.loading import load_model

    out: Path = arguments.out
    check_output(arguments, "generate", images=("images",))
    model = load_model(arguments.model, arguments.device)
    walks = arguments.vary is not None
    film = _film(arguments) if walks or arguments.trajectory else None
    part = _part(arguments, model)
    sides = arguments.size or ((16,) if part is None else part.size)
    _check_room(arguments, model, film, sides)
    result = _make(arguments, model, part)
    for message in result.messages:
        echo(message)
    try:
        if arguments.nearest:
            _print_nearest(result, model, arguments.device)
    finally:  # the images are worth keeping where nothing can be looked up
        overwrite = arguments.overwrite
        written = save_result(result, out, overwrite, separate=arguments.separate)
    if film is not None and (result.walk is not None or result.trajectory is not None):
        written.append(result.save_animation(film, overwrite=overwrite))
    echo(_summary(result))
    for path in written:
        echo(printable(path))


def _film(arguments: argparse.Namespace) -> Path:
    """Return the name of the film of a walk or of the way from noise to image."""
    out: Path = arguments.out
    name = "walk.gif" if arguments.vary is not None else "trajectory.gif"
    beside = out.suffix.lower() in FILE_SUFFIXES
    return out.with_name(f"{out.stem}-{name}") if beside else out / name


def _part(arguments: argparse.Namespace, model: Model) -> Part | None:
    """Return the part of the world that the images are to fill, if shapes were given."""
    from napari_cytosynth.tasks.generate.part import find_part

    part = find_part(
        inference=model.card.inference, **(region_arguments(arguments) or {"region": None})
    )
    if part is not None and arguments.separate:
        part.require_whole("files to train on")
    return part


def _check_room(
    arguments: argparse.Namespace, model: Model, film: Path | None, sides: Sequence[int]
) -> None:
    """Check that the files of this model can be written, and that there is space for them."""
    from napari_cytosynth.tasks.export.destination import refuse_foreign_file

    if film is not None and not arguments.overwrite:
        refuse_foreign_file(film, "generate")
    inference = model.card.inference
    masks = inference.generation is not None and inference.generation.mask_channel is not None
    images = ("images", *(("masks", "labels") if masks else ()))
    images += ("trajectory",) if arguments.trajectory and arguments.vary is None else ()
    count, channels = arguments.count or 9, len(inference.output_channels) - masks
    size = 4 * count * channels * sides[0] * sides[-1]
    check_output(arguments, "generate", images=images, size=size)


def _make(arguments: argparse.Namespace, model: Any, part: Part | None) -> Generation:
    from napari_cytosynth.tasks.generate.task import SamplingOptions, sample

    walks, size, label = arguments.vary is not None, arguments.size, arguments.label
    seed, walk_to = arguments.vary if walks else (arguments.seed, None)
    options = SamplingOptions(
        count=arguments.count or (9 if walks else 16),
        seed=seed,
        walk_to=walk_to,
        label=int(label) if label is not None and label.isdecimal() else label,
        conditions=dict(arguments.condition) or None,
        size=size[0] if size is not None and len(size) == 1 else size,
        sampler=None if walks else arguments.sampler,
        steps=arguments.steps,
        guidance=arguments.guidance,
        keep_trajectory=arguments.trajectory,
    )
    return sample(model, options, region=part, device=arguments.device)


def _print_nearest(result: Generation, model: Any, device: str) -> None:
    from napari_cytosynth.tasks.generate.nearest import nearest_training

    found = nearest_training(result, model, device=device)
    for sample in range(len(result)):
        echo(found.describe(sample))


def _checked(check: Callable[[Any], Any], text: str) -> Any:
    """Return a value checked by a rule of the sampling options, for use by argparse."""
    try:
        return check(int(text) if text.lstrip("+-").isdecimal() else text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    from napari_cytosynth.inference.generation.request import check_count

    return int(_checked(check_count, text))


def _seed(text: str) -> int:
    from napari_cytosynth.inference.generation.request import check_seed

    return int(_checked(check_seed, text))


def _pixels(text: str) -> int:
    from napari_cytosynth.inference.generation.request import check_size

    return int(_checked(check_size, text)[0])


def _guidance(text: str) -> float:
    from napari_cytosynth.inference.generation.request import check_guidance

    return float(_checked(check_guidance, text))


def _named_number(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        name = ""
    if not name:
        raise argparse.ArgumentTypeError(f"give a name and a number as NAME=VALUE, not {text}")
    return name.strip(), number


def _summary(result: Generation) -> str:
    rows, columns = result.images.shape[-2:]
    size, facts = f"{rows} × {columns} px", result.facts
    return f"{len(result)} images of {size}: {facts.title}; {facts.seeds_in_words()}."
