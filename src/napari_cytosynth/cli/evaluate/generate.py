"""``cytosynth evaluate generate``: evaluation of generators, side by side."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.cli.arguments import at_least_one, whole
from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError
from napari_cytosynth.progress import resolve_progress

from .common import (
    add_output,
    check_card,
    data_name,
    default_folder,
    make_report_folder,
    non_default_options,
    print_updated,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_cytosynth.training.generate.evaluate.report import GenerateOptions, GenerateReport
    from napari_cytosynth.zoo.loading import Model

__all__ = ["add_generate"]

_DEFAULTS = {"count": 500, "seed": 0, "part": "test", "likelihood": 32}
_NAMES = ("recipe", *_DEFAULTS, "extractor", "sampler", "steps", "guidance")


def add_generate(tasks: Any) -> None:
    """Add the command to the sub-parsers `tasks`."""
    add: argparse.ArgumentParser = tasks.add_parser(
        "generate",
        examples=[
            "cytosynth evaluate generate nuclei-vae nuclei-wgan --data-dir DATA/nuclei-dsb2018"
        ],
        help="measure generators, side by side",
        description="Generate images and compare them with real ones that the model never saw, "
        "cut as its recipe cuts them: distances of features, coverage, diversity, spectra, "
        "intensities, likelihood, and a search for copies of training images. Beside each "
        "distance stand those of real training images and of shapeless noise with the same "
        "spectrum. Writes table.csv, metrics.json and figures, some with real images. A card "
        "that is updated also gets embeddings of the training images, and is pinned again "
        "afterwards: the file's SHA-256 changes.",
    )
    add.add_argument("models", nargs="+", metavar="MODEL", help="name, folder, or org/name")
    _add_data(add)
    _add_running(add)
    add_output(add, "evaluation/MODELS/DATA-PART")
    add.set_defaults(run=run)


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("the real images")
    data.add_argument("--data-dir", type=Path, required=True, metavar="FOLDER")
    data.add_argument(
        "--recipe",
        type=_name_or_file,
        metavar="NAME-OR-FILE",
        help="which images train and test, and how they are cut and scaled (default: the recipe "
        "that the model's card names)",
    )
    data.add_argument(
        "--part",
        choices=("validation", "test"),
        default=_DEFAULTS["part"],
        help="real images to compare with (default: %(default)s)",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how many images, and what is compared")
    group.add_argument(
        "--count",
        type=at_least_one,
        default=_DEFAULTS["count"],
        metavar="N",
        help="images of each kind; compare only figures of the same N (default: %(default)s)",
    )
    group.add_argument("--seed", type=whole, default=_DEFAULTS["seed"], metavar="N")
    group.add_argument(
        "--extractor",
        type=_name_or_file,
        metavar="MODEL-OR-FILE",
        help="what describes the images: nuclei-encoder, em-encoder, a segmentation model (by its "
        "encoder) or a TorchScript file of Inception, DINOv2 … (default: as the recipe says)",
    )
    group.add_argument(
        "--likelihood",
        type=whole,
        default=_DEFAULTS["likelihood"],
        metavar="N",
        help="real images whose bits/dim are measured, of diffusion models; 0: none "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--sampler",
        choices=("ddpm", "ddim", "dpm++", "unipc", "euler"),
        help="(default: the card's)",
    )
    group.add_argument(
        "--steps", type=at_least_one, metavar="N", help="sampling steps (default: the card's)"
    )
    group.add_argument(
        "--guidance", type=float, metavar="G", help="strength of the class (default: the card's)"
    )
    group.add_argument("--batch-size", type=at_least_one, metavar="N", help="images at once")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda (default: %(default)s)")


def _name_or_file(text: str) -> str | Path:
    """Return a path for a file, so that the recorded command leaves out its folder."""
    return Path(text) if Path(text).suffix else text


def _text(value: str | Path | None) -> str | None:
    return None if value is None else str(value)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate generators."""
    from napari_cytosynth.training.generate.evaluate.run import (
        data_of,
        evaluate_generate,
        write_report,
    )
    from napari_cytosynth.zoo.loading import load_model

    if arguments.update_card:
        for name in arguments.models:
            check_card(Path(name))
    models = [load_model(name, arguments.device) for name in arguments.models]
    data = data_of(models, arguments.data_dir, _text(arguments.recipe))
    extractor = _text(arguments.extractor) or data.recipe.encoder
    if arguments.update_card:
        _check_extractor(extractor)
    out = arguments.out or default_folder(models, arguments.data_dir, [arguments.part])
    make_report_folder(out, arguments.overwrite)
    report = evaluate_generate(
        models, data, _options(arguments, extractor), progress=resolve_progress(None)
    )
    write_report(report, out, command=command_line(arguments, models))
    _print(report, out)
    for model, source in zip(models, arguments.models, strict=True):
        if arguments.update_card:
            own = command_line(arguments, [model])
            report.update_card(model.card.name, Path(source), arguments.update_card, own)
            print_updated(Path(source))


def _check_extractor(extractor: str) -> None:
    """Raise for an extractor that others do not have, or not for ever: cards must stay true."""
    from napari_cytosynth.zoo.catalogue import find_entry

    entry = find_entry(extractor)
    if entry is None:
        raise InputError(
            f"“{extractor}” is not one of the known models, so that nobody else could compare "
            "images with the embeddings on the card. Leave --update-card out, or --extractor."
        )
    if entry.task != "encode":
        raise InputError(
            f"“{extractor}” may be trained again for a later version, and the embeddings on the "
            "card would not fit its features any more. Leave --update-card out, or choose an "
            "encoder that stays as it is: --extractor nuclei-encoder or em-encoder."
        )


def _options(arguments: argparse.Namespace, extractor: str) -> GenerateOptions:
    from napari_cytosynth.training.generate.evaluate.report import GenerateOptions
    from napari_cytosynth.training.generate.evaluate.sampling import Sampling

    sampling = Sampling(
        sampler=arguments.sampler,
        steps=arguments.steps,
        guidance=arguments.guidance,
        seed=arguments.seed,
        device=arguments.device,
        batch_size=arguments.batch_size,
    )
    return GenerateOptions(
        count=arguments.count,
        extractor=extractor,
        part=arguments.part,
        sampling=sampling,
        likelihood=arguments.likelihood,
    )


def _print(report: GenerateReport, out: Path) -> None:
    import pandas as pd

    options = report.options
    echo(
        f"{options.count} images of each kind, seeds from {options.sampling.seed}; real images: "
        f"part {options.part}; features: {report.extractor}"
    )
    with pd.option_context("display.max_rows", None, "display.width", 200):
        table = report.comparison()
        echo(table.to_string(index=False, float_format="{:.4f}".format, na_rep="–"))
    for name, sentence in report.verdicts.items():
        echo(printable(f"{name}: {sentence}"))
    echo(printable(f"Details and figures: {out}"))


def command_line(arguments: argparse.Namespace, models: Sequence[Model]) -> str:
    """Return the command that repeats the evaluation, without local paths."""
    words = ["cytosynth", "evaluate", "generate", *(model.card.name for model in models)]
    words += ["--data-dir", data_name(arguments.data_dir)]
    return shlex.join(words + non_default_options(arguments, _NAMES, _DEFAULTS))
