"""Conversion of another program's weights to the three files of a model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import (
    CorruptWeightsError,
    InputError,
    ModelError,
    ModelNotFoundError,
    OutputError,
)
from napari_cytosynth.models import build_network
from napari_cytosynth.zoo.bioimageio.package import is_package, open_package
from napari_cytosynth.zoo.model_files import CARD_FILE, WEIGHTS_FILE, save_model
from napari_cytosynth.zoo.text import one_line
from napari_cytosynth.zoo.weights import fill_network, read_tensors

from .card import make_card, warnings_of
from .cellpose import cellpose, only_for_cellpose, read_facts
from .foreign import NetworkLayout, Shapes, listed, match_names, pix2pixhd, unet
from .graph import GRAPH, only_for_graphs, read_graph
from .settings import ConvertSettings, read_settings
from .worker import time_limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import nn

    from napari_cytosynth.zoo.bioimageio.package import Package
    from napari_cytosynth.zoo.card import ModelCard

__all__ = ["LAYOUTS", "PACKAGE", "Converted", "convert"]

LAYOUTS = {"Cellpose": cellpose, "Pix2PixHD": pix2pixhd, "UNet": unet}
"""What ``--as`` takes -> the function that reads such a network's layout."""

PACKAGE = "bioimageio"
"""What ``--as`` takes for a package of BioImage.IO that this program wrote."""

Tensors = dict[str, "torch.Tensor"]

# Isolated (-I), Python looks neither into the current folder nor at its variables, so that no
# file that lies beside the weights can take the place of a module; where this process found
# its modules is handed over instead.
_READER = (
    "import os, sys; sys.path += sys.argv.pop(1).split(os.pathsep); "
    "from napari_cytosynth.zoo.convert.worker import main; main()"
)


@dataclass(frozen=True, eq=False)
class Converted:
    """A converted model.

    Attributes
    ----------
    folder
        Where its three files are.
    card
        Its card.
    network
        Its network, in evaluation mode.
    messages
        Sentences on assumptions and omissions.
    """

    folder: Path
    card: ModelCard
    network: nn.Module
    messages: tuple[str, ...]


def convert(
    source: str | os.PathLike[str],
    architecture: str,
    folder: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Converted:
    """Convert a foreign weights file without ever opening it in this process.

    A second process reads it with torch's restricted reader, which runs no code of the
    file, and hands over tensors alone. Every tensor must find its place, or an error names
    those that do not. The weights keep their precision.

    Parameters
    ----------
    source
        The file, such as ``latest_net_G.pth``, or a package of BioImage.IO that holds it.
    architecture
        ``Cellpose`` (a model of its versions 1 to 3), ``Pix2PixHD`` (NVIDIA's layout, with or
        without local enhancer), ``UNet`` or ``ONNX``; ``bioimageio`` for a package that this
        program wrote, whose card says everything, or that holds an ONNX graph.
    folder
        Folder to write, which must not hold a model yet; None (default): one of the model's
        name in the current folder.
    settings
        Facts missing in the weights: ``input_channels``, ``output_channels`` and
        ``normalisation`` must be there, but of Cellpose's; see :class:`ConvertSettings` for the
        others.

    Returns
    -------
    Converted
        The model as written. Its card's ``receptive_radius`` is not known yet: 0.

    Raises
    ------
    InputError
        If a setting is missing, unknown or wrong.
    ModelNotFoundError
        If there is no such file.
    ModelError
        If the file holds more than weights, and opening it could run hidden code.
    CorruptWeightsError
        If the file is damaged or no weights file.
    UnknownArchitectureError
        If the weights are of another network, or one that cannot be represented exactly.
    OutputError
        If the folder holds a model already, or cannot be written.
    """
    import torch

    path = Path(source)
    if architecture not in (PACKAGE, GRAPH, *LAYOUTS):
        raise InputError(
            f"Weights cannot be converted to “{architecture}”, only to {', '.join(LAYOUTS)}, "
            f"{GRAPH} or {PACKAGE}."
        )
    chosen = read_settings(settings or {})
    if not (path.is_file() or is_package(path)):
        raise ModelNotFoundError(f"There is no weights file “{path}”.")
    package = open_package(path) if architecture == PACKAGE or is_package(path) else None
    if package is not None and architecture == PACKAGE and package.is_foreign_graph:
        architecture = GRAPH
    if architecture == PACKAGE and package is not None:
        return _unpacked(package, folder, chosen)
    name = chosen.name or re.sub(r"[^A-Za-z0-9._-]", "-", path.stem)
    target = _new_folder(name, folder)
    if architecture == GRAPH:
        graph, said = read_graph(path, package, chosen)
        card = make_card(name, package.file if package else path, graph, said.settings, said)
        network = fill_network(card, said.tensors, path)
        save_model(target, network, card, dtype=torch.float32)
        return Converted(target, card, network, said.messages)
    only_for_graphs(chosen)
    tensors, messages = _read(path, package, chosen.leave_out)
    layout = _read_layout(architecture, _shapes(tensors), chosen)
    facts = None
    if architecture == "Cellpose":
        facts = read_facts(path.name, tensors, chosen)
        tensors, chosen = facts.tensors, facts.settings
        layout.arguments["in_channels"] = len(chosen.input_channels)
    else:
        only_for_cellpose(chosen)
    arguments = layout.arguments
    names = match_names(layout, _expected(layout), _shapes(tensors))
    chosen.check_against(arguments["in_channels"], arguments["out_channels"])
    card = make_card(name, path, layout, chosen, facts)
    network = fill_network(card, _state(layout, names, tensors), path)
    save_model(target, network, card, dtype=torch.float32)
    return Converted(target, card, network, (*messages, *warnings_of(layout, chosen, facts)))


def _unpacked(
    package: Package, folder: str | os.PathLike[str] | None, chosen: ConvertSettings
) -> Converted:
    """Return the model of a package that this program wrote, as its card says."""
    import torch

    if strange := chosen.given() - {"name"}:
        raise InputError(
            f"A package says all by itself: it takes no setting {', '.join(sorted(strange))}."
        )
    card = package.card()
    if chosen.name:
        card = card.model_copy(update={"name": chosen.name})
    target = _new_folder(card.name, folder)
    tensors, _ = _read(package.path, package, [])
    network = fill_network(card, tensors, package.path)
    save_model(target, network, card, dtype=torch.float32)
    return Converted(target, card, network, ())


def _new_folder(name: str, folder: str | os.PathLike[str] | None) -> Path:
    target = Path(name if folder is None else folder)
    if (target / CARD_FILE).exists() or (target / WEIGHTS_FILE).exists():
        raise OutputError(f"“{target}” holds a model already; choose another folder with --out.")
    return target


def _read(path: Path, package: Package | None, unwanted: list[str]) -> tuple[Tensors, list[str]]:
    """Read the tensors of a file, or of the weights in a package."""
    if package is None:
        return _read_elsewhere(path, unwanted)
    with TemporaryDirectory() as scratch:
        return _read_elsewhere(package.extract_weights(Path(scratch)), unwanted)


def _read_elsewhere(path: Path, unwanted: list[str]) -> tuple[Tensors, list[str]]:
    """Read the tensors in another process; return them with messages on the rest."""
    with TemporaryDirectory() as scratch:
        target = Path(scratch) / "tensors.safetensors"
        report = _run_reader(path, target)
        if "error" in report:
            raise _refusal(path, report)
        unordered = read_tensors(target.read_bytes(), path)
    tensors = {name: unordered[name] for name in report["names"]}
    kept = _without(unwanted, [*tensors, *report["others"]])
    strange = [name for name in report["others"] if name in kept]
    if strange:
        raise ModelError(
            f"“{path.name}” holds entries among its weights that are no tensors: "
            f"{listed(strange)}. If the network does without them, leave them out with "
            "--set leave_out=NAME,NAME."
        )
    messages = _what_was_found(report)
    dropped = [name for name in [*tensors, *report["others"]] if name not in kept]
    messages += [f"Left out, as you said: {listed(dropped)}."] if dropped else []
    return {name: value for name, value in tensors.items() if name in kept}, messages


def _run_reader(path: Path, target: Path) -> dict[str, Any]:
    """Extract the tensors of `path` to `target` in an isolated process; return its report."""
    command = [sys.executable, "-I", "-W", "ignore", "-c", _READER, _module_folders()]
    command += [str(path.absolute()), str(target)]
    try:
        done = subprocess.run(
            command,
            cwd=target.parent,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=time_limit(path.stat().st_size),
            check=False,
        )
        report: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"“{path}” could not be read: its reader took longer than {error.timeout:.0f} s and "
            "was stopped. Ask its author for the weights alone."
        ) from error
    except ValueError as error:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise ModelError(
            f"“{path}” could not be read: its reader broke off ({one_line(reason, 300)})."
        ) from error
    return report


def _module_folders() -> str:
    """Return where this process looks for modules, without the current folder."""
    here = os.path.realpath(os.curdir)
    known = [str(Path(__file__).resolve().parents[3]), *sys.path]
    return os.pathsep.join(
        p for p in known if Path(p).is_absolute() and os.path.realpath(p) != here
    )


def _refusal(path: Path, report: dict[str, Any]) -> ModelError:
    detail = one_line(report["detail"], 300)
    if report["error"] == "large":
        return CorruptWeightsError(
            f"“{path.name}” describes weights that are larger than the file itself, which no "
            "training program writes; it was not opened any further."
        )
    if report["error"] == "unsafe":
        return ModelError(
            f"“{path.name}” holds more than weights: it asks for “{detail}”, and to "
            "open that could run hidden code, so it was refused and nothing of it ran. Ask its "
            "author for the weights alone: torch.save(network.state_dict(), …), or safetensors."
        )
    if report["error"] == "empty":
        return CorruptWeightsError(
            f"“{path.name}” holds no weights that could be told apart ({detail})."
        )
    return CorruptWeightsError(
        f"“{path.name}” is damaged, or no weights file ({detail}). Please download or "
        "copy it again."
    )


def _what_was_found(report: dict[str, Any]) -> list[str]:
    messages = []
    if report["wrappers"]:
        messages.append(
            f"The weights were taken from “{'”, “'.join(map(one_line, report['wrappers']))}”."
        )
    if report["beside"]:
        messages.append(f"What lay beside them was left out: {listed(report['beside'])}.")
    if report["prefix"]:
        messages.append(f"“{report['prefix']}” was cut off the names.")
    return messages


def _without(patterns: list[str], names: list[str]) -> set[str]:
    """Return the names that match no pattern; every pattern must match one."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"leave_out={pattern} names nothing in the file.")
    return {name for name in names if not any(fnmatchcase(name, p) for p in patterns)}


def _shapes(tensors: Mapping[str, torch.Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _read_layout(architecture: str, shapes: Shapes, chosen: ConvertSettings) -> NetworkLayout:
    """Read the layout from the tensors and complete it with the user's settings."""
    layout = LAYOUTS[architecture](shapes)
    arguments = layout.arguments
    if architecture == "Cellpose":
        return layout
    if architecture == "UNet":
        if layout.modules and chosen.dropout:
            raise _no_dropout()
        for name in ("in_channels", "out_channels"):
            arguments[name] //= chosen.stem**2
        arguments |= {"stem": chosen.stem, "dropout": chosen.dropout}
        arguments["dropout_at"] = chosen.dropout_at
        return layout
    if chosen.dropout and not layout.dropout_blocks:
        raise _no_dropout()
    if chosen.dropout and chosen.dropout_blocks not in (None, layout.dropout_blocks):
        raise InputError(
            f"This network was trained with dropout in all {layout.dropout_blocks} blocks; "
            "dropout_blocks cannot be chosen."
        )
    arguments |= {"padding": "reflect", "tanh": chosen.tanh, "dropout": chosen.dropout}
    arguments["dropout_blocks"] = chosen.dropout_blocks or layout.dropout_blocks or 1
    return layout


def _no_dropout() -> InputError:
    return InputError(
        "These weights are of a network without dropout layers: it was not trained with dropout. "
        "Leave the setting out."
    )


def _expected(layout: NetworkLayout) -> Shapes:
    import torch

    with torch.device("meta"):
        return _shapes(build_network(layout.architecture, layout.arguments).state_dict())


def _state(layout: NetworkLayout, names: dict[str, str], tensors: Tensors) -> Tensors:
    """Rename the tensors; counters missing in old files start at 0."""
    import torch

    counters = (name for name in _expected(layout) if name not in names)
    state = {name: torch.zeros((), dtype=torch.int64) for name in counters}
    return state | {ours: tensors[theirs] for ours, theirs in names.items()}
