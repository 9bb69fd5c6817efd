"""``cytosynth models``: list, show, fetch, remove, publish, convert, export; see `collection`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cytosynth.console import echo, printable
from napari_cytosynth.errors import InputError, ModelError
from napari_cytosynth.progress import resolve_progress
from napari_cytosynth.zoo.settings import TASKS

from . import collection

if TYPE_CHECKING:
    import argparse

    from pydantic import BaseModel

    from napari_cytosynth.zoo.card import ModelCard
    from napari_cytosynth.zoo.convert import Converted

__all__ = ["add_parser"]

_LONGEST = 20_000  # characters of a card's text on the terminal
_WINDOW = 256  # px
MODEL_HELP = "a name from “cytosynth models list”, a folder, or org/name[@revision] of the Hub"


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers `commands`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "models",
        examples=["cytosynth models list", "cytosynth models show fluo-nuclei-unet"],
        help="list, show, fetch, star, copy, add, remove and publish models",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    add = actions.add_parser(
        "list",
        examples=["cytosynth models list --task segment"],
        help="list the models on this machine",
    )
    add.add_argument("--task", choices=TASKS)
    add.set_defaults(run=list_them)
    add = actions.add_parser(
        "show",
        examples=["cytosynth models show fluo-nuclei-unet"],
        help="show what a model is for and how well it does",
    )
    add.add_argument("model", help=MODEL_HELP)
    add.add_argument("--json", action="store_true", help="print the card as it is stored")
    add.set_defaults(run=show)
    add = actions.add_parser(
        "fetch",
        examples=["cytosynth models fetch fluo-nuclei-unet"],
        help="download a model for later use",
    )
    add.add_argument("model", help="a catalogue name or org/name[@revision] of the Hub")
    add.add_argument("--newest", action="store_true", help="also if an older copy is here")
    add.set_defaults(run=fetch)
    add = actions.add_parser(
        "remove",
        examples=["cytosynth models remove my-lab/my-cells"],
        help="delete a model that was downloaded or added",
    )
    add.add_argument("model", help="org/name of the Hub, or the name of a model of yours")
    add.set_defaults(run=remove)
    collection.add_parsers(actions)
    add = actions.add_parser(
        "publish",
        examples=["cytosynth models publish runs/my-cells/my-cells my-lab/my-cells --dry-run"],
        help="upload a model to the Hugging Face Hub",
    )
    add.add_argument("folder", type=Path, help="folder of the model")
    add.add_argument("repository", help="org/name; made if it does not exist")
    add.add_argument(
        "--dry-run", action="store_true", help="only check and list what would be uploaded"
    )
    add.set_defaults(run=publish)
    _add_convert(actions)
    _add_export(actions)


def _add_convert(actions: Any) -> None:
    add = actions.add_parser(
        "convert",
        examples=[
            "cytosynth models convert latest_net_G.pth --as Pix2PixHD --out their-stainer --set "
            "input_channels=brightfield output_channels=nuclei normalisation=zscore",
            "cytosynth models convert CP_20240101_mine --as Cellpose --out my-cells --set "
            "input_channels=image",
            "cytosynth models convert their-model.zip --as bioimageio --out their-model",
        ],
        help="turn weights that another program wrote into a model",
        description="Turn a model of Cellpose 1 to 3, or a .pth file of a pix2pixHD generator or a "
        "U-Net, or an ONNX graph, into a model folder. A .pth file is opened in a process of its "
        "own by a reader that runs no code of it. What the weights do not record is given with "
        "--set: at least input_channels, output_channels and normalisation, of a model of "
        "Cellpose at most input_channels, of a package of BioImage.IO most often nothing.",
    )
    add.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="the weights: .pth, .pt, .safetensors, .onnx, a model of Cellpose, or a package of "
        "BioImage.IO",
    )
    add.add_argument(
        "--as",
        dest="architecture",
        required=True,
        choices=("Cellpose", "ONNX", "Pix2PixHD", "UNet", "bioimageio"),
        help="network",
    )
    add.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the model (default: ./NAME)"
    )
    add.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="for example input_channels=brightfield output_channels=nuclei,membrane "
        "normalisation=fixed mean=0.5 std=0.5 dropout=0.2",
    )
    add.set_defaults(run=convert)


def _add_export(actions: Any) -> None:
    add = actions.add_parser(
        "export",
        examples=["cytosynth models export --bioimageio fluo-nuclei-unet nuclei.zip"],
        help="write a model as a package for other programs",
        description="Write a model that segments or stains as a package of the BioImage.IO model "
        "zoo: weights, the network's source, and an example with its result.",
    )
    add.add_argument("model", help=MODEL_HELP)
    add.add_argument("out", type=Path, metavar="OUT.zip", help="the package")
    add.add_argument(
        "--bioimageio", action="store_true", required=True, help="in the format of BioImage.IO 0.5"
    )
    add.add_argument("--author", nargs="+", default=[], metavar="NAME", help="who made the model")
    add.add_argument("--overwrite", action="store_true", help="replace the package")
    add.set_defaults(run=export)


def list_them(arguments: argparse.Namespace) -> None:
    """Print one line for each model."""
    from napari_cytosynth.zoo.catalogue import list_models
    from napari_cytosynth.zoo.collection.licences import licence_in_words
    from napari_cytosynth.zoo.collection.stars import starred
    from napari_cytosynth.zoo.text import one_line

    stars = starred()
    rows = [
        tuple(
            one_line(cell)
            for cell in (
                info.source + " ★" * (stars.get(info.task) == info.source),
                *(info.task, f"{info.size_bytes / 1e6:.1f} MB"),
                *(licence_in_words(info.licence, info.data_licence), info.title),
            )
        )
        for info in list_models(arguments.task)
    ]
    if not rows:
        echo("There are no models on this machine.")
        return
    for line in collection.columns(
        [("MODEL", "TASK", "SIZE", "MAY BE USED", "WHAT IT DOES"), *rows]
    ):
        echo(printable(line))


def show(arguments: argparse.Namespace) -> None:
    """Print the card of one model."""
    from napari_cytosynth.zoo.collection.licences import licence_in_words
    from napari_cytosynth.zoo.collection.places import folder_of
    from napari_cytosynth.zoo.model_files import read_card
    from napari_cytosynth.zoo.text import one_line

    folder = folder_of(arguments.model)
    card = read_card(folder)
    if arguments.json:
        echo(_json(card))
        return
    echo(one_line(f"{card.name}: {card.title}" if card.title else card.name))
    echo(f"May be used: {licence_in_words(card.licence, card.training.data_licence)}")
    echo(printable(f"Lies in: {folder}"))
    for part in (card, card.inference, card.training):
        _print_fields(part)
    if card.metrics:
        echo("\nMeasured")
    for metric in card.metrics:
        echo(f"  {one_line(metric.name)} {metric.value:g} on {one_line(metric.dataset)}")
        echo(f"    {one_line(metric.command)}")


def _json(card: ModelCard) -> str:
    """Return the card as it is stored; plain ASCII where the console cannot show all of it."""
    text = card.model_dump_json(indent=2)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeError:
        return json.dumps(json.loads(text), indent=2)
    return text


def _print_fields(record: BaseModel) -> None:
    from pydantic import BaseModel

    from napari_cytosynth.zoo.text import one_line

    echo()
    for name, info in type(record).model_fields.items():
        value = getattr(record, name)
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        if name == "metrics" or text in (None, "", {}):
            continue
        if name in ("inference", "training"):
            continue
        if isinstance(value, BaseModel):
            text = ", ".join(f"{key} {item}" for key, item in value)
        echo(f"  {name.replace('_', ' ')}: {one_line(text, _LONGEST)}\n      {info.description}")


def fetch(arguments: argparse.Namespace) -> None:
    """Download one model."""
    from napari_cytosynth.zoo import hub
    from napari_cytosynth.zoo.catalogue import bundled_folder
    from napari_cytosynth.zoo.collection.places import split_source

    if bundled_folder(arguments.model) is not None:
        echo(f"{arguments.model} comes with this package; there is nothing to download.")
        return
    repository, revision = split_source(arguments.model)
    if arguments.newest and revision is not None:
        raise InputError("--newest takes org/name without a revision, which is always the same.")
    progress = resolve_progress(None)
    if arguments.newest:
        echo(printable(hub.update(repository, progress)))
    else:
        echo(printable(hub.fetch(repository, revision, progress)))


def remove(arguments: argparse.Namespace) -> None:
    """Delete one model that was downloaded or added."""
    from napari_cytosynth.zoo.collection.places import remove_model

    freed = remove_model(arguments.model)
    echo(f"Removed {printable(arguments.model)}: {freed / 1e6:.1f} MB are free again.")


def publish(arguments: argparse.Namespace) -> None:
    """Upload one model, or print what would be uploaded."""
    from napari_cytosynth.zoo import hub

    done = hub.publish(arguments.folder, arguments.repository, dry_run=arguments.dry_run)
    for name, size in done.files.items():
        echo(f"  {printable(name)} ({size / 1e6:.2f} MB)")
    if done.commit is None:
        echo(f"Nothing was uploaded; these files would go to {done.repository}.")
    else:
        echo(f"Published {done.repository}@{done.commit}")


def convert(arguments: argparse.Namespace) -> None:
    """Convert one weights file."""
    from napari_cytosynth.zoo.convert import conversion as converting
    from napari_cytosynth.zoo.model_files import update_card

    pairs = [setting.partition("=") for setting in arguments.set]
    wrong = [key for key, sign, _ in pairs if not sign]
    if wrong:
        raise InputError(f"--set takes KEY=VALUE; “{wrong[0]}” has no “=”.")
    settings = {key: value for key, _, value in pairs}
    done = converting.convert(arguments.file, arguments.architecture, arguments.out, settings)
    if (card := _measured(done)) is not done.card:  # it rewrites the weights, too
        update_card(done.folder, card)
    for message in done.messages:
        echo(message)
    echo(f"{done.card.architecture} in {done.folder}")


def _measured(done: Converted) -> ModelCard:
    """Return the card of a converted model with what can only be measured on its network."""
    from napari_cytosynth.inference.geometry import network_geometry

    card, inference = done.card, done.card.inference
    if inference.norm != "batch" or inference.receptive_radius:
        return card  # it sees the whole image
    graph = card.architecture == "ONNX"  # other networks say their stride
    try:
        found = network_geometry(done.network, len(inference.input_channels))
    except ModelError:
        if not graph:
            raise
        return _whole_image_card(card)
    stride = found.stride if graph else inference.total_stride
    facts = {"receptive_radius": found.radius, "total_stride": stride}
    return card.model_copy(update={"inference": inference.model_copy(update=facts)})


def _whole_image_card(card: ModelCard) -> ModelCard:
    """Return the card of a graph in which a pixel may depend on the whole image."""
    segments = card.inference.task == "segment"
    how = f"windows of {_WINDOW} px that are averaged" if segments else "the image in one piece"
    remark = f"A pixel may depend on the whole image: it runs on {how}."
    echo(remark)
    remarks = f"{card.training.remarks} {remark}"
    return card.model_copy(
        update={
            "arguments": {**card.arguments, **({"window": _WINDOW} if segments else {})},
            "inference": card.inference.model_copy(update={"norm": "instance"}),
            "training": card.training.model_copy(update={"remarks": remarks}),
        }
    )


def export(arguments: argparse.Namespace) -> None:
    """Write one model as a package."""
    from napari_cytosynth.tasks.export.model_package import export_bioimageio

    messages = export_bioimageio(
        arguments.model, arguments.out, authors=arguments.author, overwrite=arguments.overwrite
    )
    for message in messages:
        echo(message)
    echo(printable(arguments.out))
