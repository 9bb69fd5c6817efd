"""A model on disk: ``config.json``, ``model.safetensors`` and ``README.md``.

The weights file carries the same JSON as ``config.json`` in its metadata, so that a lone
``model.safetensors`` explains itself. Nothing else than safetensors is ever read: the
other weight formats can run code when they are opened.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_cytosynth.errors import (
    CardTooNewError,
    CorruptWeightsError,
    ModelError,
    ModelNotFoundError,
    NotSafetensorsError,
    OutputError,
    UnknownArchitectureError,
)
from napari_cytosynth.zoo.card import FORMAT_VERSION, ModelCard
from napari_cytosynth.zoo.readme import render_readme

if TYPE_CHECKING:
    import os

    import torch
    from torch import nn

__all__ = [
    "CARD_FILE",
    "README_FILE",
    "WEIGHTS_FILE",
    "file_sha256",
    "load_network",
    "read_card",
    "save_model",
]

CARD_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
README_FILE = "README.md"

_FOREIGN_SUFFIXES = frozenset(
    {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".h5", ".hdf5", ".keras", ".onnx", ".npz"}
)
_LARGEST_HEADER = 100_000_000  # the format's own limit, in bytes
_LARGEST_HALF = 65504.0


def save_model(
    folder: str | os.PathLike[str],
    network: nn.Module,
    card: ModelCard,
    *,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a model as the three files that every part of the package reads.

    Parameters
    ----------
    folder
        Folder to write into; made if it does not exist. Files of these names in it are
        replaced, each at once, so that a reader never sees half a file.
    network
        Network of the architecture and arguments that the card names, on any device.
    card
        The model's card. An empty ``package_version`` is filled in.
    dtype
        Type that floating-point tensors are stored in; ``torch.float16`` if None.
        BatchNorm statistics, and tensors that do not fit into half precision, are
        stored as float32.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        If the folder cannot be written: no space or no permission.
    """
    from safetensors.torch import save

    folder = Path(folder)
    card = card if card.package_version else card.model_copy(update=_written_by())
    text = card.model_dump_json(indent=2)
    # A single metadata key: the order of several is random and would change the hash.
    weights = save(_stored_state(network, dtype), metadata={"card": text})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / CARD_FILE, text.encode() + b"\n")
        _replace(folder / WEIGHTS_FILE, weights)
        _replace(folder / README_FILE, render_readme(card).encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"The model cannot be saved in “{folder}”: {reason}.") from error
    return folder


def read_card(source: str | os.PathLike[str]) -> ModelCard:
    """Read the card of a model without loading its weights.

    Parameters
    ----------
    source
        A model's folder, or a lone ``model.safetensors`` file.

    Raises
    ------
    ModelNotFoundError
        If there is nothing at that place.
    NotSafetensorsError
        If the file is a pickle or of another format.
    CorruptWeightsError
        If the weights file is truncated.
    CardTooNewError
        If a newer version of this package wrote the card.
    ModelError
        If there is no card, or it is not valid.
    """
    path = Path(source)
    config = path / CARD_FILE
    if path.is_dir() and config.is_file():
        return _parse_card(_read(config), config)
    weights = _find_weights(path)
    return _card_from_header(_read(weights), weights)


def load_network(source: str | os.PathLike[str]) -> tuple[nn.Module, ModelCard]:
    """Load a model's network and card.

    Parameters
    ----------
    source
        A model's folder, or a lone ``model.safetensors`` file.

    Returns
    -------
    tuple of (nn.Module, ModelCard)
        The network in float32 on the CPU, in evaluation mode, without gradients; and
        its card.

    Raises
    ------
    ModelNotFoundError
        If there is nothing at that place.
    NotSafetensorsError
        If the weights are a pickle or of another format.
    CorruptWeightsError
        If the weights are truncated or altered, or do not fit the architecture.
    UnknownArchitectureError
        If this version does not have the network that the card names.
    CardTooNewError
        If a newer version of this package wrote the card.
    ModelError
        If there is no card, or it is not valid.
    """
    path = Path(source)
    weights = _find_weights(path)
    content = _read(weights)
    header_card = _checked_header(content, weights)
    config = path / CARD_FILE
    if path.is_dir() and config.is_file():
        card = _parse_card(_read(config), config)
    else:
        card = _embedded_card(header_card, weights)
    return _filled_network(card, _tensors(content, weights), weights), card


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as 64 lower-case hexadecimal digits."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"“{path}” cannot be read: {error.strerror or error}.") from error


def weights_file(source: str | os.PathLike[str]) -> Path:
    """Return the weights file of a model's folder (or the file itself); see `load_network`."""
    return _find_weights(Path(source))


def _written_by() -> dict[str, str]:
    try:
        return {"package_version": version("napari-cytosynth")}
    except PackageNotFoundError:  # run from a source tree that is not installed
        return {}


def _stored_state(network: nn.Module, dtype: torch.dtype | None) -> dict[str, torch.Tensor]:
    """Return the state dict as it is stored: contiguous, unshared, on the CPU."""
    import torch

    dtype = torch.float16 if dtype is None else dtype
    return {
        name: _stored(tensor, torch.float32 if _is_statistic(name) else dtype)
        for name, tensor in network.state_dict().items()
    }


def _stored(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    import torch

    tensor = tensor.detach().cpu()
    if not tensor.is_floating_point():
        return tensor.clone(memory_format=torch.contiguous_format)
    half = dtype == torch.float16
    if half and tensor.numel() and float(tensor.abs().max()) > _LARGEST_HALF:
        dtype = torch.float32
    return tensor.to(dtype).clone(memory_format=torch.contiguous_format)


def _is_statistic(name: str) -> bool:
    return name.rpartition(".")[2] in {"running_mean", "running_var"}


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside `path`, then move it there: whole, or not at all."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
    try:
        temporary.write_bytes(content)
        temporary.chmod(0o644)  # temporary files are made for their owner only
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _find_weights(path: Path) -> Path:
    if path.is_dir():
        weights = path / WEIGHTS_FILE
        return weights if weights.exists() else _no_weights_in(path)
    if not path.exists():
        raise ModelNotFoundError(f"There is no model at “{path}”.")
    if path.suffix.lower() in _FOREIGN_SUFFIXES:
        raise _not_safetensors(path)
    return path


def _no_weights_in(folder: Path) -> Path:
    foreign = sorted(p for p in folder.iterdir() if p.suffix.lower() in _FOREIGN_SUFFIXES)
    if foreign:
        raise _not_safetensors(foreign[0])
    raise ModelNotFoundError(
        f"The folder “{folder}” holds no model: the file {WEIGHTS_FILE} is missing."
    )


def _not_safetensors(path: Path) -> NotSafetensorsError:
    return NotSafetensorsError(
        f"“{path.name}” is not a safetensors file. Other weight files can run hidden code when "
        f"they are opened, so they are never read; ask the model's author for {WEIGHTS_FILE}."
    )


def _corrupt(path: Path, reason: str) -> CorruptWeightsError:
    return CorruptWeightsError(
        f"The weights file “{path}” is damaged ({reason}). Please download or copy it again."
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"“{path}” cannot be read: {error.strerror or error}.") from error


def _checked_header(content: bytes, path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file, or say what the file is instead."""
    if content.startswith(b"version https://git-lfs"):
        raise _corrupt(path, "it is a Git LFS pointer, the weights themselves are missing")
    if len(content) < 10:
        raise _corrupt(path, f"it is only {len(content)} bytes long")
    size = int.from_bytes(content[:8], "little")
    if content[8:9] != b"{" or size > _LARGEST_HEADER:
        raise _not_safetensors(path)
    try:
        header: dict[str, Any] = json.loads(content[8 : 8 + size])
        metadata: dict[str, str] = header.pop("__metadata__", {})
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise _corrupt(path, "its header is incomplete") from error
    if len(content) != 8 + size + end:
        raise _corrupt(path, f"{len(content)} bytes long instead of {8 + size + end}")
    return metadata


def _card_from_header(content: bytes, path: Path) -> ModelCard:
    return _embedded_card(_checked_header(content, path), path)


def _embedded_card(metadata: dict[str, str], path: Path) -> ModelCard:
    if "card" not in metadata:
        raise ModelError(
            f"“{path.name}” has no card that says how to use it: put its {CARD_FILE} beside it "
            "and open the folder. Models made by other programs cannot be used as they are."
        )
    return _parse_card(metadata["card"], path)


def _parse_card(text: str | bytes, path: Path) -> ModelCard:
    try:
        record = json.loads(text)
        written = record.get("format_version", FORMAT_VERSION)
    except (ValueError, AttributeError) as error:
        raise ModelError(f"The model's card in “{path}” is not valid JSON.") from error
    if isinstance(written, int) and written > FORMAT_VERSION:
        raise CardTooNewError(
            f"The model in “{path}” was made by a newer version of napari-cytosynth (card "
            f"version {written}; this one reads up to {FORMAT_VERSION}). Please update the plugin."
        )
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(_explain(error, path)) from error


def _explain(error: ValidationError, path: Path) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the card"
    return f"The model's card in “{path}” cannot be used: {place}: {first['msg']}."


def _tensors(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: dict[str, torch.Tensor] = load(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise _corrupt(path, str(error)) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise _corrupt(path, f"“{name}” holds values that are not numbers")
    return tensors


def _filled_network(card: ModelCard, state: dict[str, torch.Tensor], path: Path) -> nn.Module:
    """Build the card's network and fill in the weights, after checking that they fit."""
    import torch

    from napari_cytosynth.models import build_network

    _check_channels(card, path)
    try:
        with torch.device("meta"):  # no memory: a wrong config cannot ask for all of it
            expected = build_network(card.architecture, card.arguments).state_dict()
    except (RuntimeError, OverflowError) as error:
        raise UnknownArchitectureError(
            f"The arguments of “{card.architecture}” in the model's card make no network: {error}."
        ) from error
    _check_fit(expected, state, path)
    with torch.random.fork_rng(devices=[]):  # loading a model must not change random numbers
        network = build_network(card.architecture, card.arguments)
    network.load_state_dict(state)
    return network.float().eval().requires_grad_(False)


def _check_fit(
    expected: dict[str, torch.Tensor], state: dict[str, torch.Tensor], path: Path
) -> None:
    missing, extra = expected.keys() - state.keys(), state.keys() - expected.keys()
    if missing or extra:
        name = min(missing or extra)
        count = len(missing) + len(extra)
        raise _corrupt(path, f"{count} tensors do not fit the architecture, “{name}” is the first")
    for name, tensor in expected.items():
        if tensor.shape != state[name].shape:
            shapes = f"{tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
            raise _corrupt(path, f"“{name}” has the shape {shapes}")


def _check_channels(card: ModelCard, path: Path) -> None:
    named = {
        "in_channels": card.inference.input_channels,
        "out_channels": card.inference.output_channels,
    }
    for argument, names in named.items():
        count = card.arguments.get(argument, len(names))
        if count != len(names):
            raise ModelError(
                f"The model's card in “{path}” contradicts itself: {argument} is {count}, but "
                f"it names {len(names)} channels."
            )
