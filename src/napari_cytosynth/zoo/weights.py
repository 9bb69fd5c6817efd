"""Reading and writing of the weights file, and refusal of other formats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_cytosynth.errors import (
    CorruptWeightsError,
    ModelError,
    ModelNotFoundError,
    NotSafetensorsError,
    UnknownArchitectureError,
)

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from .card import ModelCard

__all__ = [
    "REFERENCE",
    "WEIGHTS_FILE",
    "fill_network",
    "find_weights",
    "read_header",
    "read_tensors",
    "stored_state",
    "stored_tensor",
]

WEIGHTS_FILE = "model.safetensors"
REFERENCE = "reference."
"""Prefix of tensors that are no weights: see `model_files.read_reference`."""

_FOREIGN_SUFFIXES = frozenset(
    {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".h5", ".hdf5", ".keras", ".onnx", ".npz"}
)
_LARGEST_HEADER = 100_000_000  # the format's own limit, in bytes
_LARGEST_HALF = 65504.0


def find_weights(path: Path) -> Path:
    """Return the weights file in a folder, or the file itself; refuse other formats."""
    if path.is_dir():
        weights = path / WEIGHTS_FILE
        return weights if weights.exists() else _no_weights_in(path)
    if not path.exists():
        raise ModelNotFoundError(f"There is no model at “{path}”.")
    if path.suffix.lower() in _FOREIGN_SUFFIXES:
        raise _not_safetensors(path)
    return path


def read_header(content: bytes, path: Path) -> dict[str, str]:
    """Read the metadata of a safetensors file; raise ModelError for any other content."""
    if content.startswith(b"version https://git-lfs"):
        raise _corrupt(path, "it is a Git LFS pointer, the weights themselves are missing")
    if len(content) < 10:
        raise _corrupt(path, f"it is only {len(content)} bytes long")
    size = int.from_bytes(content[:8], "little")
    if content[8:9] != b"{" or size > _LARGEST_HEADER:
        raise _not_safetensors(path)
    try:
        header: dict[str, Any] = json.loads(content[8 : 8 + size])
        metadata: dict[str, str] = dict(header.pop("__metadata__", {}))
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise _corrupt(path, "its header is incomplete") from error
    if len(content) != 8 + size + end:
        raise _corrupt(path, f"{len(content)} bytes long instead of {8 + size + end}")
    return metadata


def read_tensors(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a safetensors file with a valid header."""
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


def stored_state(network: nn.Module, dtype: torch.dtype | None) -> dict[str, torch.Tensor]:
    """Return the state dict as it is stored: contiguous, unshared, on the CPU."""
    import torch

    return {
        name: stored_tensor(tensor, torch.float32 if _is_statistic(name) else dtype)
        for name, tensor in network.state_dict().items()
    }


def fill_network(card: ModelCard, state: dict[str, torch.Tensor], path: Path) -> nn.Module:
    """Build the card's network and fill in the weights, after checking that they fit."""
    import torch

    from napari_cytosynth.models import build_network

    state = {name: tensor for name, tensor in state.items() if not name.startswith(REFERENCE)}
    _check_channels(card, path)
    try:
        with torch.device("meta"):  # no memory: a wrong config cannot allocate all of it
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


def _no_weights_in(folder: Path) -> Path:
    inside = sorted(path.parent for path in folder.glob(f"*/{WEIGHTS_FILE}"))
    if inside:  # the folder of a run of training, most often
        models = " or ".join(f"“{each}”" for each in inside[:3])
        raise ModelNotFoundError(f"The folder “{folder}” holds no model itself; choose {models}.")
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


def stored_tensor(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return a tensor as it is stored: floats of a `dtype` (None: float16) that holds them."""
    import torch

    dtype = torch.float16 if dtype is None else dtype
    tensor = tensor.detach().cpu()
    if not tensor.is_floating_point():
        return tensor.clone(memory_format=torch.contiguous_format)
    half = dtype == torch.float16
    if half and tensor.numel() and float(tensor.abs().max()) > _LARGEST_HALF:
        dtype = torch.float32
    return tensor.to(dtype).clone(memory_format=torch.contiguous_format)


def _is_statistic(name: str) -> bool:
    return name.rpartition(".")[2] in {"running_mean", "running_var"}


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
